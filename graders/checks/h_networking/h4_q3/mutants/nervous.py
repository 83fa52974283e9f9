r"""led\s+to\s+green[\s\S]*in\s+a\s+row

Believes a single failed check.
"""
### SOLUTION
health_check["FailureThreshold"] = 1
