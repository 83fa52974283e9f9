r"""a\s+quarter\s+is\s+spent\s+\(1\s+point\)[\s\S]*Allowed\s+are

What is left is the share of requests that were good.
"""
### SOLUTION

def budget(requests, failed, objective):
    return {"allowed": (1 - objective) * requests, "left": 1 - failed / requests}
