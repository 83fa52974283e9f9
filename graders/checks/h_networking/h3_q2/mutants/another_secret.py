r"""default\s+certificate[\s\S]*Certificate\s+writes

The Ingress names a Secret that nobody writes.
"""
### SOLUTION
manifests[1]["spec"]["tls"][0]["secretName"] = "tls"
