r"""✗ failed\s+the\s+intruder\s+connects\s+to\s+the\s+node's\s+metadata\s+service[\s\S]*ENETUNREACH[\s\S]*type\s+Egress

Says who may come in, not where pods may connect to.
"""
### SOLUTION
policies = [each for each in policies if "egress" not in each["spec"]]
for each in policies:
    each["spec"]["policyTypes"] = ["Ingress"]
