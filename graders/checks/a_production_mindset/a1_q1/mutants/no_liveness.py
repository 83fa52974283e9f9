r"""also\s+different:\s+Deployment\s+frontend:\s+livenessProbe

The whole probes replaced where one number was asked for.
"""
### SOLUTION
overlays["prod"]["patches"][0]["patch"].append(
    {"op": "remove", "path": "/spec/template/spec/containers/0/livenessProbe"})
