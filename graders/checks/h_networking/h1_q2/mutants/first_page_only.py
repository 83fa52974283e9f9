r"""every\s+page\s+of\s+the\s+shop[\s\S]*404[\s\S]*does\s+the\s+route\s+take\s+it

A path that is matched exactly takes the first page and no other.
"""
### SOLUTION
repairs[1]["spec"]["rules"][0]["http"]["paths"][0]["pathType"] = "Exact"
