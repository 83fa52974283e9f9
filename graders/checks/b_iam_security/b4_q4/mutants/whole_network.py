r"""a\s+neighbour\s+at[\s\S]*allowed[\s\S]*whole\s+network

Trusts the network around the address.
"""
containment = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*",
                   "Condition": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}],
}
