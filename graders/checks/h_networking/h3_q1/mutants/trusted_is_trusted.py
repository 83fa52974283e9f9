r"""you\s+predicted\s+ok;[\s\S]*last\s+day

The dates are not looked at.
"""
### SOLUTION
outcomes = {case: "ok" if outcome == "expired" else outcome for case, outcome in outcomes.items()}
