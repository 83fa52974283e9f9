r"""the\s+thief\s+reads\s+cart\.js[\s\S]*allowed[\s\S]*good\s+for\s+nothing

Denies only the call that was seen.
"""
containment = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "s3:PutBucketPolicy", "Resource": "*",
                   "Condition": {"NotIpAddress": {"aws:SourceIp": values["egress"]}}}],
}
