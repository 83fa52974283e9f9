r"""The\s+files\s+are\s+for\s+the\s+pages

Narrows s3:* to reading, for the whole bucket.
"""
node_policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["ec2:DescribeInstances", "ec2:DescribeSubnets", "ecr:GetAuthorizationToken",
                                   "eks-auth:AssumeRoleForPodIdentity"], "Resource": "*"},
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{values['bucket']}/*"},
]}
