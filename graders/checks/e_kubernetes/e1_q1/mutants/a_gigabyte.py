r"""it\s+runs\s+on\s+with\s+\d+\s+MiB[\s\S]*limit\s+lie\s+at\s+most

A limit to be on the safe side.
"""
memory = {"requests": {"memory": "64Mi"}, "limits": {"memory": "1Gi"}}
