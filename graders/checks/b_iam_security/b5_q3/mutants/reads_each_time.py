r"""[0-9]{2,} GetSecretValue calls[\s\S]*money\s+and\s+quota

Reads the secret for each connection.
"""
import inspect


def connect(open_connection, read_secret, cache, now):
    return open_connection(read_secret())


connect_source = inspect.getsource(connect)
