r"""the\s+partner\s+reads\s+cart\.js[\s\S]*allowed[\s\S]*end\s+the\s+Resource\s+with\s+the\s+folder

Lets the partner read everything in the bucket.
"""
bucket_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": values["sync_arn"]}, "Action": "s3:GetObject",
         "Resource": f"arn:aws:s3:::{values['site']}/*"}
    ],
}
