r"""open\s+for\s+the\s+shop[\s\S]*lets\s+in\s+ports

Opens every port, to be sure.
"""
### SOLUTION
calls = [each for each in calls if each["service"] != "ec2"] + [{
    "service": "ec2", "call": "authorize_security_group_ingress", "with": {"GroupId": "$security_group", "IpPermissions": [
        {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 65535, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]}}]
