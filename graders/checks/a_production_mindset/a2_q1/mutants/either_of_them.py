r"""with\s+one\s+pod\s+each[\s\S]*in\s+the\s+same\s+second

The better of the two tiers.
"""
### SOLUTION
availability["one_each"] = max(
    1 - sum(last - first for first, last in pods[0]) / values["window"] for pods in values["down"].values())
