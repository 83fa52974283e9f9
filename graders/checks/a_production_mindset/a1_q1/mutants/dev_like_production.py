r"""dev:\s+memory\s+limit\s+is\s+not

The same patch everywhere.
"""
### SOLUTION
overlays["dev"]["patches"] = [{"target": {"kind": "Deployment"}, "patch": overlays["prod"]["patches"][0]["patch"][:1]}]
