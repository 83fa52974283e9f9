"""The service on its socket, and ``check`` in a real kernel against it."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest

from labs import client
from labs.errors import PermanentError, TemporaryError

SOLVED = "evens = [0, 2, 4, 6, 8]"


@pytest.fixture
def home(tmp_path):
    """A state folder whose path is too long for a Unix socket."""
    place = tmp_path / ("deep" * 20)
    place.mkdir()
    return place


@pytest.fixture
def service(home, course):
    """A running ``python -m graders.service``."""
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "graders.service", "--home", str(home)],
            env=course.environment,
            cwd=home,
            stdout=log,
            stderr=log,
        )
    wait_for(home, process)
    yield process
    process.terminate()
    assert process.wait(15) == 0 or process.returncode in (-9, -15)


def wait_for(home, process):
    deadline = time.monotonic() + 20
    while True:
        try:
            return client.ask(home, "GET", "/health", timeout=2)
        except TemporaryError as error:
            assert process.poll() is None, (home / "log").read_text()
            assert time.monotonic() < deadline, f"{error} {(home / 'log').read_text()}"
            threading.Event().wait(0.05)


def checked(home, source, **more):
    return client.ask(home, "POST", "/check", {"exercise": "t1-q1", "answers": {"t1-q1-answer": source}} | more)


def test_public_verdict_over_the_socket(service, home):
    verdict = checked(home, SOLVED)
    assert verdict["full"]
    assert verdict["points"] == 2
    assert not verdict["complete"]
    assert "SECRET" not in json.dumps(verdict)
    assert client.ask(home, "GET", "/exercises/t1-q1")["names"] == ["evens"]
    assert (home / "grader.sock").stat().st_mode & 0o077 == 0


def test_several_at_a_time_are_kept_apart(service, home):
    sources = [f"evens = {list(range(0, 2 * n, 2))}" for n in range(8)]
    with ThreadPoolExecutor(4) as threads:
        points = [verdict["points"] for verdict in threads.map(lambda source: checked(home, source), sources)]
    assert points == [0, 2, 2, 2, 2, 2, 1, 1]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"exercise": "t1-q1"}, "must be"),
        ([], "must be"),
        ({"exercise": "t9-q9", "answers": {}}, "no exercise"),
        ({"exercise": "t1-q1", "answers": {"t1-q1-answer": 3}}, "must be"),
        ({"exercise": "t1-q1", "answers": {"t1-q1-answer": "x" * 2**20}}, "larger than 1 MB"),
    ],
)
def test_bad_requests_are_refused_in_words(service, home, body, said):
    with pytest.raises(PermanentError, match=said):
        client.ask(home, "POST", "/check", body)


def test_a_second_service_on_the_same_home_refuses(service, home, course):
    second = subprocess.run(
        [sys.executable, "-m", "graders.service", "--home", str(home)],
        env=course.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert second.returncode != 0
    assert "already listens" in second.stderr
    assert checked(home, SOLVED)["full"]


def test_a_killed_service_leaves_no_obstacle(service, home, course):
    service.kill()
    service.wait()
    with pytest.raises(TemporaryError, match="lab up grader"):
        checked(home, SOLVED)
    again = subprocess.Popen([sys.executable, "-m", "graders.service", "--home", str(home)], env=course.environment)
    try:
        wait_for(home, again)
        assert checked(home, SOLVED)["full"]
    finally:
        again.terminate()
        again.wait(15)


@pytest.fixture
def kernel(service, home, course):
    """A real kernel in the folder of the released notebook; ``run`` executes a cell as JupyterLab does."""
    from jupyter_client.manager import start_new_kernel

    folder = course.root / "workspace"
    folder.mkdir()
    shutil.copy(course.source, folder)
    environment = course.environment | {"LABS_HOME": str(home), "JPY_SESSION_NAME": str(folder / course.source.name)}
    manager, session = start_new_kernel(env=environment, cwd=str(folder))

    def run(source, cell_id=""):
        content = {"code": source, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        message = session.session.msg("execute_request", content, metadata={"cellId": cell_id} if cell_id else {})
        session.shell_channel.send(message)
        shown, error = {}, ""
        while True:
            reply = session.get_iopub_msg(timeout=60)
            if reply["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if reply["msg_type"] == "execute_result":
                shown = reply["content"]["data"]
            if reply["msg_type"] == "error":
                error = reply["content"]["evalue"]
            if reply["msg_type"] == "status" and reply["content"]["execution_state"] == "idle":
                return shown.get("text/plain", error), shown.get("text/html", "")

    run.folder = folder
    yield run
    session.stop_channels()
    manager.shutdown_kernel(now=True)


def test_check_sends_the_cell_as_last_executed(kernel):
    kernel("from labs import check, progress")
    kernel("evens = [1]", "a1")
    text, html = kernel('check("t1-q1")', "c1")
    assert "✗ failed  only even numbers" in text
    assert "odd numbers: [1]" in text
    assert "<table" in html
    assert "✗ failed" in html
    kernel(SOLVED, "a1")
    kernel("evens = 'scratch, in a cell that is not the answer'", "elsewhere")
    assert kernel('check("t1-q1")', "c1")[0].startswith("✓ passed")
    assert "1 of 1 exercises passed" in kernel("progress()")[0]
    assert json.loads((kernel.folder / ".progress.json").read_text())["t1-q1"]["full"]


def test_history_serves_where_no_cell_ids_are_sent(kernel):
    kernel("from labs import check")
    kernel("evens = [3]")
    assert "odd numbers: [3]" in kernel('check("t1-q1")')[0]


def test_the_saved_notebook_serves_before_the_cell_was_run(kernel):
    notebook = nbformat.read(kernel.folder / "t1_evens.ipynb", 4)
    notebook.cells[1].source = "evens = [5]"
    nbformat.write(notebook, kernel.folder / "t1_evens.ipynb")
    assert "odd numbers: [5]" in kernel('from labs import check\ncheck("t1-q1")')[0]


def test_html_escapes_what_the_answer_says(kernel):
    kernel("from labs import check")
    kernel("raise ValueError('<img src=x onerror=alert(1)>')", "a1")
    html = kernel('check("t1-q1")', "c1")[1]
    assert "&lt;img" in html
    assert "<img" not in html


def test_without_a_service_check_says_what_to_do(kernel, service):
    service.kill()
    service.wait()
    assert "lab up grader" in kernel('from labs import check\ncheck("t1-q1")')[0]


def test_importing_the_service_is_cheap():
    seen = subprocess.run(
        [sys.executable, "-c", "import sys, graders.service; print(*sys.modules)"],
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    ).stdout
    assert not {"starlette", "uvicorn", "boto3", "jsonschema", "nbformat", "IPython"} & set(seen.split())
