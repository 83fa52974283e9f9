r"""four\s+nines[\s\S]*smallest\s+number

Always one copy more, to be safe.
"""
### SOLUTION
def copies(failures_per_year, repair_days, nines):
    found = 1
    while lost(found, failures_per_year, repair_days, 1) > 10**-nines:
        found += 1
    return found + 1
