r"""default\s+certificate[\s\S]*Secret\s+that\s+the\s+Ingress\s+names

The certificate is for the first host only.
"""
### SOLUTION
manifests[0]["spec"]["dnsNames"] = values["hosts"][:1]
