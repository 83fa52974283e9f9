r"""× 503[\s\S]*in\s+the\s+same\s+call

Reads the secret once for ever.
"""
import inspect


def connect(open_connection, read_secret, cache, now):
    if "login" not in cache:
        cache["login"] = read_secret()
    return open_connection(cache["login"])


connect_source = inspect.getsource(connect)
