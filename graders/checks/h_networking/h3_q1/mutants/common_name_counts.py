r"""you\s+predicted\s+ok;[\s\S]*One\s+of\s+the\s+two\s+kinds

The common name is compared with the host.
"""
### SOLUTION
outcomes = {case: "ok" if outcome == "wrong name" else outcome for case, outcome in outcomes.items()}
