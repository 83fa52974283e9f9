r"""the\s+shop\s+opens[\s\S]*status\s+500;\s+TypeError\s+in\s+line\s+4\s+of\s+connect

Takes the number for a function.
"""
connect_source = """
def connect(open_connection, read_secret, cache, now):
    if "login" not in cache:
        cache["since"] = now()
        cache["login"] = read_secret()
    return open_connection(cache["login"])
"""
