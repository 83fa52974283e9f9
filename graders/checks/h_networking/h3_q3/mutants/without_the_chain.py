r"""not\s+a\s+valid\s+self\s+signed[\s\S]*with\s+which\s+chain

ACM does not take a certificate without those that vouch for it.
"""
### SOLUTION
plan = [step if step != "import to the same ARN" else "import to the same ARN without the chain" for step in plan]
