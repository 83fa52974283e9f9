r"""reads\s+\w+/today.csv\s+\(1\s+point\)\n\s+observed:\s+allowed[\s\S]*own\s+folder

Narrows the action and not the folder.
"""
bucket = f"arn:aws:s3:::{values['bucket']}"
session_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{bucket}/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket,
         "Condition": {"StringLike": {"s3:prefix": f"{values['app']}/*"}}},
    ],
}
