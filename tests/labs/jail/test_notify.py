"""A jail's own network: what programs bind, call and see, and that nobody gets round it, on every rung."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from labs import jail
from labs.jail import rungs

if rungs.notification():
    pytest.skip(f"no seccomp notification here: {rungs.notification()}", allow_module_level=True)

NUMBER = os.getpid() % 200 + 20     # other workers have their own
OWN, END, INSIDE = f"10.244.{NUMBER}.7", f"127.244.{NUMBER}.7", f"127.170.{NUMBER}.7"
FORBIDDEN = f"127.244.{NUMBER}.66"


class Door:
    """Lets everything pass to a server that says hello, but for 10.96.9.9, and tells what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.prepared: set[tuple[str, int]] = set()
        self.sockets = [socket.create_server((f"127.96.{NUMBER}.1", 0)), self.datagrams(f"127.96.{NUMBER}.2")]
        for serve in (self.serve, self.echo):
            threading.Thread(target=serve, daemon=True).start()

    @staticmethod
    def datagrams(host: str, port: int = 0) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((host, port))
        return made

    def serve(self) -> None:
        while True:
            try:
                made, peer = self.sockets[0].accept()
            except OSError:
                return
            with made:
                if peer in self.prepared:
                    made.sendall(b"hello " + peer[0].encode())
                    continue
                words = made.recv(1000).decode().split()
                self.asked.append(words)
                if words[3] == "datagrams":
                    host, port = self.sockets[1].getsockname()
                    known = {"10.96.9.9": "void", "10.96.8.8": "closed"}
                    made.sendall(f"{known.get(words[4], f'to {host} {port}')}\n".encode())
                elif words[4:6] and words[6] == "10.96.9.9":
                    made.sendall(b"closed\n")
                else:
                    self.prepared.add((words[4], int(words[5])))
                    made.sendall(b"door\n")

    def echo(self) -> None:
        while True:
            try:
                data, peer = self.sockets[1].recvfrom(2000)
                self.sockets[1].sendto(data + b" from " + peer[0].encode(), peer)
            except OSError:
                return

    def network(self) -> dict:
        return {"address": OWN, "end": END, "inside": INSIDE, "pairs": [["10.244.", "127.244."], ["10.96.", "127.96."]],
                "door": list(self.sockets[0].getsockname()), "greeting": "labs U T", "void": f"127.96.{NUMBER}.3",
                "hostname": "a-pod", "direct": [], "ports": None}


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    yield made
    for each in made.sockets:
        each.close()


@pytest.fixture(params=rungs.RUNGS)
def rung(request: pytest.FixtureRequest) -> str:
    if request.param in rungs.unavailable():
        pytest.skip(f"no {request.param} rung here: {rungs.unavailable()[request.param]}")
    return str(request.param)


def run(door: Door, code: str, rung: str | None = None) -> list[str]:
    """The lines that a Python program prints in such a jail; on any rung where it does not matter."""
    spec = jail.Spec(readable=jail.runtime(), network=door.network(), rung=rung or "plain", wall_seconds=30,
                     processes=8)
    done = jail.run(spec, [rungs.PYTHON, "-I", "-S", "-c", "import os, signal, socket, threading, time\n" + code])
    assert done.status == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


def test_programs_call_by_the_networks_addresses_and_see_them(door: Door, rung: str) -> None:
    code = """
made = socket.create_connection(("10.96.1.1", 80))
print(made.getpeername(), made.getsockname()[0], made.recv(99).decode())
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
made.sendto(b"hi", ("10.96.0.10", 53))
print(made.recvfrom(99), made.getsockname()[0])
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
made.connect(("10.96.0.10", 53))
made.sendmsg([b"h", b"i"])
print(made.recvmsg(99)[0], made.getpeername())
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
made.connect(("10.96.8.8", 53))     # where nothing is: only what is sent is refused
made.settimeout(5)
made.send(b"hi")
try: made.recv(99)
except OSError as error: print(made.getsockname()[0], made.getpeername(), type(error).__name__)
try: socket.create_connection(("10.96.9.9", 80))
except OSError as error: print(type(error).__name__)
try: socket.socket(socket.AF_INET6)
except OSError as error: print(error.strerror)
print(os.uname().nodename)
"""
    echoed = f"hi from {END}".encode()
    assert run(door, code, rung) == [
        f"('10.96.1.1', 80) {OWN} hello {END}", f"({echoed!r}, ('10.96.0.10', 53)) {OWN}",
        f"{echoed!r} ('10.96.0.10', 53)", f"{OWN} ('10.96.8.8', 53) ConnectionRefusedError", "ConnectionRefusedError",
        "Address family not supported by protocol", "a-pod"]
    assert door.asked[0][:3] + door.asked[0][6:] == ["labs", "U", "T", "10.96.1.1", "80"]


@pytest.mark.parametrize("waits", [True, False], ids=["waiting", "without waiting"])
def test_servers_listen_on_their_own_address_and_see_whose_call_it_is(door: Door, rung: str, waits: bool) -> None:
    code = f"""
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("0.0.0.0", 80))
server.listen()
server.setblocking({waits})
print(server.getsockname(), flush=True)
while True:
    try: made, peer = server.accept()
    except BlockingIOError: time.sleep(0.01)
    else: break
print(peer[0], made.getsockname(), made.recv(9))
made.sendmsg([b"a", b"b"])
"""
    spec = jail.Spec(readable=jail.runtime(), network=door.network(), rung=rung, wall_seconds=30)
    with jail.start(spec, [rungs.PYTHON, "-I", "-S", "-c", "import socket, time\n" + code], stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == f"('{OWN}', 80)\n".encode()
        with socket.create_connection((END, 30080), 5, (f"127.244.{NUMBER}.9", 0)) as made:
            made.sendall(b"q")
            assert made.recv(9) == b"ab"
        assert running.stdout.readline() == f"10.244.{NUMBER}.9 ('{OWN}', 80) b'q'\n".encode()
        running.stdout.close()


@pytest.mark.parametrize("several", [False, True], ids=["recvfrom", "recvmmsg"])
def test_who_sent_a_datagram_is_answered_without_asking(door: Door, several: bool) -> None:
    """By its real end: a policy on new datagrams is not one on answers, and this machine's programs have no other."""
    code = """
import ctypes, errno
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 53))
print("listens", flush=True)

class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
class Message(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("room", ctypes.c_uint), ("vectors", ctypes.c_void_p),
                ("count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("size", ctypes.c_size_t),
                ("flags", ctypes.c_int), ("pad", ctypes.c_int), ("got", ctypes.c_uint)]

def several(many=4):
    names, data = ([ctypes.create_string_buffer(size) for _ in range(many)] for size in (16, 9))
    vectors = [Vector(ctypes.addressof(each), 9) for each in data]
    messages = (Message * many)(*(Message(ctypes.addressof(name), 16, ctypes.addressof(vector), 1, None, 0)
                                  for name, vector in zip(names, vectors)))
    libc = ctypes.CDLL(None, use_errno=True)
    count = libc.recvmmsg(server.fileno(), messages, many, 0x10000, None)
    name = names[0].raw
    print(count, messages[0].room)
    return data[0].raw[:messages[0].got], (socket.inet_ntoa(name[4:8]), int.from_bytes(name[2:4], "big"))

for _ in range(2):
    data, peer = several() if SEVERAL else server.recvfrom(99)
    server.sendto(data + peer[0].encode(), peer)
""".replace("SEVERAL", str(several))
    spec = jail.Spec(readable=jail.runtime(), network=door.network(), rung="plain", wall_seconds=30)
    with jail.start(spec, [rungs.PYTHON, "-I", "-S", "-c", "import socket\n" + code], stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"listens\n"
        for own, seen in ((f"127.244.{NUMBER}.9", f"10.244.{NUMBER}.9"), ("127.0.0.1", "127.0.0.1")):
            with Door.datagrams(own) as made:
                made.settimeout(5)
                made.sendto(b"q", (END, 30053))
                assert made.recv(99) == b"q" + seen.encode()
        assert running.stdout.read() == (b"1 16\n" * 2 if several else b"")
        running.stdout.close()
    assert not door.asked


def test_what_is_not_its_own_cannot_be_bound(door: Door) -> None:
    assert run(door, f"""
kept = []
for host in ("10.244.{NUMBER}.66", "192.0.2.1", "127.0.0.1", "{FORBIDDEN}"):
    made = socket.socket()
    kept.append(made)
    try: print(made.bind((host, 3000)), made.getsockname())
    except OSError as error: print(error.strerror)
made = socket.socket()
made.listen()
print(made.getsockname()[0])
for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM | 1 << 20):
    try: socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP)
    except OSError as error: print(error.strerror)
""") == ["Cannot assign requested address"] * 2 + ["None ('127.0.0.1', 3000)", "Address already in use", OWN,
                                                     "Operation not permitted", "Permission denied"]


def test_an_address_that_is_changed_meanwhile_leads_nowhere_else(door: Door) -> None:
    """Another thread swaps the address in memory, and the socket under its number, while calls are decided."""
    forbidden = [socket.create_server((FORBIDDEN, 40123)), door.datagrams(FORBIDDEN, 40123)]
    for each in forbidden:
        each.settimeout(0.2)
    code = f"""
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
def packed(host, port): return struct.pack("=H", 2) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)
good, bad = packed("10.96.9.9", 99), packed("{FORBIDDEN}", 40123)
place = ctypes.create_string_buffer(good, 16)
class Vector(ctypes.Structure): _fields_ = [("base", ctypes.c_char_p), ("length", ctypes.c_size_t)]
class Header(ctypes.Structure): _fields_ = [("name", ctypes.c_void_p), ("size", ctypes.c_uint),
    ("vectors", ctypes.c_void_p), ("count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("more", ctypes.c_size_t),
    ("flags", ctypes.c_int)]
vector = Vector(b"stolen", 6)
header = Header(ctypes.addressof(place), 16, ctypes.addressof(vector), 1, None, 0, 0)
over = []
one, other = socket.socketpair()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
number = os.dup(one.fileno())
def swap():
    while not over:
        ctypes.memmove(place, bad, 16)
        os.dup2(udp.fileno(), number)
        ctypes.memmove(place, good, 16)
        os.dup2(one.fileno(), number)
threading.Thread(target=swap, daemon=True).start()
end = time.monotonic() + 2
while time.monotonic() < end:
    tcp = socket.socket()
    libc.connect(tcp.fileno(), place, 16)
    tcp.close()
    libc.sendto(udp.fileno(), b"stolen", 6, 0, place, 16)
    libc.sendmsg(number, ctypes.byref(header), 64)
over.append(1)
print("tried")
"""
    # the door answers for both addresses: what it says for the bad one leads to its own server
    assert run(door, code) == ["tried"]
    assert {words[6] if words[3] == "connect" else words[4] for words in door.asked} == {"10.96.9.9", FORBIDDEN}
    with pytest.raises(TimeoutError):
        forbidden[0].accept()
    with pytest.raises(TimeoutError):
        forbidden[1].recv(99)
    for each in forbidden:
        each.close()


def test_a_signal_interrupts_who_waits(door: Door) -> None:
    assert run(door, """
class Rang(Exception): pass
def ring(*_): raise Rang
signal.signal(signal.SIGALRM, ring)
server = socket.create_server(("", 3001))
signal.setitimer(signal.ITIMER_REAL, 0.3)
try: server.accept()
except Rang: print("rang")
server.settimeout(0.2)
try: server.accept()
except TimeoutError: print("late")
""") == ["rang", "late"]


def test_a_killed_program_holds_nothing_up(door: Door) -> None:
    """One waits for ever and is killed; the supervisor lets go of its server, and serves the others."""
    assert run(door, """
pid = os.fork()
if not pid:
    server = socket.create_server(("", 3002))
    server.accept()
time.sleep(0.3)
os.kill(pid, 9)
os.waitpid(pid, 0)
time.sleep(0.5)
server = socket.create_server(("", 3002))
print(server.getsockname()[1])
""") == ["3002"]


def test_files_pass_between_processes(door: Door) -> None:
    assert run(door, """
one, other = socket.socketpair()
told, tell = os.pipe()
socket.send_fds(one, [b"x"], [tell])
found = socket.recv_fds(other, 9, 1)[1][0]
os.write(found, b"through")
print(os.read(told, 9).decode())
""") == ["through"]


@pytest.mark.long
@pytest.mark.skipif(shutil.which("go") is None, reason="no Go compiler here")
def test_a_static_program_of_another_language_sees_it_too(door: Door, tmp_path: Path) -> None:
    (tmp_path / "main.go").write_text("""package main
import ("fmt"; "io"; "net")
func main() {
    made, err := net.Dial("tcp", "10.96.1.1:80")
    if err != nil { panic(err) }
    said, _ := io.ReadAll(made)
    fmt.Println(made.RemoteAddr(), string(said))
    server, err := net.Listen("tcp", ":81")
    if err != nil { panic(err) }
    fmt.Println(server.Addr())
}""")
    os.chmod(tmp_path, 0o755)
    program = tmp_path / "main"
    subprocess.run(["go", "build", "-o", str(program), "main.go"], cwd=tmp_path, check=True, timeout=100, env={
        "PATH": os.environ["PATH"], "CGO_ENABLED": "0", "GO111MODULE": "off", "GOCACHE": str(tmp_path / "cache"),
        "HOME": str(tmp_path)})
    spec = jail.Spec(readable=(*jail.runtime(), str(program)), network=door.network(), processes=32, memory=2**31,
                     address_space=2**34, rung="plain")
    done = jail.run(spec, [str(program)])
    assert done.stdout.decode().splitlines() == [f"10.96.1.1:80 hello {END}", f"{OWN}:81"], done.stderr


def test_further_commands_have_it_too(door: Door, rung: str, tmp_path: Path) -> None:
    from labs.jail import doorman

    os.chmod(tmp_path, 0o755)
    spec = jail.Spec(readable=jail.runtime(), network=door.network(), rung=rung, wall_seconds=30, processes=8)
    path = str(tmp_path / "door")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        running = jail.start(spec, [rungs.PYTHON, "-I", "-S", "-c", "import time; time.sleep(20)"],
                             door=listening.fileno())
    with running, socket.socket(socket.AF_UNIX) as visit:
        visit.settimeout(10)
        visit.connect(path)
        told, tell = os.pipe()
        code = "import socket; made = socket.create_connection(('10.96.1.1', 80)); print(made.recv(99).decode())"
        doorman.ask(visit, [rungs.PYTHON, "-I", "-S", "-c", code], (tell, tell, tell))
        os.close(tell)
        with os.fdopen(told, "rb") as said:
            assert said.read() == f"hello {END}\n".encode()
