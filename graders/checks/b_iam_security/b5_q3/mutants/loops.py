r"""timeout[\s\S]*loop\s+keeps\s+customers\s+waiting

Tries until it works.
"""
import inspect


def connect(open_connection, read_secret, cache, now):
    while True:
        try:
            return open_connection(cache["login"])
        except (KeyError, LoginRejected):
            cache["login"] = read_secret()


connect_source = inspect.getsource(connect)
