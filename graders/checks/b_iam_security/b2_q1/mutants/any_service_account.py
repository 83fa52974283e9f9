r"""same\s+namespace\s+takes\s+the\s+role\s+\(1\s+point\)\n\s+observed:\s+allowed[\s\S]*namespace\s+and\s+service\s+account

Asks for the audience only: every pod of the cluster has such a token.
"""
issuer = values["issuer"]
provider = f"arn:aws:iam::{values['account']}:oidc-provider/{issuer}"
subject = f"system:serviceaccount:{values['namespace']}:{values['app']}"
trust_policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
                   "Condition": {"StringEquals": {f"{issuer}:aud": "sts.amazonaws.com"}}}],
}
