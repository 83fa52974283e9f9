r"""20\s+pods\s+are\s+asked\s+for[\s\S]*leaves\s+no\s+room

A limit for the peak, and nothing more.
"""
pool = {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "shop"}, "spec": {
    "template": {"spec": {"requirements": [
        {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["small", "medium"]}]}},
    "limits": {"cpu": "700m"},
    "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "5s"}}}
