"""A live namespace for an attempt: fresh, on a cluster of the graders' own, deleted afterwards.

The cluster is an embedded one; ``GRADERS_KUBERNETES=kind`` makes it one of kind, where exercises about nodes cannot be
judged.

The learner's cluster is never used for grading.  The graders' is started when the first check asks for it, stays warm
for all that follow, and ends with the grader, also when that is killed: a keeper process holds it (``python -m
graders.cluster``) and sees the grader's end of a pipe close.  Several graders may share one home, such as the judges of
a batch: each has a keeper, and the last one stops the cluster.  Namespaces carry a label; those that killed graders
left are swept when the cluster starts.

Kubernetes documentation: "Pod Security Admission" (label ``enforce``), "Resource Quotas", "Server-Side Apply".
"""

from __future__ import annotations

import argparse
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from labs.errors import LabError, PermanentError, TemporaryError

REPOSITORY = Path(__file__).resolve().parent.parent
START_SECONDS = 120.0  # until the cluster is ready; seven are usual
STOP_SECONDS = 30.0
QUEUE_SECONDS = 300.0  # until an attempt may begin
IDLE_SECONDS = 900.0  # a cluster that nobody asks for is stopped
NUMBER = 1  # LABS_KUBERNETES_NUMBER: the learner's cluster is number 0, and both run at once
BACKOFF = "1,5"  # LABS_KUBERNETES_BACKOFF: a repaired workload is seen to work within seconds
ATTEMPT = "graders/attempt"
"""Label of a namespace that belongs to an attempt."""
QUOTA = {"pods": "30", "configmaps": "40", "secrets": "20", "services": "20", "persistentvolumeclaims": "10"}


class Keeper:
    """The graders' cluster, and the process that keeps it for as long as this one lives.

    ``first`` says that nobody used it before.

    :param home: its state folder, kept from one start to the next
    """

    first = False

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.log = home / "keeper.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "graders.cluster", "--home", str(home)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(home),
                start_new_session=True,  # a Ctrl-C at the terminal is the grader's to handle
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self) -> None:
        from labs.cluster.space import patient

        deadline = time.monotonic() + patient(START_SECONDS)
        output, seen = self._process.stdout, b""
        while (left := deadline - time.monotonic()) > 0 and select.select([output], [], [], left)[0]:
            chunk = os.read(output.fileno(), 4096)
            seen += chunk
            if seen.endswith(b"\n"):
                self.first = seen.startswith(b"first")
                return
            if not chunk:
                break
        tail = self.log.read_text("utf-8", "replace")[-800:]
        raise TemporaryError(f"the graders' cluster did not become ready in {START_SECONDS:.0f} s; it said: {tail}")

    @property
    def alive(self) -> bool:
        """Is the keeper still there?"""
        return self._process.poll() is None

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.home / "kubeconfig"

    def stop(self) -> None:
        """Stop the cluster; one that takes longer than STOP_SECONDS is left to its keeper, which does not give up."""
        self._process.stdin.close()
        self._process.terminate()  # it may be starting the cluster still
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            threading.Thread(target=self._process.wait, name="keeper", daemon=True).start()
        self._process.stdout.close()


def environment(home: Path) -> dict[str, str]:
    """The settings of the graders' cluster: none of the learner's."""
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    own = {
        "LABS_HOME": str(home),
        "LABS_KUBERNETES_NUMBER": os.environ.get("GRADERS_KUBERNETES_NUMBER", str(NUMBER)),
        "LABS_KUBERNETES_BACKOFF": BACKOFF,
        "LABS_KUBERNETES": os.environ.get("GRADERS_KUBERNETES", "embedded"),
        "PYTHONPATH": path,
    }
    foreign = ("AWS_", "LABS_SERVICE", "LABS_KUBERNETES", "KUBECONFIG")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | own


class ClusterPool:
    """Fresh namespaces on one warm cluster, ``size`` attempts at a time.

    :param home: where the cluster keeps its state; a temporary folder when None
    """

    def __init__(self, home: Path | None = None, size: int = 2) -> None:
        self._temporary = home is None
        self._home = home
        self._seats = threading.BoundedSemaphore(max(size, 1))
        self._lock = threading.Lock()
        self._keeper: Keeper | None = None
        self._cluster: Any = None
        self._closed = False
        self._used = time.monotonic()
        self._busy = 0
        self._beside: set[str] = set()

    @property
    def home(self) -> Path:
        """Where the cluster keeps its state."""
        with self._lock:
            if self._home is None:
                self._home = Path(tempfile.mkdtemp(prefix="grading-cluster-"))
            return self._home

    @property
    def warm(self) -> bool:
        """Does the cluster run already?"""
        return self._keeper is not None and self._keeper.alive

    @contextmanager
    def lease(self) -> Iterator[Any]:
        """A fresh namespace for one attempt, a ``labs.cluster.space.Space``; its removal is begun afterwards.

        :raises TemporaryError: the cluster does not start, or every seat was taken for QUEUE_SECONDS
        """
        if not self._seats.acquire(timeout=QUEUE_SECONDS):
            raise TemporaryError(f"every place on the graders' cluster was taken for {QUEUE_SECONDS:.0f} s")
        try:
            space = self._fresh(self.cluster())
            with self._lock:
                self._busy += 1
            try:
                yield space
            finally:
                with self._lock:
                    self._busy -= 1
                    self._used = time.monotonic()
                with suppress(LabError):  # what cannot be removed now is swept at the next start
                    self._withdraw(space)
                    space.remove()
        finally:
            self._seats.release()

    def cluster(self) -> Any:
        """The cluster, started if need be; raises TemporaryError when it cannot be, PermanentError after ``close``."""
        from labs.cluster.space import Cluster

        home = self.home
        with self._lock:
            if self._closed:
                raise PermanentError("The grader is shutting down.")
            self._used = time.monotonic()
            if self._keeper is not None and not self._keeper.alive:
                self._forget()
            if self._keeper is None:
                self._keeper = Keeper(home)
                self._cluster = Cluster(self._keeper.kubeconfig)
                if self._keeper.first:
                    sweep(self._cluster)
                threading.Thread(target=self._watch, args=(self._keeper,), name="idle", daemon=True).start()
            return self._cluster

    def up(self, service: str) -> Path:
        """Start a service that runs beside the cluster, such as ``ingress``, and stops with it; the state folder.

        :raises TemporaryError: it does not become ready; with what was said last
        """
        from labs.cluster.ingress import gateway_api

        home = self.home
        self.cluster()
        with self._lock:
            if service not in self._beside:
                if service == "ingress":
                    gateway_api.install(self._cluster)  # before it starts: Traefik looks for it only then
                _start(home, service)
                self._beside.add(service)
        return home

    def _withdraw(self, space: Any) -> None:
        """Another attempt of the same student has the same hosts, and may begin before this one's namespace is gone."""
        from labs.cluster.ingress.flags import Listeners
        from labs.cluster.ingress.withdrawal import withdraw

        if "ingress" in self._beside or "certificates" in self._beside:
            withdraw(space, Listeners.read(self.home))

    def _watch(self, keeper: Keeper) -> None:
        """Stop a cluster that nobody asked for in IDLE_SECONDS: it holds half a gigabyte."""
        while True:
            time.sleep(min(IDLE_SECONDS, 10.0))
            with self._lock:
                if self._closed or self._keeper is not keeper:
                    return
                if not self._busy and time.monotonic() - self._used > IDLE_SECONDS:
                    self._forget()
                    return

    def _forget(self) -> None:
        if self._cluster is not None:
            self._cluster.close()
        if self._keeper is not None:
            self._keeper.stop()
        self._keeper = self._cluster = None
        self._beside.clear()

    def _fresh(self, cluster: Any) -> Any:
        name = f"attempt-{uuid.uuid4().hex[:10]}"
        labels = {ATTEMPT: "true", "pod-security.kubernetes.io/enforce": "baseline"}
        space = cluster.space(name).make(labels)
        space.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "attempt"},
                     "spec": {"hard": QUOTA}})
        return space

    def close(self) -> None:
        """Stop the cluster; attempts that still run fail."""
        with self._lock:
            self._closed = True
            self._forget()
        if self._temporary and self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)


def _start(home: Path, service: str) -> None:
    """`lab up SERVICE` for the graders' state folder; raises TemporaryError when it fails."""
    command = [sys.executable, "-m", "labs.cli", "up", service]
    try:
        done = subprocess.run(command, env=environment(home), capture_output=True, text=True, timeout=START_SECONDS,
                              check=False, start_new_session=True)
    except subprocess.TimeoutExpired as error:
        raise TemporaryError(f"{service} did not become ready in {START_SECONDS:.0f} s; it said: {error.output}"
                             ) from error
    if done.returncode:
        raise TemporaryError(f"{service} did not start: {(done.stdout + done.stderr)[-800:]}")


def sweep(cluster: Any) -> list[str]:
    """Remove the namespaces and nodes that attempts of a killed grader left; the namespaces' names."""
    from labs.scenarios.e_kubernetes import racks

    racks.sweep(cluster)
    left = list(cluster.namespaces(ATTEMPT))
    for name in left:
        cluster.space(name).remove()
    return left


def main(arguments: list[str] | None = None) -> None:
    """Start the cluster in --home, say ``first`` or ``ready``, and stop it when standard input ends or SIGTERM comes.

    One that others keep as well is left to them.
    """
    parser = argparse.ArgumentParser(prog="python -m graders.cluster", description=main.__doc__)
    parser.add_argument("--home", type=Path, required=True)
    home = parser.parse_args(arguments).home
    from labs.services import control

    starting = True

    def asked(*_: object) -> None:
        if starting:  # later it only wakes the wait below: an exception could come in the middle of the stop
            raise KeyboardInterrupt

    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGTERM, asked)
    problem = None
    with (home / "keepers").open("a") as keepers:
        first = _alone(keepers)
        try:
            if not first:
                fcntl.flock(keepers, fcntl.LOCK_SH)  # waits for one that is stopping the cluster
            control.up(["kubernetes"], lambda line: print(line, file=sys.stderr, flush=True))
            fcntl.flock(keepers, fcntl.LOCK_SH)
            print("first" if first else "ready", flush=True)
            starting = False
            select.select([sys.stdin, woken], [], [])
        except KeyboardInterrupt:
            starting = False
        except LabError as error:
            starting, problem = False, str(error)
        finally:
            if _alone(keepers):
                control.down()
    sys.exit(problem)


def _alone(keepers: IO[str]) -> bool:
    """Hold the lock for oneself, if nobody else holds it."""
    try:
        fcntl.flock(keepers, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    main()
