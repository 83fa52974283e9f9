r"""use\s+at\s+most\s+75\s+%[\s\S]*per\s+cent\s+of\s+their\s+requests

A target that was computed from the limit, 60 % of 250m.
"""
autoscaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": values["app"]}, "spec": {
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": values["app"]},
    "minReplicas": values["least"], "maxReplicas": values["most"],
    "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {
        "type": "AverageValue", "averageValue": "150m"}}}],
    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 20}}}}
