r"""PUT\s+still\s+reaches\s+the\s+pod\s+network

Requires tokens and leaves the hop limit at two.
"""
metadata_options = {"HttpTokens": "required"}
