r"""unable\s+to\s+get\s+local\s+issuer[\s\S]*In\s+which\s+order

Customers learn of the new root when its certificate is shown already.
"""
### SOLUTION
plan.remove("trust both roots")
