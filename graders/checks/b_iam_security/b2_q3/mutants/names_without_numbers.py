r"""a\s+push\s+to\s+main\s+of\s+\S+\s+takes\s+the\s+role\s+\(1\s+point\)\n\s+observed:\s+AccessDenied[\s\S]*whole\s+subject

Copies the subject's old form from a tutorial.
"""
host = "token.actions.githubusercontent.com"
provider = f"arn:aws:iam::{values['account']}:oidc-provider/{host}"
subject = values["subject_prefix"]
ci_trust_policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
                   "Condition": {"StringEquals": {f"{host}:sub": f"repo:{values['repository']}:ref:refs/heads/main", f"{host}:aud": "sts.amazonaws.com"}}}],
}
