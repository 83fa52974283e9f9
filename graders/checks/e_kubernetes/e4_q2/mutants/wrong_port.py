r"""two\s+healthy\s+pods\s+keep\s+running[\s\S]*Compare\s+path\s+and\s+port

Probes the Service's port at the pod.
"""
paths, port = values["paths"], values["port"]
liveness_probe = {"httpGet": {"path": paths["work"], "port": 80}, "periodSeconds": 1, "failureThreshold": 4}
