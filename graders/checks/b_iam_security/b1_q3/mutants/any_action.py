r"""overwrites\s+nightly/orders.json[\s\S]*allowed[\s\S]*one\s+action

Lets the restore write.
"""
bucket = "arn:aws:s3:::" + values["vault"]
session = f"arn:aws:sts::{values['account']}:assumed-role/{values['reader']}/{values['restore']}"
role = f"arn:aws:iam::{values['account']}:role/{values['reader']}"
bucket_policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": session}, "Action": "s3:*", "Resource": bucket + "/nightly/*"}],
}
