r"""creates\s+the\s+canary[\s\S]*iam:PassRole[\s\S]*only\s+the\s+first\s+leaves\s+an\s+event

Forgets what leaves no event at all.
"""
bucket = "arn:aws:s3:::" + values["bucket"]
place = f"us-east-1:{values['account']}"
additions = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket,
         "Condition": {"StringLike": {"s3:prefix": values["builds"] + "/*"}}},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{bucket}/{values['builds']}/*"},
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject"],
         "Resource": f"{bucket}/{values['reports']}/*"},
        {"Effect": "Allow", "Action": "lambda:InvokeFunction",
         "Resource": f"arn:aws:lambda:{place}:function:{values['canary']}"},
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": f"arn:aws:sqs:{place}:{values['queue']}"},
    ],
}
