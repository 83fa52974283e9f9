r"""never\s+more\s+than\s+7\s+pods[\s\S]*bounds\s+the\s+number

A low target and a high bound.
"""
autoscaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": values["app"]}, "spec": {
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": values["app"]},
    "minReplicas": values["least"], "maxReplicas": 20,
    "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 25}}}],
    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 20}}}}
