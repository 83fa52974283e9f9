r"""staging:\s+session\s+secret\s+\(a\s+variable[\s\S]*nowhere\s+else\)\s+is\s+not[\s\S]*the\s+table

The session secret as a literal in every environment.
"""
### SOLUTION
for each in ("staging", "prod"):
    overlays[each]["configMapGenerator"].append(
        {"name": "frontend-settings", "behavior": "merge", "literals": ["SHOP_SESSION_SECRET=the-same-for-everybody"]})
    overlays[each]["patches"][0]["patch"] = overlays[each]["patches"][0]["patch"][:2]
