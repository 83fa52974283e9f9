r"""no\s+permissions\s+boundary\s+allows[\s\S]*names\s+the\s+role

The role ARN leaves the boundary in force.
"""
bucket = "arn:aws:s3:::" + values["vault"]
session = f"arn:aws:sts::{values['account']}:assumed-role/{values['reader']}/{values['restore']}"
role = f"arn:aws:iam::{values['account']}:role/{values['reader']}"
bucket_policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": role}, "Action": "s3:GetObject", "Resource": bucket + "/nightly/*"}],
}
