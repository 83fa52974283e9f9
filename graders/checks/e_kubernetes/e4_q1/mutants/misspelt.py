r"""API\s+server|not\s+declared\s+in\s+schema

A field that there is not.
"""
paths, port = values["paths"], values["port"]
startup_probe = {"httpGet": {"path": paths["ping"], "port": port}, "periodSeconds": 1,
                 "failureTreshold": values["longest_start"] + 4}
