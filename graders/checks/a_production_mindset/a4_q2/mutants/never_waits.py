r"""one\s+failed\s+request\s+\(0.5\s+points\)[\s\S]*would\s+an\s+action\s+improve

Something must be done.
"""
def first_action(evidence):
    if evidence["declared"] < evidence["wanted"]:
        return "scale"
    return "rollback" if evidence["changed"] is not None else "restart"
