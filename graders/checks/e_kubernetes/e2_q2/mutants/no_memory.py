r"""lull\s+of\s+8\s+s\s+costs\s+no\s+pod[\s\S]*remember

Down at once: a lull takes the pods away.
"""
autoscaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": values["app"]}, "spec": {
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": values["app"]},
    "minReplicas": values["least"], "maxReplicas": values["most"],
    "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}],
    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}}
