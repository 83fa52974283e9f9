r"""opens\s+by\s+itself[\s\S]*must\s+not\s+stay\s+in\s+the\s+way

After one failure it never reads again.
"""
import inspect


def connect(open_connection, read_secret, cache, now):
    if "login" in cache:
        try:
            return open_connection(cache["login"])
        except LoginRejected:
            pass
    if now < cache.get("not_before", 0):
        raise LoginRejected("the newest login was rejected a moment ago")
    login = read_secret()
    try:
        connection = open_connection(login)
    except LoginRejected:
        cache["not_before"] = now + 3600
        raise
    cache["login"] = login
    return connection


connect_source = inspect.getsource(connect)
