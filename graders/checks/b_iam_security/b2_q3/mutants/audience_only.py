r"""AWS\s+accepts\s+the\s+policy\s+\(2\s+points\)\n\s+observed:\s+MalformedPolicyDocument[\s\S]*githubusercontent.com:sub

Asks for the audience only: since June 2025 IAM refuses to store this.
"""
host = "token.actions.githubusercontent.com"
provider = f"arn:aws:iam::{values['account']}:oidc-provider/{host}"
subject = values["subject_prefix"]
ci_trust_policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
                   "Condition": {"StringEquals": {f"{host}:aud": "sts.amazonaws.com"}}}],
}
