r"""customer\s+gets\s+the\s+page[\s\S]*cannot\s+reach[\s\S]*cluster's\s+DNS

Nobody may ask the cluster's DNS.
"""
### SOLUTION
policies = [each for each in policies if "53" not in str(each)]
