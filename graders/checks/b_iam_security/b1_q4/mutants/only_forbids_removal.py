r"""creates\s+a\s+role\s+without\s+the\s+boundary[\s\S]*allowed[\s\S]*iam:PermissionsBoundary

Guards the lock and leaves the window open.
"""
me = f"arn:aws:iam::{values['account']}:policy/{values['boundary']}"
boundary = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:*", "sqs:*"], "Resource": "*"},
        {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "iam:DeleteUserPermissionsBoundary", "Resource": "*"},
    ],
}
