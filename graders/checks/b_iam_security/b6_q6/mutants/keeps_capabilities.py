r"""customer\s+gets\s+the\s+page[\s\S]*unrestricted\s+capabilities

Forgets to drop capabilities.
"""
### SOLUTION
container_security.pop("capabilities")
