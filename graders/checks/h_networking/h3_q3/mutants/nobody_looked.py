r"""the\s+rotation\s+is\s+over\s+\(1\s+point\)[\s\S]*nobody\s+had\s+looked[\s\S]*Look\s+before\s+you\s+take\s+away

Trusts that the ingress is quick.
"""
### SOLUTION
plan.remove("wait until it is served")
