r"""no\s+hop\s+limit\s+stops\s+it

Shortens the way and leaves version 1 open.
"""
metadata_options = {"HttpPutResponseHopLimit": 1}
