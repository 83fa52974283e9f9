r"""thief\s+reads\s+\w+/list\.json

Denies one folder and leaves the rest of the files open.
"""
node_policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["ec2:DescribeInstances", "ec2:DescribeSubnets", "ecr:GetAuthorizationToken",
                                   "eks-auth:AssumeRoleForPodIdentity"], "Resource": "*"},
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{values['bucket']}/*"},
    {"Effect": "Deny", "Action": "s3:*", "Resource": f"arn:aws:s3:::{values['bucket']}/customers/*"},
]}
