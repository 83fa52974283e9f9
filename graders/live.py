"""A live account for an attempt: the student's account number in a grading gateway of our own, prepared once for a lab
and copied for each attempt.

The learner's own gateway is never used for grading, and a grading gateway serves one attempt at a time.  Where an
exercise needs Kubernetes, the attempt has a namespace of its own as well (:mod:`graders.cluster`).
"""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from graders.cluster import ClusterPool
from labs.errors import LabError, PermanentError, TemporaryError

START_SECONDS = 60.0  # until a mould has loaded what it needs
READY_SECONDS = 30.0  # until a gateway answers, and for each step of its life
QUEUE_SECONDS = 60.0  # until a gateway is free
FRESH_SECONDS = 600.0  # how long a prepared account may be copied: the tokens in it last an hour
REPOSITORY = Path(__file__).resolve().parent.parent


class Mould:
    """The process that grading gateways are forks of (:mod:`graders.mould`), started when it is first asked.

    :param log: where it writes what goes wrong
    """

    def __init__(self, engine: str, log: Path) -> None:
        self._engine = engine
        self._log = log
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._starting: subprocess.Popen[bytes] | None = None
        self._folder = ""
        self._closed = False
        self.address: Path | None = None

    @classmethod
    def at(cls, address: Path) -> Mould:
        """One that another process has started, by its socket."""
        found = cls("", Path(os.devnull))
        found.address = address
        return found

    def warm(self) -> None:
        """Begin to start it, beside whatever the caller does meanwhile; who asks it first hears what went wrong."""

        def begin() -> None:
            with suppress(LabError, OSError):
                self._ensure()

        threading.Thread(target=begin, name="mould", daemon=True).start()

    def gateway(self, home: Path, listeners: list[socket.socket]) -> socket.socket:
        """A new gateway's control socket; see :mod:`labs.aws.gateway.copies`.

        Raises TemporaryError when there is no mould to be had.
        """
        return self._asked({"kind": "gateway", "home": str(home)}, listeners)

    def judge(self, cluster: Path) -> socket.socket:
        """A new judge's control socket; see :mod:`graders.judging`.  Raises TemporaryError as ``gateway``.

        :param cluster: where the cluster is that judges share
        """
        control = self._asked({"kind": "judge", "cluster": str(cluster)}, [])
        try:
            said = control.recv(64)
        except OSError as error:
            said = str(error).encode()
        if said != b"ready\n":
            control.close()
            raise TemporaryError(f"the judge said {said!r}, expected ready; {self._tail()}")
        return control

    def _asked(self, request: Mapping[str, Any], listeners: list[socket.socket]) -> socket.socket:
        self._ensure()
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            control.settimeout(READY_SECONDS)
            control.connect(str(self.address))
            socket.send_fds(control, [json.dumps(request).encode()], [one.fileno() for one in listeners])
        except OSError as error:
            control.close()
            raise TemporaryError(f"the grader's mould does not answer: {error}; {self._tail()}") from error
        return control

    def _ensure(self) -> None:
        with self._lock:
            if self._process is not None and self._process.poll() is not None:
                self._end()
            if self._closed:
                raise TemporaryError("the grader is shutting down")
            if self.address is None:
                self._start()

    def _start(self) -> None:
        # A Unix socket's path must be short, whatever the home's is.
        self._folder = tempfile.mkdtemp(prefix="mould-")
        self.address = Path(self._folder) / "socket"
        path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "graders.mould", "--engine", self._engine, "--socket", str(self.address)],
                stdin=subprocess.PIPE,  # it ends with us, however we end
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment | {"PYTHONPATH": path},
                start_new_session=True,
            )
        self._starting = self._process
        output = self._process.stdout
        assert output is not None
        if not select.select([output], [], [], START_SECONDS)[0] or output.readline() != b"ready\n":
            said = self._tail()
            self._end()
            raise TemporaryError(f"the grader's mould did not become ready in {START_SECONDS:.0f} s; it said: {said}")
        self._starting = None

    def _tail(self) -> str:
        with suppress(OSError):
            return self._log.read_text("utf-8", "replace")[-800:]
        return ""

    def _end(self) -> None:
        process, self._process, self._starting, self.address = self._process, None, None, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def give_up(self) -> None:
        """End it if it is only starting: whoever waits for it gets a TemporaryError."""
        starting = self._starting
        if starting is not None:
            starting.kill()

    def close(self) -> None:
        """End it.  What it forked ends with its own control socket."""
        self._closed = True
        self.give_up()
        with self._lock:
            if self._process is not None:
                self._end()


class Gateway:
    """A gateway process on a free port; its state lives in ``home`` and goes with it.

    One that is frozen answers only between ``attempt`` and ``end``, each time as it was when it was frozen.
    """

    def __init__(self, mould: Mould, home: Path) -> None:
        self.home = home
        self.key: Any = None
        self.made = time.monotonic()
        self._frozen = False
        self._used = False
        from labs.aws.gateway.serving import bind

        home.mkdir(parents=True, exist_ok=True)
        # Bound here, so that every copy has the same address.
        listeners = [bind(0), bind(0)]
        try:
            self.endpoint = f"http://127.0.0.1:{listeners[0].getsockname()[1]}"
            self._control = mould.gateway(home, listeners)
        finally:
            for one in listeners:
                one.close()
        try:
            self._expect("ready")
        except BaseException:
            self.stop()
            raise

    def _expect(self, *words: str) -> str:
        """The next line, which must be one of these; raises TemporaryError with what was said instead."""
        said = b""
        try:
            while not said.endswith(b"\n"):
                chunk = self._control.recv(4096)
                if not chunk:
                    break
                said += chunk
        except OSError as error:
            raise TemporaryError(f"the grading gateway said neither {' nor '.join(words)}: {error}") from error
        word = said.decode("utf-8", "replace").strip()
        if word not in words:
            raise TemporaryError(f"the grading gateway said {word or 'nothing'!r}, expected {' or '.join(words)}")
        return word

    def _tell(self, word: str, *expected: str) -> str:
        try:
            self._control.sendall(f"{word}\n".encode())
        except OSError as error:
            raise TemporaryError(f"the grading gateway is gone: {error}") from error
        return self._expect(*expected)

    @property
    def alive(self) -> bool:
        """Is the process still there?"""
        return not select.select([self._control], [], [], 0)[0]  # it says nothing unasked

    @property
    def usable(self) -> bool:
        """May there be another attempt?"""
        return self.alive and (self._frozen or not self._used) and time.monotonic() - self.made < FRESH_SECONDS

    def freeze(self) -> None:
        """Keep everything as it is now for the attempts to come."""
        self._frozen = self._tell("freeze", "frozen", "whole") == "frozen"

    def attempt(self) -> None:
        """Begin an attempt; raises TemporaryError when it cannot be had."""
        self._used = True
        if self._frozen:
            self._tell("attempt", "attempt")

    def end(self) -> None:
        """End the attempt: nothing that it did is left.  Raises TemporaryError when the gateway died of it."""
        if self._frozen:
            self._tell("end", "ended")

    def get(self, path: str, method: str = "GET", timeout: float = 5.0) -> Any:
        """JSON of the gateway's own API; raises KeyError for 404, TemporaryError when it does not answer."""
        request = urllib.request.Request(self.endpoint + path, method=method, data=b"" if method == "POST" else None)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise KeyError(path) from None
            raise TemporaryError(f"the grading gateway answered {error.code} to {path}") from None
        except (OSError, ValueError) as error:
            raise TemporaryError(f"the grading gateway does not answer: {error}") from None

    def stop(self) -> None:
        """End the process and remove its state."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
            self._control.settimeout(READY_SECONDS)
            while self._control.recv(4096):  # until its end of the socket is closed
                pass
        self._control.close()
        shutil.rmtree(self.home, ignore_errors=True)


class Pool:
    """Warm gateways, ``size`` at most.  One attempt has one for itself, as it was after its lab's preparation.

    ``home`` keeps their state (a temporary folder when None).  They are forks of ``mould``, by default one of the
    pool's own.  Whatever becomes of this process, they end with it.  ``clusters`` is where attempts get their
    namespaces, one of the pool's own when None.
    """

    def __init__(
        self,
        home: Path | None = None,
        size: int = 1,
        engine: str | None = None,
        mould: Mould | None = None,
        clusters: ClusterPool | None = None,
    ) -> None:
        self._temporary = home is None
        self.home = Path(tempfile.mkdtemp(prefix="grading-")) if home is None else home
        if not self._temporary:
            for left in self.home.glob("gateway-*"):  # by one that was killed
                shutil.rmtree(left, ignore_errors=True)
        self._own = mould is None
        self.mould = mould or Mould(
            engine or os.environ.get("LABS_AWS_ENGINE", "ministack"), self.home / "mould.log"
        )
        self._size = size
        self._changed = threading.Condition()
        self._idle: list[Gateway] = []
        self._all = 0
        self._made = 0
        self._closed = False
        self._shared = clusters is not None
        self.clusters = clusters or ClusterPool(self.home / "cluster", size)

    def warm(self) -> None:
        """Have everything loaded before anybody asks."""
        with self.lease():
            pass

    @contextmanager
    def lease(self, key: Any = None, prepare: Callable[[Gateway], object] = lambda gateway: None) -> Iterator[Gateway]:
        """A gateway for one attempt, as ``prepare`` left it; what was prepared is used again for an equal ``key``.

        Raises TemporaryError when none is free or none starts, and whatever ``prepare`` raises.
        """
        gateway = self._take(key)
        again = False
        try:
            if gateway.key is None:
                prepare(gateway)
                gateway.key = (key,)
                gateway.freeze()
            gateway.attempt()
            yield gateway
            with suppress(TemporaryError):  # it died of the attempt, which is over
                gateway.end()
                again = True
        finally:
            self._give_back(gateway, again)

    def _take(self, key: Any) -> Gateway:
        """One that is prepared for this, or a new one; ``key`` None of a gateway says that it is new."""
        deadline = time.monotonic() + QUEUE_SECONDS
        stale: list[Gateway] = []
        with self._changed:
            while not self._idle and self._all >= self._size and not self._closed:
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TemporaryError(f"every grading gateway was busy for {QUEUE_SECONDS:.0f} s")
            if self._closed:
                raise PermanentError("The grader is shutting down.")
            for gateway in list(self._idle):
                if not gateway.usable:
                    self._idle.remove(gateway)
                    stale.append(gateway)
            found = next((one for one in self._idle if one.key == (key,)), None)
            if found is not None:
                self._idle.remove(found)
            elif self._idle and self._all - len(stale) >= self._size:
                stale.append(self._idle.pop(0))
            self._all += (found is None) - len(stale)
            self._made += 1
            home = self.home / f"gateway-{os.getpid()}-{self._made}"
        for gateway in stale:
            gateway.stop()
        if found is not None:
            return found
        try:
            return Gateway(self.mould, home)
        except BaseException:
            self._forget()
            raise

    def _give_back(self, gateway: Gateway, again: bool) -> None:
        with self._changed:
            if again and not self._closed and gateway.usable:
                self._idle.append(gateway)
                self._changed.notify()
                return
        gateway.stop()
        self._forget()

    def _forget(self) -> None:
        with self._changed:
            self._all -= 1
            self._changed.notify_all()

    def clear(self) -> None:
        """Stop the gateways that nobody uses."""
        with self._changed:
            idle, self._idle = self._idle, []
            self._all -= len(idle)
            self._changed.notify_all()
        for gateway in idle:
            gateway.stop()

    def close(self) -> None:
        """Stop every gateway, those in use as soon as their attempt ends."""
        self._closed = True
        if self._own:
            self.mould.give_up()
        self.clear()
        if not self._shared:
            self.clusters.close()
        with self._changed:
            self._changed.wait_for(lambda: self._all == 0, READY_SECONDS)
        if self._own:
            self.mould.close()
        if self._temporary:
            shutil.rmtree(self.home, ignore_errors=True)


class Live:
    """What a check may touch: the attempt's account and its namespace, prepared for the exercise's lab on first use.

    An exercise that never touches them costs no gateway and no cluster.  Errors of AWS come through as botocore raises
    them.
    """

    def __init__(self, pool: Pool, lab: Any, values: Mapping[str, Any], account: str) -> None:
        self.values = dict(values)
        self.account = account
        self._pool = pool
        self._lab = lab
        self._lease: Any = None
        self._gateway: Gateway | None = None
        self._aws: Any = None
        self._namespace: Any = None
        self._space: Any = None

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lease is not None:
            self._lease.__exit__(None, None, None)
            self._lease = self._gateway = self._aws = None
        if self._namespace is not None:
            self._namespace.__exit__(None, None, None)
            self._namespace = self._space = None

    def _prepared(self) -> Any:
        """The attempt's AwsAccount; the lab was prepared in it."""
        if self._aws is None:
            from labs.aws.account import AwsAccount

            lab = self._lab.id if self._lab is not None else ""
            lease = self._pool.lease((lab, self.account, json.dumps(self.values, sort_keys=True)), self._prepare)
            self._gateway = lease.__enter__()
            self._lease = lease
            self._aws = AwsAccount(self._gateway.endpoint, self.account)
        return self._aws

    def _prepare(self, gateway: Gateway) -> None:
        from labs.aws.account import AwsAccount

        if self._lab is not None and "aws" in self._lab.needs:
            try:
                self._lab.prepare(AwsAccount(gateway.endpoint, self.account), self.values)
            except Exception as error:  # AWS's own errors too: nothing of the answer has been applied yet
                raise TemporaryError(f"lab {self._lab.id} could not be prepared: {error}") from error

    @property
    def aws(self) -> Any:
        """The attempt's ``labs.aws.account.AwsAccount``."""
        return self._prepared()

    @property
    def space(self) -> Any:
        """The attempt's namespace (``labs.cluster.space.Space``) with what the lab judges with in it.

        Whatever the lab makes there is made once, before the answer is applied.
        """
        if self._space is None:
            namespace = self._pool.clusters.lease()
            space = namespace.__enter__()
            self._namespace = namespace
            if self._lab is not None:
                try:
                    self._lab.furnish(space, self.values)
                except LabError as error:
                    raise TemporaryError(f"lab {self._lab.id} could not be prepared: {error}") from error
            self._space = space
        return self._space

    @property
    def ingress(self) -> Any:
        """Ports of the ingress controller of the attempt's cluster (``labs.cluster.ingress.flags.Listeners``).

        It is started when the first check asks for it, and stays with the cluster.
        """
        from labs.cluster.ingress.flags import Listeners

        return Listeners.read(self._pool.clusters.up("ingress"))

    @property
    def certificates(self) -> Any:
        """The state folder of the attempt's cluster, beside which cert-manager, pebble and the ingress run.

        They are started when the first check asks for them, and stay with the cluster.
        """
        return self._pool.clusters.up("certificates")

    @property
    def lab(self) -> Any:
        """The scenario of the exercise, prepared; raises PermanentError for an exercise that names none."""
        if self._lab is None:
            raise PermanentError("This exercise names no lab.", 'Write Exercise(..., lab="b1").')
        if "aws" in self._lab.needs:
            self._prepared()
        return self._lab

    @property
    def endpoint(self) -> str:
        """URL of the grading gateway."""
        return self._prepared().endpoint

    def admin(self, service: str) -> Any:
        """A boto3 client of the account's root user."""
        return self._prepared().client(service)

    def client(self, service: str, credentials: Mapping[str, Any]) -> Any:
        """A boto3 client with ``AccessKeyId``, ``SecretAccessKey`` perhaps ``SessionToken``, as STS returns them."""
        return self._prepared().client_as(
            service, credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials.get("SessionToken")
        )

    def decision(self, request_id: str) -> dict[str, Any]:
        """``{"decision", "call", "time"}`` of a request; raises KeyError when the gateway has not seen it."""
        self._prepared()
        return self._gateway.get(f"/_lab/decisions/{request_id}")
