r"""case-4[\s\S]*unavailable\s+already

Counts declared pods as if all were Ready.
"""
import math

allowed = {}
for case in values["cases"]:
    ((name, amount),) = case["budget"].items()
    share = int(amount.rstrip("%")) * case["pods"] / 100 if isinstance(amount, str) else amount
    allowed[case["id"]] = case["pods"] - math.ceil(share) if name == "minAvailable" else math.ceil(share)
