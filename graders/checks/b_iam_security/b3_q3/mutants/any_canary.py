r"""(wildcards[\s\S]*3\s+ARNs\s+with\s+a\s+wildcard)[\s\S]*Write\s+out

Lets the function have any suffix.
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
        {"Effect": "Allow", "Action": ["lambda:CreateFunction", "lambda:InvokeFunction", "lambda:DeleteFunction"],
         "Resource": canary.rsplit("-", 1)[0] + "-*"},
        {"Effect": "Allow", "Action": "lambda:ListFunctions", "Resource": "*"},
        {"Effect": "Allow", "Action": ["sqs:GetQueueUrl", "sqs:SendMessage"], "Resource": queue},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": values["runtime_arn"],
         "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}},
    ],
}
