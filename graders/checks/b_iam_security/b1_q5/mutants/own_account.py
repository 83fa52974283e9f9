r"""deputy\s+assumes\s+the\s+role\s+with\s+external\s+id[\s\S]*in\s+the\s+vendor's\s+account

Looks for the vendor's role at home.
"""
vendor = values["vendor_account"]
trust_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{values['account']}:root"}, "Action": "sts:AssumeRole",
         "Condition": {"StringEquals": {"sts:ExternalId": values["external_id"]}}}
    ],
}
