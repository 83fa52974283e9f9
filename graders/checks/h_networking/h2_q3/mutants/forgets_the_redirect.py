"""A RequestRedirect that changes the scheme only"""
### SOLUTION
routes = [route for route in routes if not any("RequestRedirect" in str(rule) for rule in route["spec"]["rules"])]
for route in routes:
    for parent in route["spec"]["parentRefs"]:
        parent.pop("sectionName", None)
