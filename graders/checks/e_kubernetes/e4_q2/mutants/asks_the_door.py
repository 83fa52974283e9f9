r"""deadlocked\s+pod\s+is\s+restarted\s+\(1.5\s+points\)\n\s+observed:\s+not\s+restarted[\s\S]*Which\s+endpoint\s+does\s+what\s+a\s+request\s+does

Asks the endpoint that answers without doing any work.
"""
paths, port = values["paths"], values["port"]
liveness_probe = {"httpGet": {"path": paths["ping"], "port": port}, "periodSeconds": 1, "failureThreshold": 4}
