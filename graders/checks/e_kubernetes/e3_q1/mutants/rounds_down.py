r"""case-3[\s\S]*rounded\s+up

Rounds percentages of minAvailable down.
"""
import math

allowed = {}
for case in values["cases"]:
    ((name, amount),) = case["budget"].items()
    share = int(amount.rstrip("%")) * case["pods"] / 100 if isinstance(amount, str) else amount
    if name == "minAvailable":
        allowed[case["id"]] = max(0, case["ready"] - math.floor(share))
    else:
        allowed[case["id"]] = max(0, case["ready"] - (case["pods"] - math.ceil(share)))
