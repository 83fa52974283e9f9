"""AWS and JupyterLab, started, reset, killed and ended by `lab` for real."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from labs.services import launch, state


@pytest.fixture
def start(labs_home, tmp_path, monkeypatch):
    """Runs `lab start` in the background; returns the process and the URL it prints."""
    running: list[subprocess.Popen[str]] = []
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "jupyter"))

    def begin(*options: str) -> tuple[subprocess.Popen[str], str, str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "labs.cli", "start", "--no-browser", "--workspace", str(tmp_path / "ws"), *options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        running.append(process)
        said = ""
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            if line.startswith("ready: "):
                return process, line.removeprefix("ready: ").strip(), said
        pytest.fail(f"lab start ended with {process.wait()}: {said}")

    yield begin
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def fetch(url: str, path: str, token: str | None = None) -> tuple[int, bytes]:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    try:
        connection.request("GET", path, headers={"Authorization": f"token {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def answers(url: str) -> bool:
    """Whether the course behind ``url`` is there; another one on its port does not take its token."""
    token = parse_qs(urlsplit(url).query)["token"][0]
    try:
        return fetch(url, "/api/status", token)[0] == 200
    except OSError:
        return False


def test_aws_comes_up_quickly_resets_and_goes(lab, labs_home):
    done = lab("up", "aws")
    seconds = float(re.search(r"ready in ([\d.]+) s", done.stderr)[1])
    assert seconds < 10, "the bar is 1.5 s (benchmarks/); this only notices a wait for a timeout"
    assert json.loads((labs_home / "learner.json").read_text())["student"]
    assert "aws: back to its start" in lab("reset", "aws").stdout
    assert lab("down").stdout == "stopped: aws\n"
    assert launch.find(str(labs_home)) == []


def test_several_clones_come_up_at_once_with_a_port_each(tmp_path):
    homes = [{**os.environ, "LABS_HOME": str(tmp_path / name)} for name in ("one", "two", "three", "four")]
    command = [sys.executable, "-m", "labs.cli"]
    try:
        ups = [subprocess.Popen([*command, "up", "aws"], env=home, stderr=subprocess.PIPE, text=True) for home in homes]
        ended = [(up.communicate(timeout=60)[1], up.returncode) for up in ups]
        assert [status for _, status in ended] == [0] * len(homes), ended
        urls = {json.loads(Path(home["LABS_HOME"], "endpoints.json").read_text())["aws"] for home in homes}
        assert len(urls) == len(homes)
        for home in homes:
            health = json.loads(fetch(json.loads(Path(home["LABS_HOME"], "endpoints.json").read_text())["aws"],
                                      "/_lab/health")[1])
            assert health["account"] == json.loads(Path(home["LABS_HOME"], "learner.json").read_text())["account"]
    finally:
        for home in homes:
            subprocess.run([*command, "down"], env=home, check=True, timeout=60, capture_output=True)


def test_reset_deletes_only_what_the_labs_made_on_somebody_elses_server(lab, labs_home, bare_ministack, tmp_path):
    import boto3

    with bare_ministack(tmp_path) as url:
        lab("up", "aws", LABS_AWS_BACKEND_URL=url)
        account = json.loads((labs_home / "learner.json").read_text())["account"]
        theirs = boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=account,
                              aws_secret_access_key="test")
        theirs.create_bucket(Bucket="theirs")
        subprocess.run([sys.executable, "-c", "import labs; labs.lab('b1').prepare()"], check=True, timeout=60)
        assert len(theirs.list_buckets()["Buckets"]) > 1
        assert "removed bucket" in lab("reset", "aws").stdout
        assert [bucket["Name"] for bucket in theirs.list_buckets()["Buckets"]] == ["theirs"]
        lab("down")


def test_course_starts_shows_notebooks_and_ends(start, labs_home, tmp_path):
    process, url, said = start("--student", "ada")
    token = parse_qs(urlsplit(url).query)["token"][0]
    assert fetch(url, "/api/contents")[0] == 403, "no token, no notebooks"
    status, body = fetch(url, "/api/contents", token)
    assert status == 200
    listed = {entry["name"] for entry in json.loads(body)["content"]}
    assert "b_iam_security" in listed
    assert "student ada" in said
    assert urlsplit(url).hostname == "127.0.0.1"
    first_page = urlsplit(url).path.replace("/lab/tree", "/api/contents")
    assert fetch(url, first_page, token)[0] == 200
    assert [fetch(url, path, token)[0] for path in ("/formgrader", "/assignments")] == [404, 404]
    assert token not in " ".join(path.read_text(errors="replace") for path in _command_lines())
    for notebook in (tmp_path / "ws").rglob("*.ipynb"):
        assert "BEGIN SOLUTION" not in notebook.read_text()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert launch.find(str(labs_home)) == launch.find(str(labs_home), mark="LABS_COURSE_OF") == []
    assert not answers(url)


def test_kernels_get_the_learners_own_keys(start, labs_home):
    start()
    record = json.loads((labs_home / "learner.json").read_text())
    (jupyter, *_) = launch.find(str(labs_home), mark="LABS_COURSE_OF")
    environment = dict(part.split("=", 1) for part in
                       Path(f"/proc/{jupyter}/environ").read_text().split("\0") if "=" in part)
    assert environment["AWS_ENDPOINT_URL"] == state.endpoints()["aws"]
    assert environment["AWS_ACCESS_KEY_ID"] == record["access_key_id"]
    assert environment["AWS_SECRET_ACCESS_KEY"] == record["secret_access_key"]
    assert environment["AWS_DEFAULT_REGION"] == "us-east-1"


def test_a_course_in_the_background_of_a_script_is_ended_by_down(start, lab, labs_home):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)       # as a shell without job control does for `command &`
    try:
        process, url, _ = start()
    finally:
        signal.signal(signal.SIGINT, before)
    assert "stopped" in lab("down").stdout
    assert process.wait(60) == 0
    assert not answers(url)


def test_second_start_finds_the_first(start, labs_home):
    _, url, _ = start()
    second, again, said = start()
    assert again == url
    assert "runs already" in said
    assert second.wait(30) == 0
    assert fetch(url, "/api")[0] == 200, "and it leaves the first alone"


def test_down_ends_a_running_course(start, lab, labs_home):
    process, url, _ = start()
    assert "stopped: the course" in lab("down").stdout
    assert process.wait(30) == 0
    assert launch.find(str(labs_home)) == launch.find(str(labs_home), mark="LABS_COURSE_OF") == []
    assert not answers(url)


def test_killed_course_is_cleared_away_and_starts_again(start, labs_home):
    process, url, _ = start()
    process.kill()
    process.wait()
    _, again, _ = start()
    token = parse_qs(urlsplit(again).query)["token"][0]
    assert fetch(again, "/api/contents", token)[0] == 200
    servers = [pid for pid in launch.find(str(labs_home), mark="LABS_COURSE_OF")
               if b"jupyterlab" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(servers) == 1
    assert url != again


def test_course_brings_a_killed_supervisor_back(start, labs_home):
    start()
    old = int((labs_home / "supervisor.pid").read_text())
    os.kill(old, signal.SIGKILL)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with contextlib.suppress(OSError, ValueError):       # ValueError: the file is being written
            if (int((labs_home / "supervisor.pid").read_text()) != old
                    and fetch(state.endpoints()["aws"], "/_lab/health")[0] == 200):
                break
        time.sleep(0.05)
    else:
        pytest.fail("10 s after its supervisor was killed AWS still does not answer")


def _command_lines() -> list[Path]:
    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
