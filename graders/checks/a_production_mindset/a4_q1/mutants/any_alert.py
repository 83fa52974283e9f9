r"""before\s+the\s+impact\s+\(0.75\s+points\)[\s\S]*about\s+something\s+else

The first alert of all.
"""
record = {"by hand": {"detect": 12.0, "recover": 40.0}, "by runbook": {"detect": 3.0, "recover": 9.0}}

def times(timeline):
    def moments(what, since=float("-inf")):
        return sorted(e["at"] for e in timeline if e["what"] == what and e["at"] >= since)

    impacts = moments("impact")
    alert = next(iter(moments("alert")), None)
    taken = next(iter(moments("acknowledged")), None)
    ends = moments("recovered", impacts[-1])
    return {"detect": None if alert is None else abs(alert - impacts[0]),
            "acknowledge": None if taken is None else taken - alert,
            "recover": ends[-1] - impacts[0] if ends else None}
