"""Which one do the target groups ask for"""
### SOLUTION
del ingress["metadata"]["annotations"]["alb.ingress.kubernetes.io/healthcheck-path"]
