r"""20\s+pods\s+are\s+asked\s+for[\s\S]*bounds\s+all\s+of\s+its\s+nodes

No limit.
"""
pool = {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "shop"}, "spec": {
    "template": {"spec": {"requirements": [
        {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["small", "medium"]}]}},
    "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "5s"}}}
