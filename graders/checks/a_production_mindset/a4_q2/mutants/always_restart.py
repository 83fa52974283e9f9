r"""20\s+seconds\s+old\s+\(0.75\s+points\)[\s\S]*What\s+changed\s+last

Have you tried turning it off and on again?
"""
def first_action(evidence):
    if evidence["declared"] < evidence["wanted"]:
        return "scale"
    if not any(pod["failed"] >= 0.1 * pod["requests"] for pod in evidence["pods"].values()):
        return "wait"
    return "restart"
