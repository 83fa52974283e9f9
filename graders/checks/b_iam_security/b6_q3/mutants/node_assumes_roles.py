r"""assumes\s+the\s+deployment.s\s+role

Lets the node assume roles for its pods, as kiam did.
"""
node_policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["ec2:DescribeInstances", "ec2:DescribeSubnets", "ecr:GetAuthorizationToken",
                                   "eks-auth:AssumeRoleForPodIdentity"], "Resource": "*"},
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"},
]}
