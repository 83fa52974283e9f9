"""The gateway in front of every AWS engine: authenticate, understand, authorise, record, route.

Modules here may import ``labs.aws.iam``, ``labs.aws.models`` and each other; nothing outside ``labs.aws`` imports them.
"""
