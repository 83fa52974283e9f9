r"""all\s+1\s+pods\s+of\s+backend[\s\S]*in\s+common

More of the tier that was redundant already.
"""
### SOLUTION
plan["frontend"]["replicas"], plan["backend"]["replicas"] = 3, 1
