r"""at\s+most\s+4\s+pods[\s\S]*not\s+have\s+in\s+common

Simply more of everything.
"""
### SOLUTION
for tier in plan.values():
    tier["replicas"] = 4
