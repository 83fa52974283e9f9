"""nginx in front of lab h2's pods, as the archived Ingress NGINX controller would have configured it.

:class:`OldFront` is the learner's hold on it.  The controller's part is a process of its own, ``python -m
labs.scenarios.h_networking.old_front``: it makes the configuration, has nginx check it (``nginx -t``), starts nginx,
reloads it (SIGHUP: "Controlling nginx", nginx's documentation) when the ready pods change, and ends with whoever holds
its input, or when its file ``front.json`` goes.  The lock in its folder is held until the last of its processes ended.
"""

from __future__ import annotations

import argparse
import atexit
import base64
import contextlib
import functools
import http.client
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labs import locks
from labs.cluster.network.addresses import port as moved
from labs.cluster.space import Cluster, Object, Space, patient
from labs.errors import LabError, PermanentError, TemporaryError
from labs.scenarios.h_networking import ingress_nginx
from labs.scenarios.h_networking.asking import Place
from labs.scenarios.h_networking.ingress_nginx import Backend
from labs.services import ports
from labs.services.launch import die_with_parent
from labs.toolbox import programs

OLDEST = (1, 20)
HTTP, HTTPS = 8070, 8470
"""Preferred ports of 127.0.0.1."""
NAME = "h2-nginx"
"""Of its folder in the state folder, and of the service that `lab down` takes it for."""
TOLD = "front.json"
"""The ports; it runs as long as this file is there."""
LOOKED_EVERY = 0.2
READY_WITHIN, CHECKED_WITHIN, ENDED_WITHIN = 30.0, 20.0, 15.0


def found() -> programs.Found | None:
    """nginx, where this machine has one that writes its first messages where it is told (1.19.5 and later)."""
    seen = programs.find(programs.tool("nginx"))
    return seen if seen and tuple(map(int, seen.version.split(".")[:2])) >= OLDEST else None


def missing() -> str:
    """What to tell where it has not."""
    return (f"There is no nginx {OLDEST[0]}.{OLDEST[1]} or later on this machine, so the old front does not run. "
            + programs.tool("nginx").advice)


def places(home: Path) -> tuple[Place, Place]:
    """Where it listens, HTTP and HTTPS.

    :raises PermanentError: it does not run
    """
    try:
        said = json.loads((home / NAME / TOLD).read_text(encoding="utf-8"))
        return Place("127.0.0.1", said["http"]), Place("127.0.0.1", said["https"], True)
    except (OSError, ValueError, KeyError):
        raise PermanentError("The old front does not run.",
                             missing() if found() is None else "Start it with session.start().") from None


def stop(home: Path) -> bool:
    """End the one of a state folder, whoever started it; whether there was one.

    :raises TemporaryError: it does not end in time
    """
    folder = home / NAME
    (folder / TOLD).unlink(missing_ok=True)
    try:
        lock = (folder / "lock").open("a")
    except FileNotFoundError:
        shutil.rmtree(folder, ignore_errors=True)
        return False
    with lock:
        if not locks.taken(lock, patient(ENDED_WITHIN)):
            raise TemporaryError(f"nginx of lab h2 has not ended after {ENDED_WITHIN:.0f} s")
        shutil.rmtree(folder, ignore_errors=True)
    return True


class OldFront:
    """What ``session.start()`` returns.

    :param ingresses: what it serves, as dictionaries
    :raises PermanentError: an Ingress cannot be served, or nginx does not start; the reason
    """

    def __init__(self, space: Space, ingresses: Sequence[Object]) -> None:
        self._home = Path(space.cluster.kubeconfig).parent
        program = found()
        if program is None:
            raise PermanentError(missing())
        stop(self._home)
        self._folder = self._home / NAME
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._version = program.version
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "JPY_"))}
        marked = {"LABS_SERVICE_OF": str(self._home), "LABS_SERVICE": NAME}
        with (self._folder / "controller.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, "--kubeconfig", str(space.cluster.kubeconfig), "--namespace",
                 space.name, "--folder", str(self._folder), "--nginx", str(program.path)],
                env={**kept, **marked}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                start_new_session=True)
        atexit.register(self.stop)
        try:
            self.serve(*ingresses)
        except BaseException:
            self.stop()
            raise
        self.http, self.https = places(self._home)

    def __enter__(self) -> OldFront:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<nginx {self._version}: http://127.0.0.1:{self.http.port}, https://127.0.0.1:{self.https.port}>"

    def serve(self, *ingresses: Object) -> None:
        """Serve these Ingresses from now on; what was served before goes on when one of them cannot be.

        :raises PermanentError: one has an annotation that is not supported, or nginx refuses what was made of them
        """
        said = self._ask(list(ingresses))
        if said.get("error"):
            raise PermanentError(said["error"])

    def configuration(self, whole: bool = False) -> str:
        """What was made of the Ingresses; the whole ``nginx.conf`` if asked for."""
        text = (self._folder / "nginx.conf").read_text(encoding="utf-8")
        return text if whole else _dedented(text.partition(ingress_nginx.MARKER)[2])

    def requests(self) -> list[dict[str, str]]:
        """The access log: ``time``, ``host``, ``scheme``, ``method``, ``uri``, ``status``, ``upstream`` (addresses of
        pods), ``upstream_status``, ``seconds`` and ``request_id`` of each request."""
        lines = (self._folder / "access.log").read_text("utf-8", "replace").splitlines()
        return [json.loads(line) for line in lines]

    def stop(self) -> None:
        """End it; again is nothing."""
        atexit.unregister(self.stop)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            self._process.wait(patient(ENDED_WITHIN))
        except subprocess.TimeoutExpired:
            self._process.kill()        # nginx then ends by itself
            self._process.wait()
        stop(self._home)

    def _ask(self, ingresses: list[Object]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(ingresses).encode() + b"\n")
            self._process.stdin.flush()
            if select.select([self._process.stdout], [], [], patient(READY_WITHIN))[0]:
                line = self._process.stdout.readline()
                if line:
                    said: dict[str, Any] = json.loads(line)
                    return said
        log = self._folder / "controller.log"
        tail = log.read_text("utf-8", "replace")[-1000:] if log.exists() else ""
        return {"error": f"The old front gives no answer. {tail}".strip()}


def _dedented(text: str) -> str:
    """Without the braces of the block that it is in."""
    lines = [line.removeprefix("    ") for line in text.rstrip().removesuffix("}").splitlines()]
    return "\n".join(lines).strip("\n")


# --- the process --------------------------------------------------------------------------------------------------


class Controller:
    """Makes configurations, and keeps one nginx."""

    def __init__(self, space: Space, folder: Path, program: Path, lock: int) -> None:
        self._space, self._folder, self._program, self._lock = space, folder, program, lock
        http = ports.choose(HTTP)
        self._ports = {"http": http, "https": ports.choose(HTTPS, taken=frozenset({http}))}
        self._ingresses: list[Object] = []
        self._pods: dict[Backend, list[str]] = {}
        self._revision = 0
        self._trouble = ""
        self._nginx: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        """Does nginx?"""
        return self._nginx is not None and self._nginx.poll() is None

    def serve(self, ingresses: list[Object]) -> None:
        """Serve these; raises LabError where that cannot be, and changes nothing then."""
        self._load(ingresses, self._endpoints(ingresses))

    def follow(self) -> None:
        """Load anew where other pods are ready than before; the API server may be away for a moment."""
        try:
            pods = self._endpoints(self._ingresses)
            if pods != self._pods:
                self._load(self._ingresses, pods)
            self._trouble = ""
        except LabError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                print(error, file=sys.stderr, flush=True)

    def stop(self) -> None:
        """End nginx: requests that it has begun are answered."""
        if self._nginx is None:
            return
        for number in (signal.SIGQUIT, signal.SIGTERM):
            self._nginx.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._nginx.wait(ENDED_WITHIN / 3)
                break
        with contextlib.suppress(ProcessLookupError):       # workers outlive a master that was killed
            os.killpg(self._nginx.pid, signal.SIGKILL)
        self._nginx.wait()

    # --- what the cluster has ---------------------------------------------------------------------------------------

    def _endpoints(self, ingresses: list[Object]) -> dict[Backend, list[str]]:
        """Where the ready pods behind each backend listen on this machine ("EndpointSlices", Kubernetes)."""
        wanted = ingress_nginx.backends(ingresses)
        slices = self._space.list("EndpointSlice")
        services = {each["metadata"]["name"]: each for each in self._space.list("Service")}
        return {each: self._ends(each, services.get(each.service), slices) for each in wanted}

    def _ends(self, backend: Backend, service: Object | None, slices: list[Object]) -> list[str]:
        listed = (service or {"spec": {}})["spec"].get("ports") or ()
        named = next((each.get("name", "") for each in listed
                      if backend.port in (str(each["port"]), each.get("name"))), None)
        ends = set()
        for one in slices:
            if (one["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == backend.service:
                numbers = [each["port"] for each in one.get("ports") or () if (each.get("name") or "") == named]
                ready = [each for each in one.get("endpoints") or ()
                         if (each.get("conditions") or {}).get("ready") is not False]
                ends |= {f"{self._space.cluster.end(address)}:{moved(number)}" for number in numbers
                         for each in ready for address in each["addresses"]}
        return sorted(ends)

    def _certificates(self, ingresses: list[Object]) -> None:
        for name in ingress_nginx.secrets(ingresses):
            data = (self._space.get("Secret", name) or {}).get("data") or {}
            if not {"tls.crt", "tls.key"} <= set(data):
                raise PermanentError(f"There is no Secret {name} with tls.crt and tls.key.")
            for part in ("crt", "key"):
                (self._folder / f"{name}.{part}").write_bytes(base64.b64decode(data[f"tls.{part}"]))

    # --- nginx --------------------------------------------------------------------------------------------------------

    def _load(self, ingresses: list[Object], pods: dict[Backend, list[str]]) -> None:
        revision = self._revision + 1
        text = ingress_nginx.render(ingresses, pods, **self._ports, revision=str(revision),
                                    user="root" if os.geteuid() == 0 else "")
        self._certificates(ingresses)
        made = self._folder / "nginx.conf.new"
        made.write_text(text, encoding="utf-8")
        self._check(made)
        made.replace(self._folder / "nginx.conf")
        self._ingresses, self._pods, self._revision = ingresses, pods, revision
        begins = self._nginx is None
        if self._nginx is None:
            # a master that gets SIGTERM ends its workers
            self._nginx = subprocess.Popen(
                self._command("nginx.conf"), cwd=self._folder, stdin=subprocess.DEVNULL, stdout=sys.stderr,
                pass_fds=[self._lock], process_group=0,
                preexec_fn=functools.partial(die_with_parent, os.getpid(), signal.SIGTERM))
            self._await(str(revision), 0)
        else:
            retired = self._retired() + 1
            self._nginx.send_signal(signal.SIGHUP)
            self._await(str(revision), retired)
        if begins:
            (self._folder / TOLD).write_text(json.dumps(self._ports), encoding="utf-8")

    def _command(self, file: str, *more: str) -> list[str]:
        return [str(self._program), "-p", f"{self._folder}/", "-e", "error.log", "-c", file, *more]

    def _check(self, file: Path) -> None:
        done = subprocess.run(self._command(file.name, "-t", "-q"), cwd=self._folder, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=CHECKED_WITHIN, check=False)
        if done.returncode:
            raise PermanentError(f"nginx refuses what was made of the Ingresses: {done.stderr.strip()}")

    def _await(self, revision: str, retired: int) -> None:
        """Return when nginx serves that revision and so many workers accept no more: the old one does so until then."""
        end, seen = time.monotonic() + patient(READY_WITHIN / 2), ""
        while time.monotonic() < end and self.runs:
            seen = self._answered()
            if seen == revision and self._retired() >= retired:
                return
            time.sleep(0.02)
        said = (self._folder / "error.log").read_text("utf-8", "replace")[-600:]
        raise TemporaryError(f"nginx does not serve revision {revision} but {seen or 'nothing'}; its log ends: {said}")

    def _retired(self) -> int:
        return (self._folder / "error.log").read_text("utf-8", "replace").count(": gracefully shutting down")

    def _answered(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self._ports["http"], timeout=2)
        try:
            connection.request("GET", "/", headers={"Host": ingress_nginx.READY})
            return connection.getresponse().read(99).decode("ascii", "replace")
        except (OSError, http.client.HTTPException):
            return ""
        finally:
            connection.close()


def _ended(*_: object) -> None:
    sys.exit()


def main() -> None:
    """Serve what each line of the input says, a JSON list of Ingresses; answer ``{}`` or ``{"error": …}``."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name if __spec__ else NAME}", description=__doc__)
    for name in ("kubeconfig", "folder", "nginx"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--namespace", required=True)
    given = parser.parse_args()
    os.umask(0o077)
    signal.signal(signal.SIGTERM, _ended)
    lock = os.open(given.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    if not locks.taken(lock, ENDED_WITHIN):
        sys.exit(f"{given.folder} is in use")
    controller = Controller(Cluster(given.kubeconfig).space(given.namespace), given.folder, given.nginx, lock)
    try:
        _served(controller, given.folder / TOLD)
    finally:
        controller.stop()
        shutil.rmtree(given.folder, ignore_errors=True)


def _served(controller: Controller, told: Path) -> None:
    begun = False
    while not begun or (controller.runs and told.exists()):
        if select.select([sys.stdin], [], [], LOOKED_EVERY)[0]:
            line = sys.stdin.buffer.readline()
            if not line:
                return
            said: dict[str, str] = {}
            try:
                controller.serve(json.loads(line))
            except LabError as error:
                said = {"error": str(error)}
            print(json.dumps(said), flush=True)
            begun = controller.runs
        elif begun:
            controller.follow()


if __name__ == "__main__":
    main()
