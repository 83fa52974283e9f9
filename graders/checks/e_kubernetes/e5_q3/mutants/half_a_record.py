r"""repair\s+times\s+are\s+recorded\s+\(1\s+point\)\n\s+observed:[^\n]*without

Records one workload.
"""
record = {values["apps"][0]: 240.5}
def repair_times(incidents):
    detected = [each["detected"] - each["opened"] for each in incidents if each["detected"] is not None]
    resolved = [each["resolved"] - each["opened"] for each in incidents if each["resolved"] is not None]
    mean = lambda found: sum(found) / len(found) if found else None
    return {"mttd": mean(detected), "mttr": mean(resolved), "open": len(incidents) - len(resolved)}


