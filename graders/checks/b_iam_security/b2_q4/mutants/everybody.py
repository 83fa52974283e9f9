r"""opened\s+afterwards\s+reads\s+\S+\s+\(1\s+point\)\n\s+observed:\s+AccessDenied[\s\S]*must\s+live

Denies every session, and stops the app with the thief.
"""
revocation = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}],
}
