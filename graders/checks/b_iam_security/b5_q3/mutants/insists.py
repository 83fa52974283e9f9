r"""the\s+secret\s+is\s+hardly\s+read[\s\S]*reads in[\s\S]*two\s+seconds

Reads again for every customer while no login works.
"""
import inspect


def connect(open_connection, read_secret, cache, now):
    if "login" in cache:
        try:
            return open_connection(cache["login"])
        except LoginRejected:
            pass
    login = read_secret()
    connection = open_connection(login)
    cache["login"] = login
    return connection


connect_source = inspect.getsource(connect)
