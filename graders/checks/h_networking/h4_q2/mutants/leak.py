r"""db[\s\S]*asked\s+from\s+the\s+internet[\s\S]*10\.20\.[\s\S]*only\s+the\s+inside

Leaves the database's address in the public zone.
"""
### SOLUTION
public_changes = [each for each in public_changes if each["Action"] != "DELETE"]
