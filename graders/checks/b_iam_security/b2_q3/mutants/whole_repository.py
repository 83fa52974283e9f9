r"""a\s+pull\s+request\s+takes\s+the\s+role\s+\(0.4\s+points\)\n\s+observed:\s+allowed[\s\S]*last\s+part

Trusts everything that starts a job in the repository.
"""
host = "token.actions.githubusercontent.com"
provider = f"arn:aws:iam::{values['account']}:oidc-provider/{host}"
subject = values["subject_prefix"]
ci_trust_policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
                   "Condition": {"StringEquals": {f"{host}:aud": "sts.amazonaws.com"},
                                 "StringLike": {f"{host}:sub": f"{subject}:*"}}}],
}
