r"""customer\s+gets\s+the\s+page[\s\S]*cannot\s+reach[\s\S]*egress\s+rule\s+at\s+its\s+source\s+and\s+an\s+ingress

Everything is denied in both directions, and allowed in one.
"""
### SOLUTION
policies = [each for each in policies if "ingress" not in each["spec"]]
