"""`lab start`: everything between a clone and a learner who reads the first notebook."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
import webbrowser
from pathlib import Path

from labs.aws import learner as enrolment
from labs.cli.workspace import deliver
from labs.errors import PermanentError
from labs.services import catalog, control, launch, ports
from labs.services import state as places

JUPYTER_WITHIN = 60.0
"""Seconds JupyterLab may take to answer."""
ENDED_WITHIN = 40.0
"""Seconds `lab start` may take to stop JupyterLab and the services."""
_WATCHED_EVERY = 2.0
_TRIES = 3
"""How often a port is chosen for JupyterLab when another process takes it first."""
REGION = "us-east-1"
JUPYTER_CONFIG = str(Path(__file__).with_name("jupyter"))
"""What a learner's JupyterLab leaves out: the instructor's nbgrader panels and what serves them, 37 MB (its "Validate"
does not know of ``check``, and finds every answer right), and the question about Jupyter's news."""


def client_environment(*, learner: bool = False) -> dict[str, str]:
    """What stock clients (boto3, aws, kubectl, terraform) need to reach the labs.

    :param learner: the learner's IAM user's keys; otherwise the administrator's, ``test``/``test``
    """
    kubeconfig = places.home() / "kubeconfig"
    if not kubeconfig.is_file():
        return _aws_environment(learner)
    known = places.endpoints()
    return {**(_aws_environment(learner) if "aws" in known else {}), **_kubernetes_environment(kubeconfig)}


def _aws_environment(learner: bool) -> dict[str, str]:
    keys = places.learner() if learner else {"access_key_id": "test", "secret_access_key": "test"}
    return {
        "AWS_ENDPOINT_URL": places.endpoint("aws"),
        "AWS_ACCESS_KEY_ID": keys["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
        "AWS_DEFAULT_REGION": REGION,
    }


def _kubernetes_environment(kubeconfig: Path) -> dict[str, str]:
    """With the folder of a kubectl that fits the cluster first in PATH, unless PATH finds that one already."""
    from labs.toolbox import programs

    kubectl = programs.find(programs.tool("kubectl"))
    found = {"KUBECONFIG": str(kubeconfig)}
    if kubectl is not None and shutil.which("kubectl") != str(kubectl.path):
        found["PATH"] = _before(str(kubectl.path.parent), os.environ.get("PATH", os.defpath))
    return found


def run(*, browser: bool, port: int, workspace: Path | None, student: str | None, extra: list[str]) -> int:
    """Start the course and stay until JupyterLab ends; returns its exit status.

    Ends on Ctrl-C or SIGTERM, and stops the services then.  Where the course runs already, says where, and returns.
    """
    names = [*_own_services(), *extra]
    catalog.with_needs(names)       # an unknown name fails before anything starts
    home = places.make_home()
    with (home / "course.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _say_where(home)
        _end_strays(home)
        # as SIGINT does, which a shell's background job ignores
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        enrolled = enrolment.enroll(home, student)
        folder = (workspace or places.workspace()).expanduser().absolute()
        (home / "workspace").write_text(f"{folder}\n", encoding="utf-8")
        deliver(folder)
        course = Course(folder, names, ports.choose(port))
        try:
            url = course.start()
            print(f"student {enrolled['student']}, account {enrolled['account']}, notebooks in {folder}")
            print(f"ready: {url}", flush=True)
            places.write_json(home / "course.json", {"pid": os.getpid(), "url": url})
            if browser:
                threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
            return course.watch()
        except KeyboardInterrupt:
            print("stopping", flush=True)
            return 0
        finally:
            (home / "course.json").unlink(missing_ok=True)
            course.end()


def end_running() -> bool:
    """End a `lab start` of this home that runs in another process, or what a killed one left; whether there was one."""
    home = places.home()
    if not home.is_dir():
        return False
    with (home / "course.lock").open("a") as lock:
        end = time.monotonic() + ENDED_WITHIN
        signalled = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                course = places.read_json(home / "course.json")
                if course and not signalled:
                    signalled = True
                    launch.kill([course["pid"]], signal.SIGTERM)
                if time.monotonic() > end:
                    raise PermanentError("`lab start` does not end.", f"Kill it: `fuser -k {lock.name}`.") from None
                time.sleep(0.05)
        return _end_strays(home) or signalled


def _say_where(home: Path) -> int:
    """Print the address of the course that runs already, once it is known."""
    end = time.monotonic() + JUPYTER_WITHIN
    while time.monotonic() < end:
        course = places.read_json(home / "course.json")
        if course:
            print(f"the course runs already\nready: {course['url']}", flush=True)
            return 0
        time.sleep(0.1)
    raise PermanentError("Another `lab start` does not become ready.", "Run `lab down`, and start again.")


def _end_strays(home: Path) -> bool:
    """Kill JupyterLab and kernels that a killed `lab start` left."""
    strays = launch.find(str(home), mark="LABS_COURSE_OF")
    end = time.monotonic() + 5.0
    while (left := launch.find(str(home), mark="LABS_COURSE_OF")) and time.monotonic() < end:
        launch.kill(left)
        time.sleep(0.02)
    return bool(strays)


class Course:
    """JupyterLab and the services beside it.

    :param folder: what JupyterLab opens
    :param names: services to start
    :param port: JupyterLab's port
    """

    def __init__(self, folder: Path, names: list[str], port: int) -> None:
        self.folder, self.names, self.port = folder, names, port
        self.token = secrets.token_hex(24)
        self.jupyter: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start everything, side by side: JupyterLab takes the longer, and only a kernel needs AWS; returns the URL."""
        planned = control.plan("aws")
        self.jupyter = _jupyter(self.folder, self.port, self.token)
        control.up(self.names, lambda line: print(line, flush=True))
        if places.endpoint("aws") != planned:       # another process took the port: kernels must not talk to it
            _end(self.jupyter)
            self.jupyter = _jupyter(self.folder, self.port, self.token)
        for remaining in reversed(range(_TRIES)):
            if _wait_for_jupyter(self.jupyter, self.port, self.token, last=not remaining):
                break
            print(f"jupyter: port {self.port} was taken by another process; choosing another port", flush=True)
            self.port = ports.choose(self.port + 1)
            self.jupyter = _jupyter(self.folder, self.port, self.token)
        pages = sorted(path.relative_to(self.folder) for path in self.folder.glob("**/start_here*.ipynb"))
        page = f"/tree/{pages[0].as_posix()}" if pages else ""
        return f"http://127.0.0.1:{self.port}/lab{page}?token={self.token}"

    def watch(self) -> int:
        """Wait for JupyterLab to end, bring a killed supervisor back meanwhile; returns the exit status."""
        assert self.jupyter is not None
        while True:
            try:
                return self.jupyter.wait(_WATCHED_EVERY)
            except subprocess.TimeoutExpired:
                if control.keep():
                    print("the supervisor was gone; services are started again", flush=True)

    def end(self) -> None:
        """Stop JupyterLab, its kernels and the services."""
        if self.jupyter is not None:
            _end(self.jupyter)
        _end_strays(places.home())
        control.down()


def _own_services() -> list[str]:
    return [name for name in catalog.names() if catalog.find(name).start]


def _jupyter(folder: Path, port: int, token: str) -> subprocess.Popen[bytes]:
    """JupyterLab on 127.0.0.1:``port``, kernels with the learner's own keys; the token is not on the command line."""
    home = places.home()
    clients = client_environment(learner=True)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "LABS_SERVICE"))},
        **clients,
        "LABS_HOME": str(home),
        "LABS_COURSE_OF": str(home),
        "LABS_WORKSPACE": str(folder),
        "JUPYTER_TOKEN": token,
        "JUPYTER_RUNTIME_DIR": str(home / "jupyter"),
        "JUPYTER_CONFIG_PATH": _before(JUPYTER_CONFIG, os.environ.get("JUPYTER_CONFIG_PATH")),
        "PATH": _before(str(Path(sys.executable).parent), clients.get("PATH", os.environ.get("PATH", os.defpath))),
        "PYTHONPATH": _before(str(places.clone()), os.environ.get("PYTHONPATH")),
    }
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}", "--ServerApp.open_browser=False",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        *(["--allow-root"] if os.getuid() == 0 else []),
    ]
    with places.log_file("jupyter").open("wb") as log:
        return subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                stderr=log, start_new_session=True)


def _before(first: str, others: str | None) -> str:
    """A search path with ``first`` in front."""
    return os.pathsep.join(filter(None, [first, others]))


def _wait_for_jupyter(jupyter: subprocess.Popen[bytes], port: int, token: str, *, last: bool) -> bool:
    """Wait until JupyterLab answers; False when it ended because another process took its port first.

    :param last: say so with a PermanentError, as for every other reason
    """
    end = time.monotonic() + JUPYTER_WITHIN
    while time.monotonic() < end and jupyter.poll() is None:
        if _answers(port, token):
            return True
        time.sleep(0.05)
    if jupyter.poll() is not None and not ports.is_free(port) and not last:
        return False
    lines = "\n    ".join(control.tail("jupyter", 8))
    raise PermanentError(f"JupyterLab did not answer on port {port}. The end of its log:\n    {lines}",
                         f"Its log: {places.log_file('jupyter')}")


def _answers(port: int, token: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2.0)
    try:
        connection.request("GET", "/api/status", headers={"Authorization": f"token {token}"})
        answer = connection.getresponse()
        return answer.status == 200 and "started" in json.loads(answer.read())
    except (OSError, http.client.HTTPException, json.JSONDecodeError):
        return False
    finally:
        connection.close()


def _end(jupyter: subprocess.Popen[bytes]) -> None:
    """SIGTERM ends JupyterLab and its kernels without a question; SIGKILL for the whole session after ten seconds."""
    jupyter.terminate()
    try:
        jupyter.wait(10.0)
    except subprocess.TimeoutExpired:
        os.killpg(jupyter.pid, signal.SIGKILL)
        jupyter.wait()
