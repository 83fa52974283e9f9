"""Further commands in a running jail: what they see, how they end, and that nothing of them is left."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labs import jail
from labs.jail import doorman, processes, rungs


class Jail:
    """A jail with a door, whose command sleeps."""

    def __init__(self, rung: str, folder: Path) -> None:
        if rung in rungs.unavailable():
            pytest.skip(f"no {rung} rung here: {rungs.unavailable()[rung]}")
        self.path = str(folder / "door")
        own = folder / "own"
        own.mkdir()
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(self.path)
            door.listen(8)
            spec = jail.Spec(readable=jail.runtime(), writable=str(own), rung=rung, processes=16, wall_seconds=60,
                             environment={"PATH": "/usr/bin:/bin", "COLOUR": "blue"})
            code = "import time\ntime.sleep(50)  # mark-door"
            self.running = jail.start(spec, [sys.executable, "-c", code], door=door.fileno())
        self.own = own

    def ask(self, command: list[str], stdin: bytes = b"", **more) -> tuple[dict, bytes]:
        """(the last answer, standard output and error)."""
        told, tell = os.pipe()
        said, say = os.pipe()
        with socket.socket(socket.AF_UNIX) as visit:
            visit.settimeout(8)
            visit.connect(self.path)
            doorman.ask(visit, command, (told, say, say), **more)
            os.close(told)
            os.close(say)
            with os.fdopen(tell, "wb") as file:
                file.write(stdin)
            with os.fdopen(said, "rb") as file:
                output = file.read()
            answers = b""
            while chunk := visit.recv(4096):
                answers += chunk
        return json.loads(answers.splitlines()[-1]), output


@pytest.fixture(params=rungs.RUNGS)
def jailed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jail]:
    os.chmod(tmp_path, 0o755)
    made = Jail(request.param, tmp_path)
    with made.running:
        yield made


def test_a_further_command_has_the_jails_files_environment_and_limits(jailed: Jail) -> None:
    (jailed.own / "file").write_text("inside")
    code = "import os, sys\nprint(sys.stdin.read(), os.environ['COLOUR'], os.environ['MORE'], open('file').read())\n" \
           "try: open('/etc/passwd')\nexcept OSError as error: print(type(error).__name__)\n"
    answer, output = jailed.ask([sys.executable, "-c", code], b"given", environment={"MORE": "more"})
    assert output.decode().splitlines()[0] == "given blue more inside"
    assert output.decode().splitlines()[1] in ("PermissionError", "FileNotFoundError")
    assert answer == {"status": 0}
    assert jailed.ask(["sh", "-c", "exit 7"])[0] == {"status": 7}
    assert jailed.ask(["sh", "-c", "kill -9 $$"])[0] in ({"status": 137}, {"status": 255})
    assert jailed.ask(["no-such-program"])[0] == {"failed": 2}


def test_a_further_command_may_signal_the_first(jailed: Jail) -> None:
    """They are one Landlock domain, so that `kubectl exec` can end the container's own program."""
    pid = jailed.running.pid
    if jailed.running.rung == "bubblewrap":
        pid = 2
    elif jailed.running.rung == "proot":
        pid = next(each for each in processes.below(pid) if b"mark-door" in
                   Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0", 3)[2])
    jailed.ask(["sh", "-c", f"kill -TERM {pid}"])
    result = jailed.running.wait(10)
    assert result is not None
    assert result.status in (128 + signal.SIGTERM, 255)


def test_what_a_further_command_leaves_is_ended_with_the_jail(jailed: Jail) -> None:
    code = "import os, time\nif os.fork(): os._exit(0)\ntime.sleep(60)  # mark-left"
    jailed.ask(["sh", "-c", f"{sys.executable} -c '{code}' >/dev/null 2>&1"])

    def left() -> list[str]:
        return [name for name in os.listdir("/proc") if name.isdigit() and _line(name).endswith(b"# mark-left\0")]

    assert left()
    jailed.running.kill()
    assert not left()


def test_the_process_at_the_door_is_no_task_of_the_jail(jailed: Jail) -> None:
    """Neither can it be read from inside, nor does it count."""
    assert jailed.running.doorman in processes.below(os.getpid())
    inside = processes.name_inside(jailed.running.doorman)
    code = f"try: print(open('/proc/{inside}/mem', 'rb'))\nexcept OSError as error: print(type(error).__name__)"
    assert jailed.ask([sys.executable, "-c", code])[1].strip() in (b"PermissionError", b"FileNotFoundError")


def test_a_terminal_has_job_control_and_sends_signals(jailed: Jail) -> None:
    master, slave = os.openpty()
    with socket.socket(socket.AF_UNIX) as visit:
        visit.settimeout(8)
        visit.connect(jailed.path)
        doorman.ask(visit, ["sh", "-i"], (slave, slave, slave), terminal=True)
        os.close(slave)
        assert b"started" in visit.recv(4096)
        os.write(master, b"sleep 40; echo slept-$?\n")
        time.sleep(0.5)         # the shell has to give it the terminal
        os.write(master, b"\x03")
        os.write(master, b"echo interrupted-$?; exit 5\n")
        seen, end = b"", time.monotonic() + 8
        while time.monotonic() < end:
            try:
                seen += os.read(master, 4096)
            except OSError:
                break
        os.close(master)
        assert b"interrupted-130" in seen, seen
        assert json.loads(visit.recv(4096).splitlines()[-1]) == {"status": 5}


def _line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
