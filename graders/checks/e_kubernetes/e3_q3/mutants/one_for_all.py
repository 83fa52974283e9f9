r"""fewest\s+Ready:\s+0[\s\S]*let\s+go\s+at\s+once

One budget holds the pods of all three teams: one team may lose both while the others are whole.
"""
budgets = [{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "all"},
            "spec": {"minAvailable": 3, "selector": {}, "unhealthyPodEvictionPolicy": "AlwaysAllow"}}]
