r"""must\s+be\s+between\s+1\s+and\s+64

Asks for a hop limit of zero.
"""
metadata_options = {"HttpTokens": "required", "HttpPutResponseHopLimit": 0}
