r"""without\s+\w+\s+restart\s+nothing\s+\(1\s+point\)\n\s+observed:\s+[1-9]\d*\s+restarts[\s\S]*does\s+not\s+bring\s+the\s+dependency\s+back

Asks the endpoint that asks the dependency too.
"""
paths, port = values["paths"], values["port"]
liveness_probe = {"httpGet": {"path": paths["deep"], "port": port}, "periodSeconds": 1, "failureThreshold": 4}
