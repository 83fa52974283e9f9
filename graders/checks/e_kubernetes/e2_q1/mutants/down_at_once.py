r"""case-4[\s\S]*you\s+predicted\s+1[\s\S]*look\s+back

Pods that nobody needs go at once.
"""
### SOLUTION
replicas["case-4"] = 1
