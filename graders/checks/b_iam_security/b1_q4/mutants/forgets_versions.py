r"""rewrites\s+the\s+boundary[\s\S]*allowed[\s\S]*CreatePolicyVersion

The boundary is a policy, and policies have versions.
"""
me = f"arn:aws:iam::{values['account']}:policy/{values['boundary']}"
boundary = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:*", "sqs:*"], "Resource": "*"},
        {"Effect": "Allow", "Action": ["iam:CreateRole", "iam:PutRolePolicy"], "Resource": "*",
         "Condition": {"StringEquals": {"iam:PermissionsBoundary": me}}},
        {"Effect": "Allow", "Action": ["iam:*Policy", "iam:*PolicyVersion", "iam:Get*", "iam:List*"],
         "Resource": f"arn:aws:iam::{values['account']}:policy/*"},
    ],
}
