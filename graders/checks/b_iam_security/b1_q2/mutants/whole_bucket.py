r"""alice\s+reads\s+.*/prices.csv\s+\(0.5\s+points\)\n\s+observed:\s+allowed[\s\S]*own\s+prefix

Opens every team's folder.
"""
bucket = "arn:aws:s3:::" + values["bucket"]
queue = f"arn:aws:sqs:us-east-1:{values['account']}:{values['queue']}"
policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket,
         "Condition": {"StringLike": {"s3:prefix": values["team"] + "/*"}}},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": bucket + "/*"},
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue},
    ],
}
