r"""limit\s+for\s+memory\s+is\s+1Gi,\s+over\s+the\s+budget

Plenty of memory.
"""
### SOLUTION
repairs[by["memory-limit"]] = container(resources={"limits": {"memory": "1Gi"}})
