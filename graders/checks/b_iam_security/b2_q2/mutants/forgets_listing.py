r"""lists\s+\w+/\s+\(0.5\s+points\)\n\s+observed:\s+AccessDenied[\s\S]*no\s+session\s+policy

Takes it that listing comes with the role.
"""
bucket = f"arn:aws:s3:::{values['bucket']}"
session_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{bucket}/{values['app']}/*"},
    ],
}
