r"""InvalidChangeBatch[\s\S]*exactly\s+as\s+it\s+is

Deletes a record by its name with another TTL.
"""
### SOLUTION
public_changes[0]["ResourceRecordSet"]["TTL"] = 60
