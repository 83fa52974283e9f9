r"""twice\s+the\s+load\s+gets\s+no\s+more[\s\S]*bounds\s+the\s+number

The right target, and a bound that is none.
"""
autoscaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": values["app"]}, "spec": {
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": values["app"]},
    "minReplicas": values["least"], "maxReplicas": 100,
    "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}],
    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 20}}}}
