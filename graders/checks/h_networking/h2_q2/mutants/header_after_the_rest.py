"""a rule without a condition on the header"""
### SOLUTION
paths = ingress["spec"]["rules"][0]["http"]["paths"]
paths[1], paths[2] = paths[2], paths[1]
