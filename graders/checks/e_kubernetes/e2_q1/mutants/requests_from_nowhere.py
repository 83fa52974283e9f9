r"""case-3[\s\S]*you\s+predicted\s+3[\s\S]*beside\s+the\s+app

The container without requests is not looked at.
"""
### SOLUTION
replicas["case-3"] = 3
