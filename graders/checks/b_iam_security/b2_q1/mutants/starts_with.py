r"""-2\s+takes\s+the\s+role\s+\(0.3\s+points\)\n\s+observed:\s+allowed

Compares the beginning of the subject only.
"""
issuer = values["issuer"]
provider = f"arn:aws:iam::{values['account']}:oidc-provider/{issuer}"
subject = f"system:serviceaccount:{values['namespace']}:{values['app']}"
trust_policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
                   "Condition": {"StringLike": {f"{issuer}:sub": f"{subject}*"}, "StringEquals": {f"{issuer}:aud": "sts.amazonaws.com"}}}],
}
