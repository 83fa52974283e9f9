r"""stolen\s+session\s+reads\s+\S+\s+\(1\s+point\)\n\s+observed:\s+allowed[\s\S]*TokenIssueTime

Looks at the time of the call, which is never before the moment again.
"""
revocation = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*",
                   "Condition": {"DateLessThan": {"aws:CurrentTime": values["now"]}}}],
}
