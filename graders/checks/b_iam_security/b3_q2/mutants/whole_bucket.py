r"""reads\s+the\s+signing\s+key[\s\S]*observed:\s+allowed[\s\S]*beyond\s+the\s+folder

Opens the whole bucket for reading.
"""
bucket = "arn:aws:s3:::" + values["bucket"]
place = f"us-east-1:{values['account']}"
additions = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket,
         "Condition": {"StringLike": {"s3:prefix": values["builds"] + "/*"}}},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": bucket + "/*"},
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject"],
         "Resource": f"{bucket}/{values['reports']}/*"},
        {"Effect": "Allow", "Action": "lambda:InvokeFunction",
         "Resource": f"arn:aws:lambda:{place}:function:{values['canary']}"},
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": f"arn:aws:sqs:{place}:{values['queue']}"},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": values["runtime_arn"],
         "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}},
    ],
}
