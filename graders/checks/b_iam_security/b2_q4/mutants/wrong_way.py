r"""opened\s+afterwards\s+reads\s+\S+\s+\(1\s+point\)\n\s+observed:\s+AccessDenied[\s\S]*DateLessThan

Denies the sessions that are newer.
"""
revocation = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*",
                   "Condition": {"DateGreaterThanEquals": {"aws:TokenIssueTime": values["now"]}}}],
}
