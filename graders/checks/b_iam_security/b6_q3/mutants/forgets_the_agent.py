r"""trades\s+pods.\s+tokens

Leaves out what the Pod Identity agent does.
"""
node_policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["ec2:DescribeInstances", "ec2:DescribeSubnets", "ecr:GetAuthorizationToken"],
     "Resource": "*"},
]}
