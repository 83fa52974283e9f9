r"""trainee\s+reads\s+the\s+report[\s\S]*allowed[\s\S]*wider\s+than\s+the\s+one\s+role

Trusts the whole account of the partner.
"""
bucket_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{values['partner_account']}:root"},
         "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{values['site']}/reports/*"}
    ],
}
