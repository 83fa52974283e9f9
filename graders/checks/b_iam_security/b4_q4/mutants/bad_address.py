r"""192\.0\.2\.77[\s\S]*allowed[\s\S]*thief\s+has\s+moved

Denies the thief's address of today.
"""
containment = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*",
                   "Condition": {"IpAddress": {"aws:SourceIp": values["attacker"]}}}],
}
