r"""MX[\s\S]*NODATA[\s\S]*covers\s+too

Copies www into the private zone, but not the domain's mail.
"""
### SOLUTION
private_changes = [each for each in private_changes if each["ResourceRecordSet"]["Type"] != "MX"]
