r"""three\s+resolved\s+incidents\s+\(1\s+point\)[\s\S]*customers\s+began\s+to\s+suffer

Counts the repair from its detection.
"""
record = {app: 240.5 for app in values["apps"]}
def repair_times(incidents):
    detected = [each["detected"] - each["opened"] for each in incidents if each["detected"] is not None]
    resolved = [each["resolved"] - each["detected"] for each in incidents if each["resolved"] is not None]
    mean = lambda found: sum(found) / len(found) if found else None
    return {"mttd": mean(detected), "mttr": mean(resolved), "open": len(incidents) - len(resolved)}


