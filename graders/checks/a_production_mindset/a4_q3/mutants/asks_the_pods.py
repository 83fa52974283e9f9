r"""no\s+pods:\s+an\s+alert\s+within[\s\S]*no\s+pod\s+counts\s+anything

Believes the pods.
"""
### SOLUTION
alert = {"seen_by": "pods", "seconds": 4, "failed_share": 0.25}
