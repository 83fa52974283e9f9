"""A hostile essay in nbgrader's formgrader, in a real Chromium: it is read, marked, and runs nothing."""

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.browser import chromium, needs_chromium

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(240),
    needs_chromium,
]
ESSAY = """Because they can be **halved**.

<script>document.title = 'owned'</script> <img src=x onerror="document.title = 'owned'">
<svg/onload="document.title = 'owned'"> [click](javascript:document.title='owned')
"""


@pytest.fixture
def formgrader(course):
    """JupyterLab with formgrader over a course with one graded submission; its address and token."""
    assert course.nbgrader("generate_assignment", "t_testing").returncode == 0
    path = course.submit("ada", "evens = [0, 2, 4, 6, 8]")
    notebook = json.loads(path.read_text())
    notebook["cells"][3]["source"] = ESSAY
    path.write_text(json.dumps(notebook))
    graded = course.nbgrader("autograde", "t_testing")
    assert graded.returncode == 0, graded.stderr
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    token = secrets.token_hex(16)
    environment = course.environment | {"JUPYTER_TOKEN": token, "JUPYTER_RUNTIME_DIR": str(course.root / "runtime")}
    del environment["JUPYTER_NO_CONFIG"]  # the extension is switched on by the package's own configuration
    command = [sys.executable, "-W", "ignore", "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    log = (course.root / "jupyter.log").open("wb")
    server = subprocess.Popen(
        [*command, "--ServerApp.port_retries=0", f"--ServerApp.root_dir={course.root}", "--allow-root"],
        cwd=course.root, env=environment, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    try:
        end = time.monotonic() + 60
        while not answers(port, token):
            if time.monotonic() > end or server.poll() is not None:
                pytest.fail((course.root / "jupyter.log").read_text()[-3000:])
            time.sleep(0.1)
        yield course, f"http://127.0.0.1:{port}", token
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
        log.close()


def answers(port, token):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/api/status", headers={"Authorization": f"token {token}"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_a_hostile_essay_is_marked_and_runs_nothing(formgrader):
    from nbgrader.api import Gradebook

    course, url, token = formgrader
    url_of_db = f"sqlite:///{course.root}/gradebook.db"
    with Gradebook(url_of_db) as gradebook:
        submission = gradebook.find_submission_notebook("t1_evens", "t_testing", "ada").id
        cell = gradebook.find_grade("t1-essay", "t1_evens", "t_testing", "ada").id
    with chromium() as browser:
        headers = {"Authorization": f"token {token}"}
        page = browser.new_page(viewport={"width": 1200, "height": 1400}, extra_http_headers=headers)
        page.goto(f"{url}/formgrader/submissions/{submission}/")
        page.wait_for_selector("text=Because they can be")
        if os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{os.environ['SCREENSHOTS']}/formgrader.png", full_page=True)
        assert page.locator("strong", has_text="halved").count() == 1
        assert page.title() != "owned"
        assert page.locator("img[onerror], svg[onload], a[href^='javascript:']").count() == 0
        assert "owned" in page.locator("body").inner_text(), "the essay's own words are shown as text"
        box = page.locator("input.score").nth(1)  # the first is the autograded cell's
        page.wait_for_function("document.querySelector('input.score').placeholder == '3'")  # marks have arrived
        box.fill("2.5")
        with page.expect_response(lambda answer: cell in answer.url and answer.request.method == "PUT"):
            box.press("Tab")
    with Gradebook(url_of_db) as gradebook:
        assert gradebook.find_grade("t1-essay", "t1_evens", "t_testing", "ada").manual_score == 2.5
