r"""0\s+is\s+not\s+a\s+valid\s+value

Asks for a hop limit of zero.
"""
metadata_options = {"HttpTokens": "required", "HttpPutResponseHopLimit": 0}
