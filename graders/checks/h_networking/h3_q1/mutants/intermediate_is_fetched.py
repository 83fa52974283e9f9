r"""you\s+predicted\s+ok;[\s\S]*Draw\s+the\s+way

A missing intermediate is found somewhere: some browsers do that, programs do not.
"""
### SOLUTION
outcomes = {case: "ok" if outcome == "unknown issuer" else outcome for case, outcome in outcomes.items()}
