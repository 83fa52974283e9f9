r"""held\s+to\s+the\s+budget\s+\(1.5\s+points\)\n\s+observed:\s+\d+m,\s+and\s+no\s+limit

A request, and no limit.
"""
processor = {"requests": {"cpu": "200m"}}
