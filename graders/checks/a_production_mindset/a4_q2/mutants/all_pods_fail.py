r"""middle\s+of\s+a\s+rollout\s+\(0.5\s+points\)[\s\S]*whose\s+pods\s+fail

Rolls back only where every pod fails.
"""
def first_action(evidence):
    if evidence["declared"] < evidence["wanted"]:
        return "scale"
    pods = evidence["pods"].values()
    if not any(pod["failed"] >= 0.1 * pod["requests"] for pod in pods):
        return "wait"
    if evidence["changed"] is not None and all(pod["failed"] >= 0.1 * pod["requests"] for pod in pods):
        return "rollback"
    return "restart"
