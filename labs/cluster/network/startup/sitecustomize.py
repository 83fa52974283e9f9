"""What every Python program in a pod imports first: its sockets see the cluster's network, not this machine's.

Python imports ``sitecustomize`` by itself (PYTHONPATH names this folder; ``python -I``, ``-E``, ``-S`` leave it out).
Nothing happens until the program imports ``socket``; then

    bind      "", 0.0.0.0 and the pod's address mean the pod's end on loopback, localhost the pod's own
    connect   asks the network's door where to go; policies, names and Services are decided there
    names     getaddrinfo and gethostbyname ask the cluster's DNS, search domains included

Ports below 1024 are 30000 higher on loopback; programs see what they asked for.  A socket that is no TCP stream is left
alone.  Without ``LABS_NETWORK`` it does nothing.  It runs on whatever Python an image has, from 3.8 on.
"""

import os
import sys


def _next_one():
    """Import the ``sitecustomize`` that this one hides, where there is one."""
    here = os.path.dirname(os.path.abspath(__file__))
    finder = next((each for each in sys.meta_path if getattr(each, "__name__", "") == "PathFinder"), None)
    rest = [path for path in sys.path if os.path.abspath(path) != here]
    spec = finder.find_spec("sitecustomize", rest) if finder else None
    if spec is not None and spec.loader is not None:
        module = type(sys)("sitecustomize")
        module.__spec__, module.__file__ = spec, spec.origin
        spec.loader.exec_module(module)


class _Later:
    """Finds ``socket`` and ``uvloop`` as usual, and has them changed once they are loaded."""

    def __init__(self, changes):
        self.changes = changes

    def find_spec(self, name, path=None, target=None):
        change = self.changes.get(name)
        if change is None:
            return None
        del self.changes[name]
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec is not None:
                spec.loader = _Loader(spec.loader, change)
                return spec
        return None


class _Loader:
    """The loader it was given, and a change after it."""

    def __init__(self, loader, change):
        self._loader, self._change = loader, change

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        self._change(module)


class _Network:
    """What the node said of this pod, and questions to the door."""

    def __init__(self, said):
        self.__dict__.update(each.split("=", 1) for each in said.split())
        self.port = int(self.port)
        self.direct = {int(each) for each in self.direct.split(",") if each}

    def ask(self, words):
        """The door's answer; ConnectionRefusedError when nobody is there (the nodes are being restarted)."""
        import _socket

        asked = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        try:
            asked.settimeout(30)
            asked.connect((self.door, self.port))
            asked.sendall(f"labs {self.pod} {self.credential} {words}\n".encode())
            said = b""
            while not said.endswith(b"\n"):
                data = asked.recv(4096)
                if not data:
                    break
                said += data
        finally:
            asked.close()
        return said.decode().split()

    def moved(self, port):
        return port + 30000 if isinstance(port, int) and 0 < port < 1024 else port

    def here(self, host):
        """Where a server listens that binds ``host``; None for an address that is left alone."""
        if host in ("", "0.0.0.0", "::", self.address, self.end):
            return self.end
        if host in ("localhost", "127.0.0.1", "::1"):
            return self.inside
        return None

    def seen(self, address):
        """An address of loopback as the cluster shows it."""
        if not isinstance(address, tuple) or not isinstance(address[0], str):
            return address
        host, port = address[0], address[1]
        mapped = host.startswith("::ffff:")
        host = host[7:] if mapped else host
        if host == self.inside:
            host = "127.0.0.1"
        elif host.startswith(self.pods):
            host = self.shown + host[len(self.pods):]
        else:
            return address
        port = port - 30000 if 30000 < port < 31024 else port
        return ("::ffff:" + host if mapped else host, port, *address[2:])


def _change_socket(network, module):
    """Give ``socket.socket`` and the module's functions their new behaviour."""
    import errno
    import weakref

    kind = module.socket
    plain_bind, plain_connect, plain_connect_ex = kind.bind, kind.connect, kind.connect_ex
    plain_accept, plain_name, plain_peer = kind.accept, kind.getsockname, kind.getpeername
    plain_info, plain_by_name, plain_by_address = module.getaddrinfo, module.gethostbyname, module.gethostbyaddr
    plain_by_name_ex = module.gethostbyname_ex
    targets = weakref.WeakKeyDictionary()
    own_name = os.environ.get("HOSTNAME", "")

    def stream(self):
        return self.family in (module.AF_INET, module.AF_INET6) and self.type & 0xF == module.SOCK_STREAM

    def text(host):
        host = host.decode("ascii") if isinstance(host, (bytes, bytearray)) else host
        return host[7:] if isinstance(host, str) and host.startswith("::ffff:") else host

    def shaped(self, host, port, rest=()):
        return ("::ffff:" + host, port, *rest) if self.family == module.AF_INET6 else (host, port)

    def open_to_both(self):
        if self.family == module.AF_INET6:
            self.setsockopt(module.IPPROTO_IPV6, module.IPV6_V6ONLY, 0)

    def bind(self, address):
        if not stream(self) or not isinstance(address, tuple):
            return plain_bind(self, address)
        end = network.here(text(address[0]))
        if end is None:
            return plain_bind(self, address)
        if self.family == module.AF_INET6 and self.getsockopt(module.IPPROTO_IPV6, module.IPV6_V6ONLY):
            # beside a socket of IPv4 for the same port: the cluster has no IPv6, so nobody comes by this one
            return plain_bind(self, ("::1", 0))
        return plain_bind(self, shaped(self, end, network.moved(address[1]), address[2:]))

    def there(self, address):
        """Where to connect for an address of the cluster."""
        if not stream(self) or not isinstance(address, tuple) or not isinstance(address[1], int):
            return address
        host, port = text(address[0]), address[1]
        if host == network.door or (host in ("127.0.0.1", "localhost") and port in network.direct):
            return address
        open_to_both(self)
        source = plain_name(self)
        if not source[1]:
            self.setsockopt(module.SOL_SOCKET, module.SO_REUSEADDR, 1)
            plain_bind(self, shaped(self, network.end, 0))
            source = plain_name(self)
        try:
            said = network.ask(f"connect {text(source[0])} {source[1]} {host or 'localhost'} {port}")
        except OSError:
            said = ["closed"]
        if said == ["unknown"]:
            raise module.gaierror(module.EAI_NONAME, "Name or service not known")
        if said == ["unreachable"]:
            raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))
        where = {"door": network.door, "void": network.void}.get(said[0] if said else "")
        if where is not None:       # a program may connect again, to learn whether it has connected
            targets[self] = address, shaped(self, where, network.port)
        return shaped(self, where or network.closed, network.port)

    def connect(self, address):
        before, where = targets.get(self, (None, None))
        return plain_connect(self, where if before == address else there(self, address))

    def connect_ex(self, address):
        before, where = targets.get(self, (None, None))
        try:
            return plain_connect_ex(self, where if before == address else there(self, address))
        except module.gaierror:
            raise
        except OSError as error:
            return error.errno

    def accept(self):
        made, address = plain_accept(self)
        return made, network.seen(address)

    def getsockname(self):
        return network.seen(plain_name(self))

    def getpeername(self):
        found = plain_peer(self)
        return targets[self][0] if self in targets else network.seen(found)

    def resolve(name):
        if name == own_name:
            return [network.address]
        try:
            said = network.ask(f"resolve {name}")
        except OSError:
            said = ["again"]
        if said and said[0] in ("unknown", "again", "stranger", "what?"):
            code = module.EAI_NONAME if said[0] == "unknown" else module.EAI_AGAIN
            raise module.gaierror(code, "Name or service not known" if said[0] == "unknown" else
                                  "Temporary failure in name resolution")
        return said

    def numeric(host):
        for family in (module.AF_INET, module.AF_INET6):
            try:
                module.inet_pton(family, host.partition("%")[0])
            except (OSError, UnicodeError):
                continue
            return True
        return False

    def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
        name = text(host)
        if not name or name == "localhost":     # IPv6 would be another server's end; there may be no /etc/hosts
            host, family = "127.0.0.1" if name else host, family or module.AF_INET
        if not isinstance(name, str) or not name or name == "localhost" or flags & module.AI_NUMERICHOST or numeric(
                name) or " " in name:
            return plain_info(host, port, family, type, proto, flags)
        if family == module.AF_INET6:
            raise module.gaierror(module.EAI_NONAME, "Name or service not known")
        return [each for address in resolve(name)
                for each in plain_info(address, port, module.AF_INET, type, proto, flags & ~module.AI_CANONNAME)]

    def gethostbyname(name):
        if name == "localhost":
            return "127.0.0.1"
        return plain_by_name(name) if not name or numeric(name) else resolve(name)[0]

    def gethostbyname_ex(name):
        if name == "localhost":
            return name, [], ["127.0.0.1"]
        return plain_by_name_ex(name) if not name or numeric(name) else (name, [], resolve(name))

    def gethostbyaddr(address):
        if address in (network.address, network.end, own_name):
            return own_name, [], [network.address]
        return plain_by_address(address)

    def gethostname():
        return own_name or plain_host()

    plain_host = module.gethostname
    for each in (bind, connect, connect_ex, accept, getsockname, getpeername):
        each.__qualname__ = "socket." + each.__name__
        setattr(kind, each.__name__, each)
    for each in (getaddrinfo, gethostbyname, gethostbyname_ex, gethostbyaddr, gethostname):
        setattr(module, each.__name__, each)


def _change_uvloop(module):
    """uvloop resolves and connects by itself: have the socket made here.  Its servers bind as others do."""
    plain = module.Loop.create_connection

    async def getaddrinfo(self, host, port, *, family=0, type=0, proto=0, flags=0):
        import socket

        return await self.run_in_executor(None, socket.getaddrinfo, host, port, family, type, proto, flags)

    async def create_connection(self, factory, host=None, port=None, **more):
        if host is None or more.get("sock") is not None or more.pop("local_addr", None) is not None:
            return await plain(self, factory, host, port, **more)
        import socket

        made = socket.socket()
        try:
            made.setblocking(False)
            found = await self.getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_STREAM)
            await self.sock_connect(made, found[0][4])
            if more.get("ssl") and more.get("server_hostname") is None:
                more["server_hostname"] = host
            for name in ("family", "proto", "flags", "happy_eyeballs_delay", "interleave"):
                more.pop(name, None)
            return await plain(self, factory, sock=made, **more)
        except BaseException:
            made.close()
            raise

    module.Loop.create_connection = create_connection
    module.Loop.getaddrinfo = getaddrinfo


def _begin():
    said = os.environ.get("LABS_NETWORK")
    if not said:
        return
    network = _Network(said)
    changes = {"uvloop": _change_uvloop}
    if "socket" in sys.modules:
        _change_socket(network, sys.modules["socket"])
    else:
        changes["socket"] = lambda module: _change_socket(network, module)
    sys.meta_path.insert(0, _Later(changes))


try:
    _begin()
except Exception as error:  # noqa: BLE001 (whatever it is, the program must start)
    sys.stderr.write(f"labs: this program does not see the cluster's network: {error!r}\n")
_next_one()
