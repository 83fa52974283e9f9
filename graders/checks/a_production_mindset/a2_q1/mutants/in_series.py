r"""independent\s+pods\s+would\s+give[\s\S]*does\s+not\s+follow[\s\S]*product\s+of\s+the\s+tiers

All four pods multiplied.
"""
### SOLUTION
availability["claimed"] = 1.0
for pods in values["down"].values():
    for pod in pods:
        availability["claimed"] *= 1 - sum(last - first for first, last in pod) / values["window"]
