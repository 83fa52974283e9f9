r"""deadlocked\s+pod\s+is\s+restarted\s+\(1.5\s+points\)\n\s+observed:\s+not\s+restarted[\s\S]*too\s+seldom

The defaults: three failures, ten seconds apart.
"""
paths, port = values["paths"], values["port"]
liveness_probe = {"httpGet": {"path": paths["work"], "port": port}}
