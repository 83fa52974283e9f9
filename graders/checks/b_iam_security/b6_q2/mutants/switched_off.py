r"""The\s+node\s+itself\s+needs\s+this\s+service

Switches the whole service off.
"""
metadata_options = {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "disabled"}
