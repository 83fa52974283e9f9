r"""2\s+pods\s+stand\s+before\s+the\s+load[\s\S]*FailedGetScale[\s\S]*how\s+many\s+pods

It scales a Deployment that there is not.
"""
autoscaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": values["app"]}, "spec": {
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
    "minReplicas": values["least"], "maxReplicas": values["most"],
    "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}],
    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 20}}}}
