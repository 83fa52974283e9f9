r"""times\s+a\s+minute[\s\S]*sixty\s+divided

Has resolvers ask every five seconds.
"""
### SOLUTION
for each in records:
    each["TTL"] = 5
