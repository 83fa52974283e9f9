r"""start\s+that\s+hangs\s+is\s+ended\s+\(1.5\s+points\)\n\s+observed:\s+still\s+waiting

As long as the documentation's example, 30 times 10 seconds: a start that hangs is left alone for five minutes.
"""
paths, port = values["paths"], values["port"]
startup_probe = {"httpGet": {"path": paths["ping"], "port": port}, "periodSeconds": 1, "failureThreshold": 300}
