r"""Issuer[\s\S]*not\s+found[\s\S]*find\s+the\s+issuer

An issuerRef without a kind means an Issuer of this namespace.
"""
### SOLUTION
manifests[0]["spec"]["issuerRef"] = {"name": "internal-ca"}
