r"""does\s+not\s+know\s+the\s+session[\s\S]*makes\s+a\s+key\s+of\s+its\s+own

Nobody gives production a secret.
"""
### SOLUTION
for each in ("staging", "prod"):
    overlays[each]["patches"][0]["patch"] = overlays[each]["patches"][0]["patch"][:2]
