r"""MalformedPolicyDocument[\s\S]*service:Operation

Writes an action with a dot.
"""
bucket = "arn:aws:s3:::" + values["bucket"]
queue = f"arn:aws:sqs:us-east-1:{values['account']}:{values['queue']}"
policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket,
         "Condition": {"StringLike": {"s3:prefix": values["team"] + "/*"}}},
        {"Effect": "Allow", "Action": ["s3.GetObject", "s3.PutObject"], "Resource": f"{bucket}/{values['team']}/*"},
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue},
    ],
}
