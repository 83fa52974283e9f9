r"""wildcards[\s\S]*Resource\s+\*\s+for\s+sqs:GetQueueUrl[\s\S]*know\s+no\s+resource

Puts an action that has a resource beside one that has none.
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
         "Resource": canary},
        {"Effect": "Allow", "Action": ["lambda:ListFunctions", "sqs:GetQueueUrl"], "Resource": "*"},
        {"Effect": "Allow", "Action": ["sqs:GetQueueUrl", "sqs:SendMessage"], "Resource": queue},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": values["runtime_arn"],
         "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}},
    ],
}
