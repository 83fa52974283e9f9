r"""soon\s+after\s+it\s+listens\s+\(0.5\s+points\)\n[\s\S]*probe\s+often

Patient through a long period: nobody looks for ten seconds.
"""
paths, port = values["paths"], values["port"]
startup_probe = {"httpGet": {"path": paths["ping"], "port": port}, "initialDelaySeconds": 10, "periodSeconds": 1, "failureThreshold": 1}
