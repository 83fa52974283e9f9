r"""the\s+issuer's\s+URL\s+without\s+https://

Writes the condition keys with the issuer's whole URL.
"""
issuer = values["issuer"]
provider = f"arn:aws:iam::{values['account']}:oidc-provider/{issuer}"
subject = f"system:serviceaccount:{values['namespace']}:{values['app']}"
trust_policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
                   "Condition": {"StringEquals": {f"https://{issuer}:sub": subject}}}],
}
