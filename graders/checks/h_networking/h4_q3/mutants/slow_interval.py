r"""failed[\s\S]*FailureThreshold\s+checks

Checks every thirty seconds.
"""
### SOLUTION
health_check["RequestInterval"] = 30
