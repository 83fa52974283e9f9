r"""report\s+of\s+\d+\s+MiB\s+is\s+finished\s+\(1.5\s+points\)\n\s+observed:\s+0\s+of\s+1\s+reports[\s\S]*highest\s+peak

Measured while nobody asked for a report, and doubled.
"""
memory = {"requests": {"memory": "32Mi"}, "limits": {"memory": "64Mi"}}
