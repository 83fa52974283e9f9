r"""still\s+failed[\s\S]*path\s+that\s+is\s+checked

Checks that the process runs, not that customers are served.
"""
### SOLUTION
health_check["ResourcePath"] = "/healthz"
