r"""cost\s+at\s+most\s+2.90[\s\S]*large[\s\S]*Which\s+types\s+help

Only the largest type.
"""
pool = {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "shop"}, "spec": {
    "template": {"spec": {"requirements": [
        {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["large"]}]}},
    "limits": {"cpu": "1100m"},
    "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "5s"}}}
