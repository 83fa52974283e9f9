"""Grading gateways: one attempt each, clean between attempts, gone afterwards."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from graders.live import Live, Pool
from labs.errors import TemporaryError

ACCOUNT = "210987654321"


@pytest.fixture
def pool(tmp_path):
    made = Pool(tmp_path / "grader")
    yield made
    made.close()


def buckets(live):
    return [bucket["Name"] for bucket in live.admin("s3").list_buckets()["Buckets"]]


def test_an_attempt_finds_nothing_of_the_one_before(pool):
    with Live(pool, None, {}, ACCOUNT) as live:
        live.admin("s3").create_bucket(Bucket="left-behind")
        live.admin("iam").create_user(UserName="mallory")
        assert live.admin("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
        assert buckets(live) == ["left-behind"]
        first = live.endpoint
    with Live(pool, None, {}, ACCOUNT) as live:
        assert live.endpoint == first  # the same warm gateway, reset
        assert buckets(live) == []
        assert live.admin("iam").list_users()["Users"] == []


def test_a_minted_key_is_denied_and_the_decision_is_kept(pool):
    from botocore.exceptions import ClientError

    with Live(pool, None, {}, ACCOUNT) as live:
        live.admin("iam").create_user(UserName="alice")
        key = live.admin("iam").create_access_key(UserName="alice")["AccessKey"]
        with pytest.raises(ClientError) as denied:
            live.client("s3", key).list_buckets()
        request = denied.value.response["ResponseMetadata"]["RequestId"]
        assert denied.value.response["Error"]["Code"] == "AccessDenied"
        assert live.decision(request)["decision"]["allowed"] is False
        with pytest.raises(KeyError):
            live.decision("no-such-request")


def test_an_untouched_attempt_starts_nothing(pool):
    with Live(pool, None, {"bucket": "b"}, ACCOUNT) as live:
        assert live.values == {"bucket": "b"}
    assert list(pool.home.glob("gateway-*")) == []


def test_attempts_queue_for_one_gateway(pool):
    inside, most = [], []

    def attempt(number):
        with Live(pool, None, {}, ACCOUNT) as live:
            assert live.endpoint
            inside.append(number)
            most.append(len(inside))
            live.admin("sqs").create_queue(QueueName=f"q{number}")
            urls = live.admin("sqs").list_queues()["QueueUrls"]
            inside.remove(number)
            return len(urls)

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(attempt, range(3))) == [1, 1, 1]
    assert max(most) == 1


def test_a_killed_gateway_is_replaced(pool):
    with Live(pool, None, {}, ACCOUNT) as live:
        first = live.endpoint
        os.kill(int((pool.home / "gateway-1" / "pid").read_text()), signal.SIGKILL)
    with Live(pool, None, {}, ACCOUNT) as live:
        assert live.endpoint != first
        assert buckets(live) == []


def test_a_gateway_that_died_idle_is_not_handed_out(pool):
    pool.warm()
    deadline = time.monotonic() + 10
    while not pool._idle and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    os.kill(int((pool.home / "gateway-1" / "pid").read_text()), signal.SIGKILL)
    pool._idle[0]._process.wait(5)
    with Live(pool, None, {}, ACCOUNT) as live:
        assert buckets(live) == []


@pytest.fixture
def grader_and_gateway(tmp_path):
    """A grader that holds a gateway on ``tmp_path``, and the gateway's process id; the grader is killed at the end."""
    start = (
        "import sys, time, pathlib, graders.live as g; p = g.Pool(pathlib.Path(sys.argv[1])); "
        "c = p.lease(); c.__enter__(); print('up', flush=True); time.sleep(60)"
    )
    grader = subprocess.Popen(
        [sys.executable, "-c", start, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert grader.stdout.readline() == "up\n"
    yield grader, int((tmp_path / "gateway-1" / "pid").read_text())
    grader.kill()
    grader.wait()
    grader.stdout.close()


def test_a_killed_grader_takes_its_gateways_along(grader_and_gateway):
    grader, gateway = grader_and_gateway
    grader.kill()
    wait_until_gone(gateway)


def test_a_hung_gateway_of_a_killed_grader_is_swept(grader_and_gateway, tmp_path):
    grader, gateway = grader_and_gateway
    os.kill(gateway, signal.SIGSTOP)  # it does not notice that its standard input closed
    grader.kill()
    grader.wait()
    Pool(tmp_path).close()
    wait_until_gone(gateway)
    assert not (tmp_path / "gateway-1").exists()


def wait_until_gone(pid):
    deadline = time.monotonic() + 10
    while _running(pid):
        assert time.monotonic() < deadline, "the orphan still runs"
        threading.Event().wait(0.05)


def _running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_gateway_that_cannot_start_says_why(tmp_path):
    pool = Pool(tmp_path / "grader", engine="no-such-engine")
    with pytest.raises(TemporaryError, match="no-such-engine"), pool.lease():
        pass
    pool.close()
