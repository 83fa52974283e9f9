r"""cost\s+at\s+most\s+2.90[\s\S]*small,\s+small,\s+small[\s\S]*Which\s+types\s+help

Only the smallest type.
"""
pool = {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "shop"}, "spec": {
    "template": {"spec": {"requirements": [
        {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["small"]}]}},
    "limits": {"cpu": f"{values['cpu_limit_m']}m"},
    "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "5s"}}}
