r"""two\s+healthy\s+pods\s+become\s+Ready[\s\S]*Begin\s+with\s+the\s+startup\s+probe

The startup probe is as impatient as the others.
"""
paths, port = values["paths"], values["port"]
def get(path, **more):
    return {"httpGet": {"path": paths[path], "port": port}, "periodSeconds": 1, **more}

probes = {"startupProbe": get("ping", failureThreshold=1),
          "livenessProbe": get("work", failureThreshold=4),
          "readinessProbe": get("warm", failureThreshold=1)}
