r"""certificates\s+in\s+the\s+account:\s+2[\s\S]*names\s+its\s+ARN

Whoever uses the old ARN keeps the old certificate.
"""
### SOLUTION
plan = [step if step != "import to the same ARN" else "import as a new certificate" for step in plan]
