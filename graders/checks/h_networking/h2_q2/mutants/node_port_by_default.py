"""must be of type 'NodePort' or 'LoadBalancer'"""
### SOLUTION
del ingress["metadata"]["annotations"]["alb.ingress.kubernetes.io/target-type"]
