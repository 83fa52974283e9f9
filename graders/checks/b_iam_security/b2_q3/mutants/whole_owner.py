r"""another\s+repository\s+of\s+\S+\s+takes\s+the\s+role\s+\(0.3\s+points\)\n\s+observed:\s+allowed

Trusts the main branch of every repository of the owner.
"""
host = "token.actions.githubusercontent.com"
provider = f"arn:aws:iam::{values['account']}:oidc-provider/{host}"
subject = values["subject_prefix"]
ci_trust_policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
                   "Condition": {"StringEquals": {f"{host}:aud": "sts.amazonaws.com"},
                                 "StringLike": {f"{host}:sub": subject.partition("/")[0] + "/*:ref:refs/heads/main"}}}],
}
