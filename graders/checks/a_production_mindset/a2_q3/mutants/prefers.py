r"""all\s+2\s+pods\s+of\s+\w+\s+stand\s+on\s+one\s+rack

A spread that is only a wish loses against the wish for the first rack.
"""
### SOLUTION
for tier in plan.values():
    tier["spread"] = []
