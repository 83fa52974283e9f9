r"""case-2[\s\S]*which\s+one\s+may\s+go

Believes that a drain always gets one pod.
"""
import math

allowed = {}
for case in values["cases"]:
    ((name, amount),) = case["budget"].items()
    share = int(amount.rstrip("%")) * case["pods"] / 100 if isinstance(amount, str) else amount
    wanted = math.ceil(share) if name == "minAvailable" else case["pods"] - math.ceil(share)
    allowed[case["id"]] = max(1, case["ready"] - wanted)
