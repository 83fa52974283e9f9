r"""reads\s+the\s+Secret[\s\S]*observed:\s+200[\s\S]*without\s+resourceNames

Reads any Secret, not only its own.
"""
### SOLUTION
for each in access:
    for rule in each.get("rules", []):
        rule.pop("resourceNames", None)
