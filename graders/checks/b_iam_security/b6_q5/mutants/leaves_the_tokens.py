r"""finds\s+a\s+token\s+of\s+the\s+API\s+server[\s\S]*observed:\s+is\s+system:serviceaccount[\s\S]*keeps\s+the\s+token\s+away

Narrows the Role, and leaves a token in pods that never use it.
"""
### SOLUTION
access = [each for each in access if each["kind"] != "ServiceAccount"]
