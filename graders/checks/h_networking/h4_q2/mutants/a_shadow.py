r"""www[\s\S]*NXDOMAIN[\s\S]*answers\s+alone

Forgets that the private zone shadows the public one.
"""
### SOLUTION
private_changes = [each for each in private_changes if not each["ResourceRecordSet"]["Name"].startswith("www.")]
