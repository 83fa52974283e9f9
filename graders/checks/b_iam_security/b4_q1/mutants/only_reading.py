r"""public\s+finding\s+is\s+resolved[\s\S]*ACTIVE

Takes the writing away and leaves everybody reading.
"""
bucket_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": values["sync_arn"]}, "Action": "s3:GetObject",
         "Resource": f"arn:aws:s3:::{values['site']}/reports/*"},
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{values['site']}/*"},
    ],
}
