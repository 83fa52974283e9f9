r"""customer\s+gets\s+the\s+page[\s\S]*image\s+will\s+run\s+as\s+root

Says that the pod does not run as root, and not as whom: this image would.
"""
### SOLUTION
pod_security.pop("runAsUser", None)
container_security.pop("runAsUser", None)
