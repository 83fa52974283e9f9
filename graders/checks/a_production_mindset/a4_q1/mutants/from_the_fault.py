r"""a\s+short\s+incident\s+\(1\s+point\)[\s\S]*do\s+not\s+feel\s+a\s+fault

Counts from the fault.
"""
record = {"by hand": {"detect": 12.0, "recover": 40.0}, "by runbook": {"detect": 3.0, "recover": 9.0}}

def times(timeline):
    def moments(what, since=float("-inf")):
        return sorted(e["at"] for e in timeline if e["what"] == what and e["at"] >= since)

    start = moments("fault")[0]
    alert = next(iter(moments("alert", start)), None)
    taken = next(iter(moments("acknowledged", alert)), None) if alert is not None else None
    ends = moments("recovered", moments("impact")[-1])
    return {"detect": None if alert is None else alert - start,
            "acknowledge": None if taken is None else taken - alert,
            "recover": ends[-1] - start if ends else None}
