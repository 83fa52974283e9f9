r"""after\s+step\s+1,\s+deactivate\s+app\s+the\s+app\s+workload\s+failed

Takes the key away before the workload has its role.
"""
steps = [
    "deactivate app",
    "delete app",
    "switch app",
    "switch ci",
    "deactivate ci",
    "delete ci",
    "deactivate former",
    "delete former",
]
