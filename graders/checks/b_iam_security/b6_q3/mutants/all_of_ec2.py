r"""thief\s+creates\s+a\s+repository[\s\S]*allowed

Allows both services whole.
"""
node_policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["ec2:*", "ecr:*", "eks-auth:*"], "Resource": "*"},
]}
