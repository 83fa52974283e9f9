r"""customers\s+do\s+not\s+notice\s+a\s+new\s+pod\s+\(1.5\s+points\)\n\s+observed:[^\n]*status\s+503

A pod that listens counts as ready.
"""
paths, port = values["paths"], values["port"]
def get(path, **more):
    return {"httpGet": {"path": paths[path], "port": port}, "periodSeconds": 1, **more}

probes = {"startupProbe": get("ping", failureThreshold=values["longest_start"] + 4),
          "livenessProbe": get("work", failureThreshold=4),
          "readinessProbe": get("ping", failureThreshold=1)}
