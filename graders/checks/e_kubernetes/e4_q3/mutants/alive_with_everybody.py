r"""nothing\s+restarts\s+while[^\n]*\(1\s+point\)\n\s+observed:\s+[1-9]\d*\s+restarts[\s\S]*Neither\s+probe\s+that\s+restarts

Liveness asks about the dependency: all pods restart at once.
"""
paths, port = values["paths"], values["port"]
def get(path, **more):
    return {"httpGet": {"path": paths[path], "port": port}, "periodSeconds": 1, **more}

probes = {"startupProbe": get("ping", failureThreshold=values["longest_start"] + 4),
          "livenessProbe": get("deep", failureThreshold=4),
          "readinessProbe": get("warm", failureThreshold=1)}
