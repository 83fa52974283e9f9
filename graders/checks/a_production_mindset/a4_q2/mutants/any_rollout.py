r"""of\s+the\s+new\s+version\s+\(0.5\s+points\)[\s\S]*works\s+in\s+the\s+pod\s+next\s+door

Whatever was rolled out is to blame.
"""
def first_action(evidence):
    if evidence["declared"] < evidence["wanted"]:
        return "scale"
    if not any(pod["failed"] >= 0.1 * pod["requests"] for pod in evidence["pods"].values()):
        return "wait"
    return "rollback" if evidence["changed"] is not None else "restart"
