r"""availability\s+of\s+the\s+(frontend|backend)[\s\S]*both\S*\s+of\s+its\s+pods

A tier counted as the average of its pods.
"""
### SOLUTION
for tier, pods in values["down"].items():
    spells = [last - first for pod in pods for first, last in pod]
    availability[tier] = 1 - sum(spells) / values["window"] / 2
