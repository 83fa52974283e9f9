r"""overwrites\s+\w+/today.csv\s+\(0.4\s+points\)\n\s+observed:\s+allowed[\s\S]*star\s+after

Narrows the folder and not the action.
"""
bucket = f"arn:aws:s3:::{values['bucket']}"
session_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:*", "Resource": f"{bucket}/{values['app']}/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket,
         "Condition": {"StringLike": {"s3:prefix": f"{values['app']}/*"}}},
    ],
}
