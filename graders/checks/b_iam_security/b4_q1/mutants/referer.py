r"""public\s+finding\s+is\s+resolved[\s\S]*ACTIVE[\s\S]*condition\s+on\s+\*

Guards * with a header that anybody can send.
"""
bucket_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": values["sync_arn"]}, "Action": "s3:GetObject",
         "Resource": f"arn:aws:s3:::{values['site']}/reports/*"},
        {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:PutObject"],
         "Resource": f"arn:aws:s3:::{values['site']}/*",
         "Condition": {"StringLike": {"aws:Referer": "https://shop.example/*"}}},
    ],
}
