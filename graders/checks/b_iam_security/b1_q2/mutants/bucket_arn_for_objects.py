r"""no\s+identity-based\s+policy\s+allows[\s\S]*followed\s+by\s+/\s+and\s+a\s+key

Names the bucket where the objects are meant.
"""
bucket = "arn:aws:s3:::" + values["bucket"]
queue = f"arn:aws:sqs:us-east-1:{values['account']}:{values['queue']}"
policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket,
         "Condition": {"StringLike": {"s3:prefix": values["team"] + "/*"}}},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": bucket},
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue},
    ],
}
