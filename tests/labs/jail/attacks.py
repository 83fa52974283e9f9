"""Attacks on a jail, each a small program that says HELD or ESCAPED.  Standard library only: any Python may run them.

``python attacks.py RUNG [ABI]`` runs all on that rung (with no more of Landlock than this version) and prints
``{attack: {"said", "status", "limit", "enforced"}}``.
``python attacks.py none`` runs those with a control without any jail: there they must escape, or they prove nothing.
As root the jail, the control and the bystander process run as the same dropped uid, so that permissions alone protect
nothing.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from labs import jail
from labs.jail import landlock

PRELUDE = """
import ctypes, errno, os, signal, socket, struct, sys, time
facts = {facts!r}
libc = ctypes.CDLL(None, use_errno=True)
def attempt(action):
    try:
        seen = action()
    except OSError as error:
        print("HELD", type(error).__name__, error.errno, flush=True)
    else:
        print("ESCAPED", repr(seen)[:200], flush=True)
def change(path, action):
    try:
        before = os.stat(path)
        action()
        after = os.stat(path)
    except OSError as error:
        print("HELD", type(error).__name__, error.errno, flush=True)
    else:
        same = (before.st_mode, before.st_mtime, before.st_uid) == (after.st_mode, after.st_mtime, after.st_uid)
        print("HELD" if same else "ESCAPED", flush=True)
def call(number, *args):
    result = libc.syscall(ctypes.c_long(number), *[a if isinstance(a, bytes) else ctypes.c_long(a) for a in args])
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
NR = dict(zip(("ptrace", "process_vm_readv", "keyctl", "bpf", "unshare", "mount", "userfaultfd", "io_uring_setup",
               "perf_event_open", "pidfd_open", "pidfd_send_signal", "pidfd_getfd"),
              (101, 310, 250, 321, 272, 165, 323, 425, 298, 434, 424, 438) if os.uname().machine == "x86_64" else
              (117, 270, 219, 280, 97, 40, 282, 425, 241, 434, 424, 438)))
"""


@dataclass(frozen=True)
class Attack:
    """A program, the promise it tries to break, what the spec grants beside the usual, and what must be seen.

    :param control: does it escape without a jail?
    :param limit: the limit that must end it
    """

    promise: str
    code: str
    control: bool = True
    limit: str | None = None
    grants: dict[str, object] = field(default_factory=dict)


MANY = {"processes": 8}
ATTACKS = {
    # what must go on working
    "granted_paths_and_port_work": Attack("granted", """
        open(facts["granted"]).read()
        open("mine", "w").write("x"); os.mkdir("d"); os.rename("mine", "d/mine")
        socket.create_connection(("127.0.0.1", facts["port"]), 5).close()
        print("HELD", os.getcwd() == os.path.realpath(facts["writable"]) or os.getcwd())
        """, control=False, grants={"connect": "port"}),
    "threads_and_children_within_the_limit_work": Attack("granted", """
        import subprocess, threading
        t = threading.Thread(target=lambda: None); t.start(); t.join()
        done = subprocess.run([sys.executable, "-c", "import os; os._exit(15)"])
        daemon = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
        if facts["signals"]:
            daemon.terminate(); daemon.wait()
        print("HELD" if done.returncode == 15 else done.returncode)
        """, control=False, grants=MANY),
    "a_server_on_a_granted_port_works": Attack("granted", """
        with socket.create_server(("127.0.0.1", facts["free"])) as server:
            with socket.create_connection(("127.0.0.1", facts["free"]), 5):
                server.accept()[0].close()
        print("HELD")
        """, control=False, grants={"connect": "free", "bind": "free"}),
    "copying_a_file_works": Attack("granted", """
        import shutil
        shutil.copy2(facts["granted"], "copy")
        print("HELD", open("copy").read())""", control=False),
    # files
    "read_a_secret": Attack("files", 'attempt(lambda: open(facts["secret"]).read())'),
    "read_etc_shadow": Attack("files", 'attempt(lambda: open("/etc/shadow").read())', control=False),
    "list_a_folder": Attack("files", 'attempt(lambda: os.listdir(facts["elsewhere"]))'),
    "write_outside": Attack("files", 'attempt(lambda: open(facts["outside"] + "/new", "w").write("x"))'),
    "truncate_outside": Attack("files", 'attempt(lambda: os.truncate(facts["open"], 0))'),
    "write_to_a_readable_file": Attack("files", 'attempt(lambda: open(facts["granted"], "a").write("x"))'),
    "remove_outside": Attack("files", 'attempt(lambda: os.unlink(facts["outside"] + "/victim"))'),
    "follow_a_symlink_out": Attack("files", """
        os.symlink(facts["secret"], "link"); attempt(lambda: open("link").read())"""),
    "hard_link_out": Attack("files", 'attempt(lambda: (os.link(facts["open"], "hard"), open("hard").read()))'),
    "rename_into_my_folder": Attack("files", 'attempt(lambda: os.rename(facts["outside"] + "/moved", "moved"))'),
    "change_a_mode_outside": Attack("files", 'change(facts["open"], lambda: os.chmod(facts["open"], 0o600))'),
    "change_a_folders_mode_outside": Attack("files", """
        change(facts["outside"], lambda: os.chmod(facts["outside"], 0o700))"""),
    "change_an_owner_outside": Attack("files", 'attempt(lambda: os.chown(facts["open"], os.getuid(), os.getgid()))'),
    "change_a_time_outside": Attack("files", 'change(facts["open"], lambda: os.utime(facts["open"], (0, 0)))'),
    "change_the_mode_of_a_readable_file": Attack("files", """
        descriptor = os.open(facts["granted"], os.O_RDONLY)
        change(facts["granted"], lambda: os.fchmod(descriptor, 0o600))"""),
    "make_a_device": Attack("files", 'attempt(lambda: os.mknod("dev", 0o60600, os.makedev(8, 0)))', control=False),
    # network
    "connect_to_another_port": Attack("ports", """
        attempt(lambda: socket.create_connection(("127.0.0.1", facts["other"]), 5))""", grants={"connect": "port"}),
    "connect_by_fast_open": Attack("ports", """
        attempt(lambda: socket.socket().sendto(b"x", 0x20000000, ("127.0.0.1", facts["other"])))""",
        grants={"connect": "port"}),
    "connect_by_mptcp": Attack("ports", """
        attempt(lambda: socket.socket(2, 1, 262).connect(("127.0.0.1", facts["other"])))""", control=False,
        grants={"connect": "port"}),
    "listen_on_another_port": Attack("ports", """
        attempt(lambda: socket.create_server(("127.0.0.1", facts["free"])))""", grants={"connect": "port"}),
    "listen_without_a_port": Attack("ports", "attempt(lambda: socket.socket().listen())", grants={"connect": "port"}),
    "tcp_without_a_grant": Attack("network", '''
        attempt(lambda: socket.create_connection(("127.0.0.1", facts["port"]), 5))'''),
    "udp": Attack("network", 'attempt(lambda: socket.socket(2, 2).sendto(b"x", ("127.0.0.1", 9)))',
                  grants={"connect": "port"}),
    "raw_packets": Attack("network", "attempt(lambda: socket.socket(2, 3, 1))", control=False,
                          grants={"connect": "port"}),
    "packet_socket": Attack("network", "attempt(lambda: socket.socket(17, 3))", control=False),
    "netlink": Attack("network", "attempt(lambda: socket.socket(16, 3, 0))"),
    "unix_socket_of_somebody": Attack("network", 'attempt(lambda: socket.socket(1).connect(facts["unix"]))'),
    "abstract_unix_socket": Attack("network", 'attempt(lambda: socket.socket(1).connect(facts["abstract"]))'),
    "datagram_pair_pointed_elsewhere": Attack("network", """
        attempt(lambda: socket.socketpair(1, 2)[0].connect(facts["datagram"]))"""),
    # other processes
    "kill_the_bystander": Attack("others", 'attempt(lambda: os.kill(facts["bystander"], 0))'),
    "kill_the_parent": Attack("others", """
        before = os.getppid()
        try: os.kill(before, signal.SIGKILL)        # in a process namespace its first process is deaf to this
        except OSError: pass
        time.sleep(0.2)
        print("HELD" if os.getppid() == before else "ESCAPED")""", control=False),
    "kill_the_supervisor": Attack("others", """
        for pid in facts["mine"]:
            attempt(lambda: os.kill(pid, signal.SIGKILL))""", control=False),
    "kill_everybody": Attack("others", """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try: os.kill(-1, signal.SIGTERM)
        except OSError: pass
        print("HELD")""", control=False),
    "signal_by_pidfd": Attack("others", """
        attempt(lambda: call(NR["pidfd_send_signal"], call(NR["pidfd_open"], facts["bystander"], 0), 0, 0, 0))"""),
    "signal_by_file_owner": Attack("others", """
        import fcntl
        attempt(lambda: fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, facts["bystander"]))"""),
    "trace_the_parent": Attack("others", 'attempt(lambda: call(NR["ptrace"], 16, os.getppid(), 0, 0))', control=False),
    "trace_the_bystander": Attack("others", 'attempt(lambda: call(NR["ptrace"], 16, facts["bystander"], 0, 0))'),
    "environment_of_the_bystander": Attack("others", """
        attempt(lambda: open(f"/proc/{facts['bystander']}/environ").read())""",
        grants={"readable": "/proc"}),
    "memory_of_the_bystander": Attack("others", """
        attempt(lambda: open(f"/proc/{facts['bystander']}/mem", "rb").close())""", grants={"readable": "/proc"}),
    "limits_of_the_bystander": Attack("others", """
        import resource
        attempt(lambda: resource.prlimit(facts["bystander"], resource.RLIMIT_CORE, (0, 0)))"""),
    "priority_of_the_bystander": Attack("others", 'attempt(lambda: os.setpriority(0, facts["bystander"], 19))'),
    # privileges
    "become_root": Attack("privileges", "attempt(lambda: os.setuid(0))", control=False),
    "set_uid_program": Attack("privileges", """
        import subprocess
        said = subprocess.run([facts["suid"]], capture_output=True, text=True).stdout if facts["suid"] else "no"
        print("ESCAPED" if said.strip() == "0" else "HELD", said)""", control=False, grants=MANY),
    "no_new_privileges_and_filter": Attack("privileges", """
        seen = dict(line.split(":", 1) for line in open("/proc/self/status"))
        held = seen["NoNewPrivs"].strip() == "1" and seen["Seccomp"].strip() == "2" and int(seen["CapBnd"], 16) in (
            0, 1 << 2, 1 << 1) or os.getuid() == facts["uid"] and seen["Seccomp"].strip() == "2"
        print("HELD" if held and os.getuid() != 0 else "ESCAPED", seen)""", grants={"readable": "/proc"}),
    "new_user_namespace": Attack("privileges", 'attempt(lambda: call(NR["unshare"], 0x10000000))', control=False),
    "mount": Attack("privileges", 'attempt(lambda: call(NR["mount"], b"none", b"/tmp", b"tmpfs", 0, 0))',
                    control=False),
    "keyring": Attack("privileges", 'attempt(lambda: call(NR["keyctl"], 0, -3, 0))'),
    "io_uring": Attack("privileges", 'attempt(lambda: call(NR["io_uring_setup"], 1, b"\\0" * 120))', control=False),
    "bpf": Attack("privileges", 'attempt(lambda: call(NR["bpf"], 0, b"\\0" * 120, 120))', control=False),
    "user_fault_handler": Attack("privileges", 'attempt(lambda: call(NR["userfaultfd"], 1))', control=False),
    # limits
    "loop_that_ignores_signals": Attack("limits", """
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        while True: pass""", control=False, limit="cpu", grants={"cpu_seconds": 0.5}),
    "sleep_for_ever": Attack("limits", """
        signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)""", control=False, limit="wall",
        grants={"wall_seconds": 0.5}),
    "memory_in_one_piece": Attack("limits", """
        try: bytearray(2**31)
        except MemoryError: print("HELD")""", control=False),
    "memory_in_many_processes": Attack("limits", """
        for _ in range(4): os.fork()
        kept = bytearray(os.urandom(1)) * (60 * 2**20); time.sleep(20)""", control=False, limit="memory",
        grants={"processes": 20, "memory": 2**28}),
    "cpu_in_many_processes": Attack("limits", """
        for _ in range(2): os.fork()
        while True: pass""", control=False, limit="cpu", grants={"processes": 8, "cpu_seconds": 0.5}),
    "output_flood": Attack("limits", """
        while True: os.write(1, b"x" * 65536)""", control=False, limit="output"),
    "error_flood": Attack("limits", """
        while True: os.write(2, b"x" * 65536)""", control=False, limit="output"),
    "one_big_file": Attack("limits", """
        file = open("big", "wb", 0)
        attempt(lambda: [file.write(b"x" * 2**20) for _ in range(3)])""", control=False,
        grants={"file_bytes": 2**20}),
    "many_files": Attack("limits", """
        for number in range(10**6):
            with open(str(number), "wb") as file: file.write(b"x" * 2**20)
            time.sleep(0.01)""", control=False, limit="files", grants={"writable_bytes": 2**23}),
    "core_dump": Attack("limits", """
        import resource
        print("HELD" if resource.getrlimit(resource.RLIMIT_CORE) == (0, 0) else "ESCAPED")""", control=False),
    # processes
    "fork_without_a_grant": Attack("processes", "attempt(os.fork)"),
    "thread_without_a_grant": Attack("processes", """
        import threading
        try: threading.Thread(target=time.sleep, args=(0,)).start(); print("ESCAPED")
        except RuntimeError: print("HELD")"""),
    "fork_bomb": Attack("processes", """
        made = 0
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            try:
                if os.fork() == 0: time.sleep(30); os._exit(0)
                made += 1
            except OSError: time.sleep(0.01)
        print("HELD" if made <= 8 else "ESCAPED", made)""", control=False, grants=MANY),
    "fork_bomb_of_all": Attack("processes", """
        while True:
            try: os.fork()
            except OSError: pass""", control=False, limit="wall", grants={"processes": 30, "wall_seconds": 0.7,
                                                                        "memory": 2**32, "cpu_seconds": None}),
    # afterwards
    "daemon": Attack("gone", """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for number in range(3): os.close(number)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(600)
            os._exit(0)
        os.wait(); print("HELD")""", control=False, grants=MANY),
    "chain_of_forks": Attack("gone", """
        if os.fork() == 0:
            os.setsid()
            for number in range(3): os.close(number)
            while os.fork() == 0: pass
            os._exit(0)
        time.sleep(0.2); print("HELD")""", control=False, grants={"processes": 20}),
    # what can be seen
    "others_in_proc": Attack("view", """
        seen = [name for name in os.listdir("/proc") if name.isdigit()]
        print("HELD" if len(seen) <= 3 else "ESCAPED", seen[:10])""", grants={"readable": "/proc"}),
    "a_name_outside": Attack("view", 'print("ESCAPED" if os.path.exists(facts["secret"]) else "HELD")'),
    "network_interfaces": Attack("view", """
        print("HELD" if len(open("/proc/self/net/dev").readlines()) <= 3 else "ESCAPED")""", control=False,
        grants={"readable": "/proc"}),
}


def _quiet_port() -> int:
    """A free port that no outgoing connection takes meanwhile: below the ephemeral ones (32768 and up)."""
    for port in (20_000 + os.getpid() % 9_000 + step for step in range(1_000)):
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise RuntimeError("a thousand ports are taken")



class Field:
    """Canaries: files, listeners and a bystander process that the attacks are aimed at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signals = landlock.abi() >= 6     # else the filter lets nobody signal a child
        folder.chmod(0o755)
        self.uid = jail.NOBODY if os.getuid() == 0 else os.getuid()
        outside = folder / "outside"
        outside.mkdir()
        for name in ("secret", "open", "victim", "moved", "granted"):
            (outside / name).write_text(f"canary {name}")
            (outside / name).chmod(0o666)
        outside.chmod(0o777)
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir()
        elsewhere.chmod(0o777)
        for path in (outside, *outside.iterdir()):
            os.chown(path, self.uid, -1)
        self.listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.unix = [socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX),
                     socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)]
        abstract = f"\0jail-{os.getpid()}"
        for each, name in zip(self.unix, (str(folder / "unix"), abstract, str(folder / "datagram")), strict=True):
            each.bind(name)
            if not name.startswith("\0"):
                os.chmod(name, 0o777)
        for each in [*self.listeners, *self.unix[:2]]:
            each.listen(64)
        free = _quiet_port()
        self.bystander = subprocess.Popen(["sleep", "600"], env={"SECRET": "of somebody"}, user=self.uid,
                                          extra_groups=[] if os.getuid() == 0 else None)
        suid = ""
        if os.getuid() == 0:
            suid = str(folder / "suid")
            subprocess.run(["cp", "/usr/bin/id", suid], check=True)
            os.chmod(suid, 0o4755)
        self.facts = {
            "outside": str(outside), "elsewhere": str(elsewhere), "secret": str(outside / "secret"),
            "open": str(outside / "open"),
            "granted": str(outside / "granted"), "port": self.listeners[0].getsockname()[1],
            "other": self.listeners[1].getsockname()[1], "free": free, "unix": str(folder / "unix"),
            "abstract": abstract, "datagram": str(folder / "datagram"), "bystander": self.bystander.pid, "suid": suid,
            "mine": [os.getpid()], "uid": self.uid,
        }

    def close(self) -> None:
        """End and remove them."""
        self.bystander.kill()
        self.bystander.wait()
        for each in [*self.listeners, *self.unix]:
            each.close()

    def program(self, attack: Attack, writable: str) -> str:
        """The attack's source with its facts."""
        code = textwrap.dedent(attack.code)
        return PRELUDE.format(facts=self.facts | {"writable": writable, "signals": self.signals}) + code

    def jailed(self, attack: Attack, rung: str) -> dict[str, object]:
        """Run it in the jail and look whether anything of it is left."""
        grants = dict(attack.grants)
        for name in ("connect", "bind"):
            if name in grants:
                grants[name] = (self.facts[grants[name]],)
        mark = f"jail-attack-{time.monotonic_ns()}"
        with tempfile.TemporaryDirectory(dir=self.folder) as writable:
            readable = (*jail.runtime(), self.facts["granted"], *filter(None, [self.facts["suid"]]))
            readable += (grants.pop("readable"),) if "readable" in grants else ()
            spec = jail.Spec(**{"readable": readable, "writable": writable, "rung": rung, "wall_seconds": 20.0,
                                "memory": 2**29, "environment": {"MARK": mark, "PATH": os.defpath}} | grants)
            result = jail.run(spec, [sys.executable, "-c", self.program(attack, writable)], accept_weaker=True)
        left = [pid for pid in os.listdir("/proc") if pid.isdigit() and marked(pid, mark)]
        return {"said": (result.stdout[:500] + result.stderr[-500:]).decode(), "status": result.status,
                "limit": result.limit, "enforced": result.enforced, "left": left,
                "canary": self.bystander.poll() is None}

    def unjailed(self, attack: Attack) -> dict[str, object]:
        """Run it with the same uid and nothing else in its way."""
        with tempfile.TemporaryDirectory(dir=self.folder) as writable:
            os.chown(writable, self.uid, -1)
            command = [sys.executable, "-c", self.program(attack, writable)]
            done = subprocess.run(command, cwd=writable, user=self.uid, extra_groups=[] if os.getuid() == 0 else None,
                                  capture_output=True, text=True, timeout=20, check=False)
        return {"said": done.stdout[:500] + done.stderr[-500:], "status": done.returncode}


def marked(pid: str, mark: str) -> bool:
    """Does this process carry the attack's environment?"""
    try:
        return mark.encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def main(rung: str, version: int, names: list[str]) -> None:
    """Run the attacks, print what came of them."""
    found_version = landlock.abi()
    landlock.abi = lambda: min(version, found_version)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    found = {}
    with tempfile.TemporaryDirectory(prefix="attacks-", ignore_cleanup_errors=True) as folder:
        for name, attack in ATTACKS.items():
            if (names and name not in names) or (rung == "none" and not attack.control):
                continue
            area = Field(Path(tempfile.mkdtemp(dir=folder)))
            os.chmod(folder, 0o755)
            try:
                found[name] = area.unjailed(attack) if rung == "none" else area.jailed(attack, rung)
            except Exception as error:  # noqa: BLE001 (reported, and then judged as not held)
                found[name] = {"said": f"{type(error).__name__}: {error}", "status": -1, "limit": None, "enforced": [],
                               "left": [], "canary": area.bystander.poll() is None}
            finally:
                area.close()
    assert threading.active_count() == 1
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int((sys.argv[2:] or ["99"])[0]), sys.argv[3:])
