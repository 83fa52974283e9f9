"""The process supervisor: its configuration, its calls, and sweeping up after it was killed.

Supervisor 4.3 does the keeping: restart after a crash, log rotation, stopping a process group.  Chosen over circus by
trying both with one child: 23 MB against 30 MB (Pss), one thread against three, and its control socket needs nothing
but the standard library here.  It listens on a Unix socket in the home, mode 0700, and on no port.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labs import locks
from labs.errors import PermanentError, TemporaryError
from labs.services import launch
from labs.services import state as places
from labs.services.catalog import Context, Service

STARTED_WITHIN = 15.0
STOPPED_WITHIN = 150.0
ANSWERED_WITHIN = 5.0
"""Seconds the daemon may take to come up, to end with services (it kills each when its ``stop`` is over), to answer a
call that waits for nothing."""

_FOREIGN = ("AWS_", "LABS_SERVICE", "LABS_COURSE_OF", "JUPYTER_", "JPY_")
"""Variables of the caller that no service may inherit: credentials, and marks by which somebody else is found."""

_DAEMON = """\
[supervisord]
nodaemon = false
logfile = %(home)s/logs/supervisor.log
logfile_maxbytes = 1MB
logfile_backups = 1
pidfile = %(home)s/supervisor.pid
childlogdir = %(home)s/logs
directory = %(home)s
umask = 077
silent = true
%(user)s
[unix_http_server]
file = %(socket)s
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[include]
files = services/*.conf
"""

_PROGRAM = """\
[program:%(name)s]
command = %(command)s
environment = %(environment)s
directory = %(home)s
autostart = true
autorestart = true
startsecs = 1
startretries = 20
stopsignal = TERM
stopwaitsecs = %(stop)d
stopasgroup = true
killasgroup = true
redirect_stderr = true
stdout_logfile = logs/%(name)s.log
stdout_logfile_maxbytes = 5MB
stdout_logfile_backups = 2
"""


@contextlib.contextmanager
def locked(deadline: float = 120.0) -> Iterator[None]:
    """Only one `lab up` or `lab down` at a time in one home; PermanentError after ``deadline`` seconds."""
    with (places.make_home() / "lock").open("a") as lock:
        if not locks.taken(lock, deadline):
            raise PermanentError(f"Another `lab` has held {lock.name} for {deadline:.0f} s.",
                                 f"See who: `fuser {lock.name}`.")
        yield


def conf_file(name: str) -> Path:
    """The part of the supervisor's configuration that describes service ``name``."""
    return places.home() / "services" / f"{name}.conf"


def wanted() -> list[str]:
    """Services that were started and not stopped again."""
    return sorted(path.stem for path in (places.home() / "services").glob("*.conf"))


def program(service: Service, context: Context) -> str:
    """The configuration text of one service."""
    pid_file = places.home() / "supervisor.pid"
    starter = [sys.executable, "-S", "-E", launch.__file__, str(pid_file), *service.command(context)]
    own = {**service.environment, "LABS_SERVICE": service.name}
    return _PROGRAM % {
        "name": service.name,
        "home": _escape(str(places.home())),
        "command": _escape(shlex.join(starter)),
        "stop": service.stop,
        "environment": ",".join(f"{key}={_quote(value)}" for key, value in sorted(own.items())),
    }


def _escape(text: str) -> str:
    """Supervisor expands %(…)s in every value (twice in stdout_logfile: that one is relative) and takes
    `` ;`` for the start of a comment.
    """
    if "\n" in text or " ;" in text:
        raise PermanentError(f"{text!r} cannot be written into supervisor's configuration.",
                             "Choose a LABS_HOME without line breaks and ' ;'.")
    return text.replace("%", "%%")


def _quote(value: str) -> str:
    if '"' in value:
        raise PermanentError(f"A service's environment may not contain quotation marks: {value!r}.")
    return f'"{_escape(value)}"'


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.host)


class _Transport(xmlrpc.client.Transport):
    def __init__(self, within: float) -> None:
        super().__init__()
        self._within = within

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        made = _Connection(str(places.short_path("supervisor.sock")), timeout=self._within)
        self._connection = host, made       # what close() closes
        return made


def call(method: str, *arguments: Any, within: float = ANSWERED_WITHIN) -> Any:
    """One call of supervisor's XML-RPC interface; TemporaryError when nobody answers, xmlrpc Fault when it refuses.

    :param within: seconds for the answer
    """
    proxy = xmlrpc.client.ServerProxy("http://supervisor", transport=_Transport(within))
    try:
        with proxy:
            return getattr(proxy.supervisor, method)(*arguments)
    except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
        raise TemporaryError(f"the supervisor does not answer {method}: {error}") from error


def alive() -> bool:
    """Whether the daemon of this home answers."""
    if not (places.home() / "supervisor.sock").exists():
        return False
    try:
        return call("getState")["statename"] == "RUNNING"
    except TemporaryError:
        return False


def ensure() -> bool:
    """Start the daemon, with every wanted service, unless it answers; returns whether it had to be started."""
    if alive():
        return False
    sweep()
    folder = places.make_home()
    conf = folder / "supervisor.conf"
    conf.write_text(_DAEMON % {
        "home": _escape(str(folder)), "socket": _escape(str(places.short_path("supervisor.sock"))),
        "user": "user = root\n" if os.getuid() == 0 else "",    # it warns when root does not say so
    }, encoding="utf-8")
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(conf)]
    done = subprocess.run(command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=STARTED_WITHIN, check=False)
    end = time.monotonic() + STARTED_WITHIN
    while done.returncode == 0 and time.monotonic() < end:
        if alive():
            return True
        time.sleep(0.02)
    log = places.log_file("supervisor")
    raise PermanentError(f"The process supervisor did not start: {(done.stderr or done.stdout).strip()[-600:]}",
                         f"Its log: {log}")


def environment() -> dict[str, str]:
    """The daemon's environment: this one, without anybody's AWS settings, with the mark sweeping looks for."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
    paths = [str(places.clone()), *filter(None, [kept.get("PYTHONPATH")])]
    return {
        **kept,
        "LABS_HOME": str(places.home()),
        "LABS_SERVICE_OF": str(places.home()),
        "LABS_SERVICE": "supervisor",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }


def apply() -> None:
    """Make the daemon run exactly what the configuration says: replaces what changed, leaves the rest alone."""
    ((added, changed, removed),) = call("reloadConfig")
    for name in (*changed, *removed):
        with contextlib.suppress(xmlrpc.client.Fault):      # it was not running
            call("stopProcessGroup", name, within=STOPPED_WITHIN)      # answers when it has stopped
        call("removeProcessGroup", name)
    for name in (*added, *changed):
        call("addProcessGroup", name)


def info(name: str) -> dict[str, Any] | None:
    """Supervisor's getProcessInfo: statename, pid, start, now (seconds), exitstatus, spawnerr; None when unknown."""
    try:
        return call("getProcessInfo", name)
    except xmlrpc.client.Fault:
        return None


def start(name: str) -> None:
    """Start a service that is stopped or has given up; does not wait."""
    with contextlib.suppress(xmlrpc.client.Fault):      # ALREADY_STARTED
        call("startProcess", name, False)


def halt(name: str) -> None:
    """Stop one service and leave it configured; a service that is not running is fine."""
    with contextlib.suppress(xmlrpc.client.Fault):
        call("stopProcess", name, within=STOPPED_WITHIN)


def end(names: list[str], kill: frozenset[str]) -> None:
    """Stop services all at a time and leave them configured; those in ``kill`` get no time to end."""
    for name in names:
        with contextlib.suppress(xmlrpc.client.Fault):      # NOT_RUNNING
            call("stopProcess", name, False)
    end = time.monotonic() + STOPPED_WITHIN
    left = set(names)
    while left:
        for name in sorted(left):
            seen = info(name)
            if seen is None or not seen["pid"]:
                left.discard(name)
            elif name in kill:
                launch.kill([seen["pid"]])
        if left and time.monotonic() > end:
            raise PermanentError(f"{', '.join(sorted(left))} did not end in {STOPPED_WITHIN:.0f} s.",
                                 "Run `lab down`.")
        time.sleep(0.02)


def stop() -> None:
    """End the daemon and every service, and whatever processes they left."""
    try:
        call("shutdown")
        end = time.monotonic() + STOPPED_WITHIN
        while launch.find(str(places.home()), "supervisor") and time.monotonic() < end:
            time.sleep(0.02)
    except (TemporaryError, xmlrpc.client.Fault):       # dead, hung, or on its way out: swept below
        pass
    sweep()
    places.forget_short_path()


def sweep() -> list[int]:
    """End every process of this home's services: SIGTERM, then SIGKILL after two seconds; returns their ids."""
    mark = str(places.home())
    found = launch.find(mark)
    launch.kill(launch.find(mark, "supervisor"))        # first, or it would start again what dies
    launch.kill(found, signal.SIGTERM)
    end = time.monotonic() + 2.0
    while (left := launch.find(mark)) and time.monotonic() < end:
        time.sleep(0.02)
    while left:
        launch.kill(left)
        if time.monotonic() > end + 5.0:
            raise PermanentError(f"Processes {left} survive SIGKILL.", "See `ps -o pid,stat,wchan,args`.")
        time.sleep(0.02)
        left = launch.find(mark)
    for name in ("supervisor.sock", "supervisor.pid"):
        (places.home() / name).unlink(missing_ok=True)
    return found
