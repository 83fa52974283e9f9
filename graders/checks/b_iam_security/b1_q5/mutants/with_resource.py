r"""MalformedPolicyDocument

A trust policy has no Resource.
"""
vendor = values["vendor_account"]
trust_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{vendor}:role/{values['deputy']}"}, "Action": "sts:AssumeRole",
         "Resource": "*",
         "Condition": {"StringEquals": {"sts:ExternalId": values["external_id"]}}}
    ],
}
