r"""led\s+customers\s+to\s+blue[\s\S]*may\s+take\s+a\s+minute

Waits for the TTL alone.
"""
### SOLUTION
drain_seconds = records[0]["TTL"]
