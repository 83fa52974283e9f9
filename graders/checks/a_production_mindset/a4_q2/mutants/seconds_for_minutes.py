r"""five\s+minutes\s+old\s+\(0.25\s+points\)[\s\S]*Ten\s+minutes\s+are\s+600\s+seconds

Takes the evidence's seconds for minutes.
"""
def first_action(evidence):
    if evidence["declared"] < evidence["wanted"]:
        return "scale"
    pods = evidence["pods"].values()
    if not any(pod["failed"] >= max(1, 0.1 * pod["requests"]) for pod in pods):
        return "wait"
    new = [pod for pod in pods if pod["version"] == evidence["version"]]
    recent = evidence["changed"] is not None and evidence["changed"] <= 10
    all_fail = all(pod["failed"] >= max(1, 0.1 * pod["requests"]) for pod in new)
    return "rollback" if recent and all_fail else "restart"
