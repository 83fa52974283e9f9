r"""no\s+access\s+key\s+is\s+left\s+in\s+the\s+account\s+\(1\s+point\)\n\s+observed:\s+keys\s+left\s+with\s+(jo|sam|kim)-

Leaves the key that no workload uses.
"""
steps = [
    "switch app",
    "switch ci",
    "deactivate app",
    "deactivate ci",
    "delete app",
    "delete ci",
]
