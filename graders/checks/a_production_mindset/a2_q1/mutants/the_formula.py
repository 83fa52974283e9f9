r"""availability\s+of\s+the\s+shop[\s\S]*Multiplying\s+is\s+right\s+only

The formula for independent pods in place of what was seen.
"""
### SOLUTION
availability["shop"] = availability["claimed"]
