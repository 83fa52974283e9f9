r"""case-2[\s\S]*you\s+predicted\s+3[\s\S]*within\s+a\s+tenth

Every deviation counts.
"""
### SOLUTION
replicas["case-2"] = 3
