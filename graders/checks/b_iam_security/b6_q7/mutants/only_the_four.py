r"""✗ failed\s+a\s+new\s+pod\s+of\s+nobody's\s+connects\s+to\s+169[\s\S]*no\s+policy\s+selects

Policies for the four workloads, and none for other pods.
"""
### SOLUTION
for each in policies:
    if each["spec"]["podSelector"] == {}:
        each["spec"]["podSelector"] = {"matchExpressions": [
            {"key": "app.kubernetes.io/name", "operator": "In",
             "values": [values[name] for name in ("front", "app", "backend", "database")]}]}
