r"""the\s+thief\s+opens\s+the\s+bucket[\s\S]*allowed[\s\S]*one\s+more\s+Allow\s+takes\s+nothing\s+away

Allows from the right address, which the other policy does anyway.
"""
containment = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*",
                   "Condition": {"IpAddress": {"aws:SourceIp": values["egress"]}}}],
}
