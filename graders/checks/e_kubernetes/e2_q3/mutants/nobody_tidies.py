r"""after\s+the\s+peak\s+the\s+nodes\s+cost[\s\S]*when\s+an\s+empty\s+node\s+goes

Empty nodes stay.
"""
pool = {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "shop"}, "spec": {
    "template": {"spec": {"requirements": [
        {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["small", "medium"]}]}},
    "limits": {"cpu": f"{values['cpu_limit_m']}m"},
    "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "Never"}}}
