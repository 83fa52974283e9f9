"""Each promise of the jail, proved by an attack on every rung this host has: as the tests' own user and, when that is
root, as an ordinary user too."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from labs import jail
from labs.errors import PermanentError
from labs.jail import confine, landlock, rungs, seccomp

PROGRAM = Path(__file__).with_name("attacks.py")
ORDINARY = 1234         # a uid that owns nothing here
USERS = ("self", "ordinary")


def _load():
    spec = importlib.util.spec_from_file_location("attacks", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    sys.modules["attacks"] = module     # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


ATTACKS = _load().ATTACKS


def interpreter() -> str:
    """A Python that every user may run: this one, or the system's."""
    for path in (sys.executable, "/usr/bin/python3"):
        if confine.reachable(path, ORDINARY) and confine.reachable(os.path.dirname(os.__file__), ORDINARY):
            return path
        if path != sys.executable and os.path.exists(path):
            code = "import sys; sys.exit(sys.version_info < (3, 11))"
            if subprocess.run([path, "-c", code], check=False).returncode == 0:
                return path
    pytest.skip("no Python ≥ 3.11 here that an ordinary user may run")


LONG = pytest.mark.long
RUNS = [("plain", 99, "self"), ("plain", 99, "ordinary"), ("plain", 3, "self"),
        ("bubblewrap", 99, "self"), ("bubblewrap", 99, "ordinary"), ("proot", 99, "self"),
        pytest.param("plain", 0, "self", marks=LONG), pytest.param("bubblewrap", 0, "self", marks=LONG),
        pytest.param("proot", 99, "ordinary", marks=LONG)]
"""Landlock 3 knows no ports and no signals, 0 is a kernel without it."""


@functools.cache
def outcome(user: str, rung: str, version: int) -> dict[str, dict]:
    """What came of every attack; run once for a user, a rung and a version of Landlock."""
    change = {}
    if user == "ordinary":
        if os.getuid():
            pytest.skip("the tests run as an ordinary user already")
        change = {"user": ORDINARY, "group": ORDINARY, "extra_groups": []}
    if rung in rungs.unavailable():
        pytest.skip(f"no {rung} rung here: {rungs.unavailable()[rung]}")
    command = [interpreter() if os.getuid() == 0 else sys.executable, "-B", str(PROGRAM), rung, str(version)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, cwd="/", **change)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("name", [name for name, attack in ATTACKS.items() if attack.control])
def test_attack_succeeds_where_there_is_no_jail(name: str, user: str):
    said = outcome(user, "none", 99)[name]["said"]
    if "ESCAPED" not in said and confined():
        pytest.skip("these tests run in a container whose own filter holds it")
    assert "ESCAPED" in said


def confined() -> bool:
    """Do these tests themselves run under a seccomp filter, or without the right to gain privileges?"""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return "Seccomp:\t2" in status or "NoNewPrivs:\t1" in status


@pytest.mark.parametrize(("rung", "version", "user"), RUNS)
@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_held(name: str, rung: str, version: int, user: str):
    attack, seen = ATTACKS[name], outcome(user, rung, version)[name]
    if attack.promise != "granted" and attack.promise not in seen["enforced"]:
        if version == 99 and landlock.abi() >= 6 and attack.promise != "view":
            pytest.fail(f"this host should promise {attack.promise!r}: {seen}")
        pytest.skip(f"the {rung} rung does not promise {attack.promise!r} with Landlock {version}")
    if seen["limit"] == "processes" and (attack.promise == "processes" or name == "chain_of_forks"):
        pass        # where the uid is shared, the supervisor is quicker than RLIMIT_NPROC; a busy host keeps the dead
    elif seen["limit"] == "memory" and attack.promise == "processes":
        pass        # those that RLIMIT_NPROC's margin let start took too much of it first
    elif attack.limit:
        assert (seen["limit"], seen["status"]) == (attack.limit, 137), seen
    else:
        assert "HELD" in seen["said"], seen
        assert "ESCAPED" not in seen["said"], seen
        assert seen["limit"] is None, seen
    assert seen["left"] == []
    assert seen["canary"], "somebody else's process was ended"


def spec(**given) -> jail.Spec:
    return jail.Spec(**{"readable": jail.runtime(), "rung": "plain", "wall_seconds": 20.0} | given)


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def test_input_output_and_status_come_through():
    code = "import sys; data = sys.stdin.read(); print(len(data)); print('no', file=sys.stderr); sys.exit(3)"
    result = jail.run(spec(), python(code), b"x" * 200_000)
    assert (result.status, result.stdout, result.stderr, result.limit) == (3, b"200000\n", b"no\n", None)
    assert set(result.enforced) >= jail.REQUIRED


def test_output_at_the_limit_is_kept_and_one_byte_more_ends_it():
    assert jail.run(spec(output_bytes=10), python("print('x' * 9)")).limit is None
    flood = jail.run(spec(output_bytes=10), python("print('x' * 10)"))
    assert (flood.limit, flood.stdout) == ("output", b"x" * 10)


def test_environment_and_descriptors_are_what_was_granted(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-leak")
    seen = jail.run(spec(environment={"LANG": "C.UTF-8", "A": "1"}), python("import os; print(sorted(os.environ))"))
    assert seen.stdout == b"['A', 'LANG']\n"
    ours, theirs = os.pipe()
    code = f"import os; os.write({theirs}, b'hello'); print([fd for fd in range(3, 4096) if not fail(fd)])"
    known = "import os\ndef fail(fd):\n    try: os.fstat(fd)\n    except OSError: return True\n"
    seen = jail.run(spec(), python(known + code), pass_fds=[theirs])
    os.close(theirs)
    assert (os.read(ours, 10), seen.stdout) == (b"hello", f"[{theirs}]\n".encode())
    os.close(ours)


def test_a_promise_that_cannot_be_kept_is_refused_unless_accepted(monkeypatch):
    monkeypatch.setattr(landlock, "abi", lambda: 3)
    with pytest.raises(PermanentError, match="ports needs Landlock 4"):
        jail.run(spec(connect=(80,)), python("pass"))
    weaker = jail.run(spec(connect=(80,)), python("print(1)"), accept_weaker=True)
    assert (weaker.stdout, weaker.missing) == (b"1\n", ("ports",))
    assert "ports" not in weaker.enforced
    assert jail.run(spec(), python("print(1)")).missing == ()      # no port granted: the filter alone keeps it


@pytest.mark.parametrize(("given", "match"), [
    ({"rung": "gaol"}, "no rung 'gaol'"), ({"mounts": (jail.Mount("/usr", "/mnt"),)}, "plain rung has no mounts"),
    ({"requires": frozenset({"peace"})}, "peace"),
])
def test_what_cannot_be_is_said(given: dict, match: str):
    with pytest.raises(PermanentError, match=match):
        jail.run(spec(**given), python("pass"))


@pytest.mark.parametrize("rung", rungs.RUNGS)
def test_a_command_that_is_not_there_is_said(rung: str):
    if rung in rungs.unavailable():
        pytest.skip(rungs.unavailable()[rung])
    with pytest.raises(PermanentError, match="did not start"):
        jail.run(spec(rung=rung), ["/usr/bin/no-such-program"])


@pytest.mark.parametrize("rung", ["bubblewrap", "proot"])
def test_mounts_appear_at_their_absolute_paths(rung: str, tmp_path: Path):
    if rung in rungs.unavailable():
        pytest.skip(rungs.unavailable()[rung])
    for name in ("config", "data"):
        (tmp_path / name).mkdir(mode=0o777)
        (tmp_path / name).chmod(0o777)
    (tmp_path / "config/a").write_text("from a config map")
    tmp_path.chmod(0o755)
    given = spec(rung=rung, mounts=(jail.Mount(str(tmp_path / "config"), "/etc/shop"),
                                    jail.Mount(str(tmp_path / "data"), "/var/lib/shop", writable=True)))
    code = ("print(open('/etc/shop/a').read()); open('/var/lib/shop/b', 'w').write('kept')\n"
            "try: open('/etc/shop/c', 'w')\nexcept OSError: print('read-only')")
    assert jail.run(given, python(code)).stdout == b"from a config map\nread-only\n"
    assert (tmp_path / "data/b").read_text() == "kept"
    assert not (tmp_path / "config/c").exists()


def test_a_long_running_command_can_be_talked_to_signalled_and_ended():
    code = ("import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
            "print('up', flush=True)\nfor line in sys.stdin: print(line.upper(), end='', flush=True)\ntime.sleep(60)")
    with jail.start(spec(wall_seconds=None), python(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout.readline() == b"up\n"
        running.stdin.write(b"hello\n")
        running.stdin.flush()
        assert running.stdout.readline() == b"HELLO\n"
        assert running.poll() is None
        result = running.terminate(grace=10)
        running.stdin.close()
        running.stdout.close()
    assert (result.status, result.limit) == (7, None)


def test_a_command_that_ignores_the_end_is_ended():
    code = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(60)"
    running = jail.start(spec(wall_seconds=None), python(code), stdout=subprocess.PIPE)
    running.stdout.readline()
    assert running.terminate(grace=0.1).status == 128 + signal.SIGKILL
    running.stdout.close()
    assert running.kill().status == 128 + signal.SIGKILL, "again is no error"


def test_many_end_at_once_in_an_event_loop():
    async def all_of_them() -> list[jail.Result]:
        started = [jail.start(spec(), python(f"raise SystemExit({status})")) for status in range(4)]
        return await asyncio.gather(*(each.ended() for each in started))

    assert [result.status for result in asyncio.run(all_of_them())] == [0, 1, 2, 3]


def test_a_killed_caller_leaves_nothing_behind():
    mark = f"orphan-{time.monotonic_ns()}"
    code = f"""
import os, signal, subprocess, sys
sys.path.insert(0, {str(PROGRAM.parents[3])!r})
from labs import jail
given = jail.Spec(readable=jail.runtime(), rung="plain", wall_seconds=None, environment={{"MARK": {mark!r}}})
running = jail.start(given, [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(600)"],
                     stdout=subprocess.PIPE)
running.stdout.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    marked = _load().marked
    deadline = time.monotonic() + 10
    while left := [pid for pid in os.listdir("/proc") if pid.isdigit() and marked(pid, mark)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def test_it_starts_from_any_thread_and_outlives_it():
    made: list[jail.Running] = []
    command = python("import sys; print(sys.stdin.readline(), end='')")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    thread = threading.Thread(target=lambda: made.append(jail.start(spec(), command, **pipes)))
    thread.start()
    thread.join()
    (running,) = made
    running.stdin.write(b"still here\n")
    running.stdin.close()
    assert running.stdout.read() == b"still here\n"
    running.stdout.close()
    assert running.wait(10).status == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root has another uid to give")
def test_the_uid_is_the_one_that_was_asked_for(tmp_path: Path):
    tmp_path.chmod(0o755)
    code = "import os; open('mine', 'w').close(); print(os.getuid(), os.getgid(), os.getgroups())"
    result = jail.run(spec(uid=54321, writable=str(tmp_path)), python(code))
    assert result.stdout == b"54321 54321 []\n", result
    assert (tmp_path / "mine").stat().st_uid == 54321


@pytest.mark.skipif(os.getuid() != 0, reason="a root-only folder needs root")
def test_a_granted_path_below_a_root_only_folder_is_read_and_its_neighbour_is_not(tmp_path: Path):
    hidden = tmp_path / "home"
    hidden.mkdir(mode=0o700)
    for name in ("granted", "neighbour"):
        (hidden / name).write_text(name)
        (hidden / name).chmod(0o600)
    code = f"""
for name in ("granted", "neighbour"):
    try: print(open({str(hidden)!r} + "/" + name).read())
    except OSError as error: print(type(error).__name__)
"""
    seen = jail.run(spec(readable=(*jail.runtime(), str(hidden / "granted"))), python(code))
    assert seen.stdout == b"granted\nPermissionError\n", seen


def test_system_call_numbers_agree_with_the_headers():
    headers = {0: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h", 1: "/usr/include/asm-generic/unistd.h"}
    if not all(map(os.path.exists, headers.values())):
        pytest.skip("the kernel's headers are not installed (linux-libc-dev)")
    import re

    for column, header in headers.items():
        text = Path(header).read_text(encoding="utf-8")
        numbers = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\s", text)}
        table = {name: row[column] for name, row in (seccomp.REFUSED | seccomp.SYSTEM_V | seccomp.JUDGED).items()}
        known = max(numbers.values())
        wrong = {name: (number, numbers.get(name)) for name, number in table.items()
                 if numbers.get(name) != number and (number or 0) <= known}
        assert not wrong


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
@pytest.mark.parametrize("given", [{}, {"connect": (1,), "unix_sockets": True, "processes": 3, "system_v_ipc": True}])
def test_every_jump_of_the_filter_lands_inside_it(machine: str, given: dict):
    import struct

    for scoped in (True, False):
        made = seccomp.program(spec(**given).plan(), pid=77, scoped=scoped, machine=machine)
        steps = list(struct.iter_unpack("HBBI", made))
        assert len(steps) <= 4096
        for at, (code, yes, no, operand) in enumerate(steps):
            if code & 7 == 5:
                assert at + 1 + max(yes, no, operand if code == seccomp.JUMP else 0) < len(steps)


def test_the_runtime_holds_no_source_tree_and_no_home():
    root = str(PROGRAM.parents[3])
    granted = jail.runtime()
    assert not [path for path in granted if root == path or root.startswith(path + "/")]
    assert os.path.expanduser("~") not in granted


def test_the_report_names_every_promise():
    report = jail.promises("plain")
    assert set(report.kept) | set(report.missing) == jail.REQUIRED | {"view"}
    assert not set(report.kept) & set(report.missing)
    assert "plain" not in report.unavailable




@pytest.mark.skipif(shutil.which("proot") is None, reason="proot is not installed")
def test_a_killed_proot_leaves_no_mount_points_behind():
    with jail.start(spec(rung="proot", requires=frozenset()), python("import time; time.sleep(60)")) as running:
        assert list(Path("/tmp").glob(f"proot-{running.pid}-*")), "this PRoot keeps them elsewhere"
        running.kill()
    assert list(Path("/tmp").glob(f"proot-{running.pid}-*")) == []


@pytest.mark.parametrize("rung", ["bubblewrap", "proot"])
def test_a_mount_above_its_own_folder_does_not_hide_it(rung: str, tmp_path: Path):
    if rung in rungs.unavailable():
        pytest.skip(rungs.unavailable()[rung])
    for folder in (tmp_path / "mounted", tmp_path / "above/own"):
        folder.mkdir(parents=True)
        folder.chmod(0o777)
    for folder in (tmp_path, tmp_path / "above"):
        folder.chmod(0o755)
    above, own = str(tmp_path / "above"), str(tmp_path / "above/own")
    given = spec(rung=rung, writable=own, mounts=(jail.Mount(str(tmp_path / "mounted"), above, writable=True),))
    code = f"open({own!r} + '/a', 'w').close(); open({above!r} + '/b', 'w').close(); print('both')"
    assert jail.run(given, python(code)).stdout == b"both\n"
    assert (tmp_path / "above/own/a").exists()
    assert (tmp_path / "mounted/b").exists()
