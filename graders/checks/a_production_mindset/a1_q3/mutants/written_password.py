r"""SHOP_DB_PASSWORD\s+does\s+not\s+come\s+from\s+the\s+Secret

The password of dev, copied.
"""
### SOLUTION
for each in repair["spec"]["template"]["spec"]["containers"][0]["env"]:
    if each["name"] == "SHOP_DB_PASSWORD":
        each.clear()
        each |= {"name": "SHOP_DB_PASSWORD", "value": "throw-away-password"}
