r"""closed\s+rack\s+runs\s+elsewhere[\s\S]*pods\s+Ready:\s+2[\s\S]*leaves\s+out\s+nodes

A closed rack counts as an empty one.
"""
budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "keep"}, "spec": {
    "minAvailable": values["needed"], "selector": {"matchLabels": {"app.kubernetes.io/name": values["app"]}}}}
spread = [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
           "labelSelector": {"matchLabels": {"app.kubernetes.io/name": values["app"]}}}]
