"""Which filter replaces what the match has matched"""
### SOLUTION
for route in routes:
    for rule in route["spec"]["rules"]:
        rule["filters"] = [each for each in rule.get("filters", []) if each["type"] != "URLRewrite"]
