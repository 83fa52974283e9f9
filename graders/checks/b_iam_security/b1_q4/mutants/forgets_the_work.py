r"""creates\s+app-.*\s+with\s+the\s+boundary[\s\S]*no\s+permissions\s+boundary\s+allows

No IAM at all: safe, and useless.
"""
me = f"arn:aws:iam::{values['account']}:policy/{values['boundary']}"
boundary = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:*", "sqs:*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "iam:Delete*", "Resource": "*"},
    ],
}
