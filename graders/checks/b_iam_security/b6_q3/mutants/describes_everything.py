r"""thief\s+describes\s+security\s+groups[\s\S]*allowed[\s\S]*the\s+node's\s+four

Describing looks harmless, and shows a thief the whole network.
"""
node_policy = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Resource": "*",
     "Action": ["ec2:Describe*", "ecr:GetAuthorizationToken", "eks-auth:AssumeRoleForPodIdentity"]},
]}
