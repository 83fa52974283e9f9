r"""catalogue\s+is\s+served[^\n]*\(2\s+points\)\n\s+observed:[^\n]*no\s+ready\s+endpoint

Readiness asks about the dependency: all pods leave the Service at once.
"""
paths, port = values["paths"], values["port"]
def get(path, **more):
    return {"httpGet": {"path": paths[path], "port": port}, "periodSeconds": 1, **more}

probes = {"startupProbe": get("ping", failureThreshold=values["longest_start"] + 4),
          "livenessProbe": get("work", failureThreshold=4),
          "readinessProbe": get("deep", failureThreshold=1)}
