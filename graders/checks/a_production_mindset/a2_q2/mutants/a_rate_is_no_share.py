r"""ten\s+years[\s\S]*still\s+there\s+after\s+several

Years are left out.
"""
### SOLUTION
def lost(replicas, failures_per_year, repair_days, years):
    return 1 - math.exp(-replicas * failures_per_year * (failures_per_year * repair_days / 365) ** (replicas - 1))
