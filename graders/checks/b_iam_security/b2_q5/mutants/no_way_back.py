r"""deleted\s+while\s+active:

Deletes keys that were never switched off to try.
"""
steps = [
    "switch app",
    "switch ci",
    "delete app",
    "delete ci",
    "delete former",
]
