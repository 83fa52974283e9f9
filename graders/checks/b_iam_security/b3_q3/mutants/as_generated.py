r"""changes\s+the\s+checkout[\s\S]*observed:\s+allowed[\s\S]*because\s+Nina\s+used\s+it

Keeps what the generator listed, Nina's calls included.
"""
bucket = "arn:aws:s3:::" + values["bucket"]
place = f"us-east-1:{values['account']}"
canary = f"arn:aws:lambda:{place}:function:{values['canary']}"
queue = f"arn:aws:sqs:{place}:{values['queue']}"
policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket,
         "Condition": {"StringLike": {"s3:prefix": values["builds"] + "/*"}}},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{bucket}/{values['builds']}/*"},
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject"],
         "Resource": f"{bucket}/{values['reports']}/*"},
        {"Effect": "Allow", "Action": ["lambda:CreateFunction", "lambda:DeleteFunction", "lambda:InvokeFunction",
                                       "lambda:UpdateFunctionConfiguration", "iam:ListUsers", "s3:ListAllMyBuckets"],
         "Resource": "*"},
        {"Effect": "Allow", "Action": "lambda:ListFunctions", "Resource": "*"},
        {"Effect": "Allow", "Action": ["sqs:GetQueueUrl", "sqs:SendMessage"], "Resource": queue},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": values["runtime_arn"],
         "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}},
    ],
}
