r"""not\s+all\s+left[\s\S]*more\s+than\s+one[\s\S]*does\s+not\s+choose

Both budgets of the second team stay.
"""
def budget(name, app, **rule):
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app.kubernetes.io/name": app}}, **rule}}

teams = values["teams"]
budgets = [budget("a", teams["perfect"], maxUnavailable=1), budget("b", teams["twice"], maxUnavailable=1),
           budget("c", teams["twice"], minAvailable=1),
           budget("d", teams["sick"], minAvailable=1, unhealthyPodEvictionPolicy="AlwaysAllow")]
