r"""a\s+rolling\s+restart\s+ends[\s\S]*Who\s+serves\s+while

The data is safe; how pods are replaced is as before.
"""
### SOLUTION
container = repair["spec"]["template"]["spec"]["containers"][0]
container["env"] = container["env"][:3]
repair["spec"] = {"replicas": 2, "template": {"spec": {"containers": [{"name": "backend", "env": container["env"]}]}}}
