r"""cannot\s+read\s+what\s+it\s+needs[\s\S]*forbidden

The core API group is the empty text, not "v1".
"""
### SOLUTION
for each in access:
    for rule in each.get("rules", []):
        rule["apiGroups"] = ["v1"]
