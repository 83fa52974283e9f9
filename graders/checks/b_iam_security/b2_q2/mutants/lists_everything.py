r"""lists\s+the\s+whole\s+bucket\s+\(0.5\s+points\)\n\s+observed:\s+allowed

Lets the pod list every folder.
"""
bucket = f"arn:aws:s3:::{values['bucket']}"
session_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{bucket}/{values['app']}/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket},
    ],
}
