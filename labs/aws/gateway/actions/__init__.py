"""From a botocore call to IAM actions, resource ARNs and condition keys: the reference and the services' own rules.

``reference`` is AWS's Service Authorization Reference in a compact form; a module each for the services that need more
than it says.  Depends on ``labs.aws.gateway.calls`` only.
"""
