r"""availability\s+of\s+the\s+backend[\s\S]*From\s+second\s+1\s+to\s+5\s+are\s+four

Counts the second in which a pod is back as one that it was out.
"""
### SOLUTION
down = {tier: [{second for first, last in pod for second in range(first, last + 1)} for pod in pods]
        for tier, pods in values["down"].items()}
dark = {tier: one & other for tier, (one, other) in down.items()}
availability |= {tier: 1 - len(seconds) / values["window"] for tier, seconds in dark.items()}
