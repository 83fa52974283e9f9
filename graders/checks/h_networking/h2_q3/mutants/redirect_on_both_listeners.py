"""A route that belongs to both listeners redirects here, too"""
### SOLUTION
for route in routes:
    for parent in route["spec"]["parentRefs"]:
        if parent["sectionName"] == "http":
            del parent["sectionName"]
    route["spec"]["rules"] = [rule for rule in route["spec"]["rules"] if "backendRefs" not in rule] or route["spec"][
        "rules"]
routes = routes[:1]
