r"""api[\s\S]*asked\s+from\s+the\s+shop's\s+VPC[\s\S]*which\s+zone\s+answered

Leaves the private zone with the office.
"""
### SOLUTION
vpcs = ["office"]
