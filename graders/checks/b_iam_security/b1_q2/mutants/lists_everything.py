r"""alice\s+lists\s+the\s+whole\s+bucket[\s\S]*s3:prefix

Forgets that ListBucket shows all names.
"""
bucket = "arn:aws:s3:::" + values["bucket"]
queue = f"arn:aws:sqs:us-east-1:{values['account']}:{values['queue']}"
policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"{bucket}/{values['team']}/*"},
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue},
    ],
}
