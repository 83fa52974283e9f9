r"""creates\s+app-.*\s+with\s+the\s+boundary[\s\S]*iam:PermissionsBoundary\s+equals

Tests a key that CreateRole does not carry.
"""
me = f"arn:aws:iam::{values['account']}:policy/{values['boundary']}"
boundary = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:*", "sqs:*"], "Resource": "*"},
        {"Effect": "Allow", "Action": ["iam:CreateRole", "iam:PutRolePolicy"], "Resource": "*",
         "Condition": {"ArnEquals": {"iam:PolicyARN": me}}},
    ],
}
