r"""stolen\s+session\s+writes\s+\S+\s+\(0.6\s+points\)\n\s+observed:\s+allowed[\s\S]*every\s+action

Denies the action that was seen in the trail, and no other.
"""
revocation = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*",
                   "Condition": {"DateLessThan": {"aws:TokenIssueTime": values["now"]}}}],
}
