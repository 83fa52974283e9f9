r"""fewest\s+Ready:\s+0[\s\S]*let\s+go\s+at\s+once

The third team's budget allows everything, also when its pods are well again.
"""
def budget(name, app, **rule):
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app.kubernetes.io/name": app}}, **rule}}

teams = values["teams"]
budgets = [budget("a", teams["perfect"], maxUnavailable=1), budget("b", teams["twice"], maxUnavailable=1),
           budget("d", teams["sick"], minAvailable=0)]
