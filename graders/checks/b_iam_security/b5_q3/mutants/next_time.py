r"""× 503[\s\S]*in\s+the\s+same\s+call

Forgets the login, and leaves the request to fail.
"""
import inspect


def connect(open_connection, read_secret, cache, now):
    if "login" not in cache:
        cache["login"] = read_secret()
    try:
        return open_connection(cache["login"])
    except LoginRejected:
        del cache["login"]
        raise


connect_source = inspect.getsource(connect)
