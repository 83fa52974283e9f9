r"""✓ ok\s+a\s+pod\s+that\s+needs\s+\d+\s+s\s+to\s+start\s+becomes\s+Ready\s+\(1.5\s+points\)[\s\S]*✗ failed\s+a\s+pod\s+that\s+needs\s+\d+\s+s\s+to\s+start\s+becomes\s+Ready\s+\(1.5\s+points\)

Counts with the usual start only.
"""
paths, port = values["paths"], values["port"]
startup_probe = {"httpGet": {"path": paths["ping"], "port": port}, "periodSeconds": 1,
                 "failureThreshold": values["usual_start"] + 2}

