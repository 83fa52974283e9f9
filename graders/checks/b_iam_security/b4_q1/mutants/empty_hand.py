r"""the\s+partner\s+reads\s+reports[\s\S]*another\s+account[\s\S]*under\s+reports/

Names a role of that name at home, where it does not exist for the partner.
"""
bucket_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{values['account']}:root"},
         "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{values['site']}/reports/*"}
    ],
}
