r"""fork\s+\S+\s+takes\s+the\s+role\s+\(1\s+point\)\n\s+observed:\s+allowed

Looks at the name of the repository and not at its owner.
"""
host = "token.actions.githubusercontent.com"
provider = f"arn:aws:iam::{values['account']}:oidc-provider/{host}"
subject = values["subject_prefix"]
ci_trust_policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
                   "Condition": {"StringEquals": {f"{host}:aud": "sts.amazonaws.com"},
                                 "StringLike": {f"{host}:sub": f"repo:*/{values['app']}@*:ref:refs/heads/main"}}}],
}
