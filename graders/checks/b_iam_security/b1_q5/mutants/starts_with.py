r"""longer\s+id[\s\S]*allowed[\s\S]*StringEquals

Compares the beginning of the id only.
"""
vendor = values["vendor_account"]
trust_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{vendor}:role/{values['deputy']}"}, "Action": "sts:AssumeRole",
         "Condition": {"StringLike": {"sts:ExternalId": values["external_id"] + "*"}}}
    ],
}
