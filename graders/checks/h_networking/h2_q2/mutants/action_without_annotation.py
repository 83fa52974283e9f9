"""missing actions\\.split configuration"""
### SOLUTION
annotations = ingress["metadata"]["annotations"]
annotations["actions.split"] = annotations.pop("alb.ingress.kubernetes.io/actions.split")
