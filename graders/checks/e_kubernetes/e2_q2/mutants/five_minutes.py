r"""the\s+load\s+there\s+are\s+2\s+pods\s+again[\s\S]*looks\s+back\s+five\s+minutes

No behavior: down after five minutes.
"""
autoscaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": values["app"]}, "spec": {
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": values["app"]},
    "minReplicas": values["least"], "maxReplicas": values["most"],
    "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}]}}
