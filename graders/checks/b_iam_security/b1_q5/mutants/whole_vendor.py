r"""intern\s+assumes\s+it\s+with\s+our\s+external\s+id[\s\S]*allowed[\s\S]*name\s+the\s+one\s+role

Trusts everybody in the vendor's account.
"""
vendor = values["vendor_account"]
trust_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{vendor}:root"}, "Action": "sts:AssumeRole",
         "Condition": {"StringEquals": {"sts:ExternalId": values["external_id"]}}}
    ],
}
