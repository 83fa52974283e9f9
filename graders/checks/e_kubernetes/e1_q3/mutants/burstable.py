r"""class\s+that\s+is\s+evicted\s+last\s+\(1\s+point\)\n\s+observed:\s+Burstable[\s\S]*equal\s+to\s+them

Requests below the limits.
"""
### SOLUTION
resources = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": resources["limits"]}
