r"""case-6[\s\S]*you\s+predicted\s+2[\s\S]*Which\s+of\s+the\s+numbers

The metric that asks for fewest counts.
"""
### SOLUTION
replicas["case-6"] = 2
