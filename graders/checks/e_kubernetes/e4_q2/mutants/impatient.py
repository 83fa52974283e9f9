r"""pause\s+of\s+\d+\s+s\s+restarts\s+nothing\s+\(1\s+point\)\n\s+observed:\s+[1-9]\d*\s+restarts[\s\S]*let\s+one\s+more\s+fail

One failed probe is enough.
"""
paths, port = values["paths"], values["port"]
liveness_probe = {"httpGet": {"path": paths["work"], "port": port}, "periodSeconds": 1, "failureThreshold": 1}
