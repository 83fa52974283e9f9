r"""you\s+predicted\s+unknown\s+issuer;[\s\S]*name\s+of\s+the\s+SNI

The ingress shows what is nearest.
"""
### SOLUTION
outcomes = {case: "unknown issuer" if outcome == "default certificate" else outcome
            for case, outcome in outcomes.items()}
