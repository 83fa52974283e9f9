r"""use\s+at\s+most\s+75\s+%

Memory is what nobody requests here: the autoscaler cannot compute anything.
"""
autoscaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": values["app"]}, "spec": {
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": values["app"]},
    "minReplicas": values["least"], "maxReplicas": values["most"],
    "metrics": [{"type": "Resource", "resource": {"name": "memory", "target": {
        "type": "Utilization", "averageUtilization": 60}}}],
    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 20}}}}
