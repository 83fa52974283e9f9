r"""the\s+partner\s+lists\s+the\s+bucket[\s\S]*allowed[\s\S]*show\s+every\s+name

Lets the partner see the names of everything in the bucket.
"""
bucket_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": values["sync_arn"]}, "Action": ["s3:GetObject", "s3:ListBucket"],
         "Resource": [f"arn:aws:s3:::{values['site']}", f"arn:aws:s3:::{values['site']}/reports/*"]}
    ],
}
