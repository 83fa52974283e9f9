r"""two\s+copies[\s\S]*before\s+the\s+repair\s+is\s+done

All copies must fail within the year, and nobody repairs.
"""
### SOLUTION
def lost(replicas, failures_per_year, repair_days, years):
    return (1 - math.exp(-failures_per_year * years)) ** replicas
