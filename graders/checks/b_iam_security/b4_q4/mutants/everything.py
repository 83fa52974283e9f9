r"""the\s+web\s+server\s+reads\s+cart\.js[\s\S]*explicit\s+deny[\s\S]*at\s+its\s+own\s+address

Stops the web server together with the thief.
"""
containment = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}],
}
