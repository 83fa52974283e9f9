r"""without\s+an\s+external\s+id[\s\S]*allowed[\s\S]*only\s+the\s+external\s+id\s+tells

Trusts the deputy, whoever sent it.
"""
vendor = values["vendor_account"]
trust_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{vendor}:role/{values['deputy']}"}, "Action": "sts:AssumeRole"}
    ],
}
