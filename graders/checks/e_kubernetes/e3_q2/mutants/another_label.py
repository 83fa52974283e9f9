r"""maintenance\s+of\s+all\s+pods[\s\S]*fewest\s+Ready:\s+[01][\s\S]*selector\s+right

The budget's selector finds no pod.
"""
budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "keep"}, "spec": {
    "minAvailable": values["needed"], "selector": {"matchLabels": {"app": values["app"]}}}}
spread = [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
           "nodeTaintsPolicy": "Honor", "labelSelector": {"matchLabels": {"app.kubernetes.io/name": values["app"]}}}]
