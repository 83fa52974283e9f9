r"""last\s+warning:[\s\S]*node|Pending

Hopes that the node comes back.
"""
### SOLUTION
repairs[by["node-gone"]] = {"spec": {"replicas": 1}}
