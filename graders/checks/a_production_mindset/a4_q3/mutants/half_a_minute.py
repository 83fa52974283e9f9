r"""bad\s+release:\s+an\s+alert\s+within[\s\S]*Over\s+how\s+many\s+seconds

Looks at a whole minute.
"""
### SOLUTION
alert = {"seen_by": "customers", "seconds": 60, "failed_share": 0.5}
