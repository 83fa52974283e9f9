r"""four\s+actions\s+have\s+no\s+resource

Names a repository for the login.
"""
node_policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["ec2:DescribeInstances", "ec2:DescribeSubnets", "eks-auth:AssumeRoleForPodIdentity"], "Resource": "*"},
    {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": f"arn:aws:ecr:us-east-1:{values['account']}:repository/pages"},
]}
