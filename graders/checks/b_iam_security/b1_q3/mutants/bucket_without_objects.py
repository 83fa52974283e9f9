r"""no\s+(identity-based\s+policy|permissions\s+boundary)\s+allows|MalformedPolicy

Names the bucket; its objects are not covered.
"""
bucket = "arn:aws:s3:::" + values["vault"]
session = f"arn:aws:sts::{values['account']}:assumed-role/{values['reader']}/{values['restore']}"
role = f"arn:aws:iam::{values['account']}:role/{values['reader']}"
bucket_policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": session}, "Action": "s3:GetObject", "Resource": bucket}],
}
