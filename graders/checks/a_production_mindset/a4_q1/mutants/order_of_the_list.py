r"""out\s+of\s+order\s+\(1\s+point\)[\s\S]*not\s+at\s+the\s+order

Takes the first of each kind in the list.
"""
record = {"by hand": {"detect": 12.0, "recover": 40.0}, "by runbook": {"detect": 3.0, "recover": 9.0}}

def times(timeline):
    def first(what):
        return next((e["at"] for e in timeline if e["what"] == what), None)

    impact, alert, taken, end = map(first, ("impact", "alert", "acknowledged", "recovered"))
    return {"detect": None if alert is None else alert - impact,
            "acknowledge": None if taken is None or alert is None else taken - alert,
            "recover": None if end is None else end - impact}
