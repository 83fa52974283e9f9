r"""every\s+rack\s+has\s+one\s+pod[\s\S]*Which\s+field\s+makes\s+the\s+scheduler\s+refuse

No constraint at all: all pods on the preferred rack.
"""
budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "keep"}, "spec": {
    "maxUnavailable": 1, "selector": {"matchLabels": {"app.kubernetes.io/name": values["app"]}}}}
spread = []
