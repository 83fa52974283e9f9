r"""takes\s+the\s+role\s+\(0.75\s+points\)\n\s+observed:\s+AccessDenied:\s+Not\s+authorized\s+to\s+perform\s+sts:AssumeRoleWithWebIdentity

Allows sts:AssumeRole, which is for callers who already have AWS credentials.
"""
issuer = values["issuer"]
provider = f"arn:aws:iam::{values['account']}:oidc-provider/{issuer}"
subject = f"system:serviceaccount:{values['namespace']}:{values['app']}"
trust_policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRole",
                   "Condition": {"StringEquals": {f"{issuer}:sub": subject, f"{issuer}:aud": "sts.amazonaws.com"}}}],
}
