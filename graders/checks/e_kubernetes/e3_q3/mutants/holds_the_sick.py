r"""not\s+all\s+left;\s+fewest\s+Ready:\s+0[\s\S]*Which\s+policy\s+lets

Pods that are not Ready are held by the default policy.
"""
def budget(name, app, **rule):
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app.kubernetes.io/name": app}}, **rule}}

budgets = [budget(team, team, minAvailable=1) for team in values["teams"].values()]
