r"""stand\s+on\s+one\s+rack[\s\S]*in\s+common

Counts the pods of the other tier.
"""
### SOLUTION
plan["frontend"]["spread"], plan["backend"]["spread"] = [], plan["frontend"]["spread"]
