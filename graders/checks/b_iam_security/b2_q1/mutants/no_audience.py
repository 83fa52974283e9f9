r"""shop's\s+own\s+API\s+opens\s+the\s+role\s+\(0.5\s+points\)\n\s+observed:\s+allowed

Forgets the audience: a token that was made for another service opens AWS.
"""
issuer = values["issuer"]
provider = f"arn:aws:iam::{values['account']}:oidc-provider/{issuer}"
subject = f"system:serviceaccount:{values['namespace']}:{values['app']}"
trust_policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
                   "Condition": {"StringEquals": {f"{issuer}:sub": subject}}}],
}
