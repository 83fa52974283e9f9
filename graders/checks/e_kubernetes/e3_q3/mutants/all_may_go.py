r"""fewest\s+Ready:\s+0[\s\S]*let\s+go\s+at\s+once

No budget for the second team: nothing blocks, and nothing is held.
"""
def budget(name, app, **rule):
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app.kubernetes.io/name": app}}, **rule}}

teams = values["teams"]
budgets = [budget("a", teams["perfect"], maxUnavailable=1),
           budget("d", teams["sick"], minAvailable=1, unhealthyPodEvictionPolicy="AlwaysAllow")]
