r"""asked\s+from\s+the\s+office's\s+VPC[\s\S]*for\s+which\s+VPCs

Gives the private zone to both VPCs.
"""
### SOLUTION
vpcs = ["office", "shop"]
