r"""one\s+of\s+two\s+is\s+still\s+open\s+\(1\s+point\)[\s\S]*no\s+repair\s+time\s+yet

Divides by all incidents, the open ones too.
"""
record = {app: 240.5 for app in values["apps"]}
def repair_times(incidents):
    detected = [each["detected"] - each["opened"] for each in incidents if each["detected"] is not None]
    resolved = [each["resolved"] - each["opened"] for each in incidents if each["resolved"] is not None]
    mean = lambda found: sum(found) / len(found) if found else None
    return {"mttd": mean(detected), "mttr": sum(resolved) / len(incidents) if incidents else None, "open": len(incidents) - len(resolved)}


