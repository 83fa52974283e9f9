r"""maintenance\s+of\s+all\s+pods[\s\S]*not\s+ended[\s\S]*may\s+be\s+missing

All pods must stay.
"""
budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "keep"}, "spec": {
    "minAvailable": values["replicas"], "selector": {"matchLabels": {"app.kubernetes.io/name": values["app"]}}}}
spread = [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
           "nodeTaintsPolicy": "Honor", "labelSelector": {"matchLabels": {"app.kubernetes.io/name": values["app"]}}}]
