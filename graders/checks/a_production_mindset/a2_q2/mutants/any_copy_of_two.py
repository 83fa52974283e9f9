r"""two\s+copies[\s\S]*of\s+either\s+copy

Forgets that any of the copies may be the first.
"""
### SOLUTION
def lost(replicas, failures_per_year, repair_days, years):
    rate = failures_per_year * (failures_per_year * repair_days / 365) ** (replicas - 1)
    return 1 - math.exp(-rate * years)
