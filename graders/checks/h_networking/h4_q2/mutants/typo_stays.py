r"""asked\s+from\s+the\s+shop's\s+VPC[\s\S]*misspelt

Adds the right name beside the misspelt one.
"""
### SOLUTION
private_changes = [each for each in private_changes if each["Action"] != "DELETE"]
