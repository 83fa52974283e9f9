r"""no\s+\*\s+inside\s+an\s+ARN

Puts an asterisk into the session's ARN.
"""
bucket = "arn:aws:s3:::" + values["vault"]
session = f"arn:aws:sts::{values['account']}:assumed-role/{values['reader']}/{values['restore']}"
role = f"arn:aws:iam::{values['account']}:role/{values['reader']}"
bucket_policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": session.rsplit("/", 1)[0] + "/*"}, "Action": "s3:GetObject", "Resource": bucket + "/nightly/*"}],
}
