r"""alice\s+deletes\s+[\s\S]*one\s+by\s+one

Takes a wildcard for the two actions.
"""
bucket = "arn:aws:s3:::" + values["bucket"]
queue = f"arn:aws:sqs:us-east-1:{values['account']}:{values['queue']}"
policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket,
         "Condition": {"StringLike": {"s3:prefix": values["team"] + "/*"}}},
        {"Effect": "Allow", "Action": "s3:*", "Resource": f"{bucket}/{values['team']}/*"},
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue},
    ],
}
