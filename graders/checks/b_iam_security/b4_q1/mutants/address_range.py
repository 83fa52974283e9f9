r"""public\s+finding\s+is\s+resolved[\s\S]*SourceIp[\s\S]*anybody\s+but\s+the\s+partner

Lets in whoever calls from a network, beside the partner's role.
"""
bucket_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": values["sync_arn"]}, "Action": "s3:GetObject",
         "Resource": f"arn:aws:s3:::{values['site']}/reports/*"},
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
         "Resource": f"arn:aws:s3:::{values['site']}/reports/*",
         "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}},
    ],
}
