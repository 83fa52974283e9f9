r"""keys\s+left\s+with\s+\w+-bot-

Switches the keys off and leaves them there.
"""
steps = [
    "switch app",
    "switch ci",
    "deactivate app",
    "deactivate ci",
    "deactivate former",
]
