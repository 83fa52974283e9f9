r"""✓ ok\s+an\s+intruder\s+in\s+\w+\s+lists[\s\S]*✗ failed\s+the\s+intruder\s+changes\s+the\s+ConfigMap[\s\S]*more\s+verbs

Two objects, but every verb on them.
"""
### SOLUTION
for each in access:
    for rule in each.get("rules", []):
        rule["verbs"] = ["*"]
