r"""becomes\s+Ready\s+\(1.5\s+points\)\n\s+observed:\s+(not\s+)?Ready.*[1-9]\d*\s+restarts[\s\S]*product\s+must\s+be\s+longer

As patient as the liveness probe was.
"""
paths, port = values["paths"], values["port"]
startup_probe = {"httpGet": {"path": paths["ping"], "port": port}, "periodSeconds": 1, "failureThreshold": 2}
