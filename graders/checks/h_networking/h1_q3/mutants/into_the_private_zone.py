r"""leads\s+to\s+the\s+load\s+balancer[\s\S]*no\s+address\s+on\s+the\s+internet|former|connection\s+refused

Writes the record where its own machine sees it.
"""
### SOLUTION
for each in calls:
    if each["service"] == "route53":
        each["with"]["HostedZoneId"] = "$private_zone"
