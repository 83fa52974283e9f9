r"""no\s+more\s+customers,\s+and\s+is\s+restarted\s+\(1\s+point\)\n\s+observed:[^\n]*[1-9]\d*\s+requests\s+failed\s+later

A pod that hangs stays in the Service for long.
"""
paths, port = values["paths"], values["port"]
def get(path, **more):
    return {"httpGet": {"path": paths[path], "port": port}, "periodSeconds": 1, **more}

probes = {"startupProbe": get("ping", failureThreshold=values["longest_start"] + 4),
          "livenessProbe": get("work", failureThreshold=9),
          "readinessProbe": get("warm", failureThreshold=20)}
