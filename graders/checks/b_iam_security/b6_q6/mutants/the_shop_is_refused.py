r"""customer\s+gets\s+the\s+page[\s\S]*violates\s+PodSecurity[\s\S]*judged\s+as\s+well

The strict level, and the shop's own pods as they were.
"""
### SOLUTION
pod_security, container_security = {}, {}
