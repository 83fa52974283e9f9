"""divides requests by their weights"""
### SOLUTION
import json
name = "alb.ingress.kubernetes.io/actions.split"
split = json.loads(ingress["metadata"]["annotations"][name])
for group in split["forwardConfig"]["targetGroups"]:
    group["weight"] = 1
ingress["metadata"]["annotations"][name] = json.dumps(split)
