r"""no\s+other\s+key[\s\S]*rotationPolicy

The key stays the same for ever.
"""
### SOLUTION
manifests[0]["spec"]["privateKey"] = {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never"}
