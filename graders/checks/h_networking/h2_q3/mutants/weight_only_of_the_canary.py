"""shares of their sum"""
### SOLUTION
for route in routes:
    for rule in route["spec"]["rules"]:
        for backend in rule.get("backendRefs", []):
            if backend["name"] == values["apps"]["web"]:
                backend.pop("weight", None)
