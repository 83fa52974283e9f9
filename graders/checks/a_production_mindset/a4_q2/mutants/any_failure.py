r"""one\s+failed\s+request\s+\(0.5\s+points\)[\s\S]*Less\s+than\s+a\s+tenth

A pod fails as soon as it failed one request.
"""
def first_action(evidence):
    if evidence["declared"] < evidence["wanted"]:
        return "scale"
    pods = evidence["pods"].values()
    if not any(pod["failed"] for pod in pods):
        return "wait"
    new = [pod for pod in pods if pod["version"] == evidence["version"]]
    recent = evidence["changed"] is not None and evidence["changed"] <= 600
    return "rollback" if recent and all(pod["failed"] for pod in new) else "restart"
