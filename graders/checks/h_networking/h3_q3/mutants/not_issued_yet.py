r"""self-signed\s+certificate[\s\S]*first\s+after:\s+show[\s\S]*Was\s+the\s+Secret

The Ingress names the new Secret, and the certificate is asked for afterwards.
"""
### SOLUTION
plan.remove("show the new certificate")
plan.insert(plan.index("ask for the new certificate"), "show the new certificate")
