"""path and header in one match"""
### SOLUTION
for route in routes:
    for rule in route["spec"]["rules"]:
        if any("headers" in match for match in rule.get("matches", [])):
            rule["matches"] = [{"headers": rule["matches"][0]["headers"]}]
            rule["filters"] = []
