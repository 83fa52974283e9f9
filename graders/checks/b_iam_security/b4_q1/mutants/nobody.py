r"""the\s+partner\s+reads\s+reports[\s\S]*explicit\s+deny[\s\S]*narrow\s+the\s+Deny

Closes the bucket for everybody, the partner too.
"""
bucket_policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{values['site']}/*",
         "Condition": {"StringNotEquals": {"aws:PrincipalAccount": values["account"]}}}
    ],
}
