r"""a\s+relapse\s+\(0.75\s+points\)[\s\S]*at\s+the\s+last\s+recovery

Over at the first recovery.
"""
record = {"by hand": {"detect": 12.0, "recover": 40.0}, "by runbook": {"detect": 3.0, "recover": 9.0}}

def times(timeline):
    def moments(what, since=float("-inf")):
        return sorted(e["at"] for e in timeline if e["what"] == what and e["at"] >= since)

    start = moments("impact")[0]
    alert = next(iter(moments("alert", start)), None)
    taken = next(iter(moments("acknowledged", alert)), None) if alert is not None else None
    ends = moments("recovered", start)
    return {"detect": None if alert is None else alert - start,
            "acknowledge": None if taken is None else taken - alert,
            "recover": ends[0] - start if ends else None}
