"""Grading gateways: one attempt each, clean between attempts, gone afterwards."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, HTTPClientError

from graders.live import Live, Mould, Pool
from labs.aws.account import AwsAccount
from labs.aws.gateway.copies import NO_PORT
from labs.errors import LabError, TemporaryError

ACCOUNT = "210987654321"


@pytest.fixture(scope="module")
def mould(tmp_path_factory):
    made = Mould("ministack", tmp_path_factory.mktemp("mould") / "mould.log")
    yield made
    made.close()


@pytest.fixture
def pool(tmp_path, mould):
    made = Pool(tmp_path / "grader", mould=mould)
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
        assert live.endpoint == first  # the same warm gateway, copied anew
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


def children(pid):
    """Process ids that a process has forked and not yet lost."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def gateways(pool):
    """(process ids of the pool's gateways, of their attempts)."""
    found = children(pool.mould._process.pid)
    return found, [attempt for gateway in found for attempt in children(gateway)]


def test_what_was_prepared_is_copied_for_each_attempt(pool):
    prepared = []

    def prepare(gateway):
        prepared.append(gateway)
        account = AwsAccount(gateway.endpoint, ACCOUNT)
        account.client("s3").create_bucket(Bucket="prepared")
        account.client("s3").put_object(Bucket="prepared", Key="a", Body=b"1")
        account.client("ec2").create_vpc(CidrBlock="10.7.0.0/16")
        account.client("secretsmanager").create_secret(Name="s", SecretString="old")

    def look(gateway):
        account = AwsAccount(gateway.endpoint, ACCOUNT)
        blocks = {vpc["CidrBlock"] for vpc in account.client("ec2").describe_vpcs()["Vpcs"]}
        keys = [one["Key"] for one in account.client("s3").list_objects_v2(Bucket="prepared")["Contents"]]
        names = {event["EventName"] for event in account.client("cloudtrail").lookup_events()["Events"]}
        value = account.client("secretsmanager").get_secret_value(SecretId="s")["SecretString"]
        return "10.7.0.0/16" in blocks, "10.8.0.0/16" in blocks, keys, "CreateVpc" in names, "DeleteVpc" in names, value

    for _ in range(3):
        with pool.lease("key", prepare) as gateway:
            assert look(gateway) == (True, False, ["a"], True, False, "old")
            account = AwsAccount(gateway.endpoint, ACCOUNT)
            vpc = account.client("ec2").create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
            account.client("ec2").delete_vpc(VpcId=vpc)
            account.client("ec2").create_vpc(CidrBlock="10.8.0.0/16")
            account.client("s3").put_object(Bucket="prepared", Key="b", Body=b"2")
            account.client("secretsmanager").put_secret_value(SecretId="s", SecretString="new")
    assert len(prepared) == 1
    with pool.lease("another key") as gateway:
        assert gateway is not prepared[0]
        assert AwsAccount(gateway.endpoint, ACCOUNT).client("s3").list_buckets()["Buckets"] == []


def test_addresses_that_an_engine_hands_out_are_the_gateways(pool):
    with Live(pool, None, {}, ACCOUNT) as live:
        port = live.endpoint.rpartition(":")[2]
        assert f":{port}/" in live.admin("sqs").create_queue(QueueName="q")["QueueUrl"]
        assert str(NO_PORT) not in json.dumps(live.admin("elbv2").describe_load_balancers())
        api = live.admin("apigatewayv2").create_api(Name="a", ProtocolType="HTTP")
        assert api["ApiEndpoint"].endswith(f":{port}")


def test_what_gateways_needed_is_loaded_once(tmp_path):
    pool = Pool(tmp_path / "grader")

    def first_call():
        with pool.lease(object()) as gateway:
            AwsAccount(gateway.endpoint, ACCOUNT).client("ec2").describe_vpcs()
            [pid] = gateways(pool)[1]
            return mapped(pid) - mapped(gateways(pool)[0][0])

    before = first_call()
    deadline = time.monotonic() + 20
    try:
        while (after := first_call()) > before / 2:  # what is left is the account's own
            assert time.monotonic() < deadline, f"EC2 is loaded anew: {after} kB, {before} kB the first time"
    finally:
        pool.close()


def mapped(pid):
    """kB of private memory."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))


@pytest.mark.parametrize("victim", [0, 1], ids=["the prepared one", "the attempt"])
def test_a_killed_gateway_is_replaced(pool, victim):
    with Live(pool, None, {}, ACCOUNT) as live:
        first = live.endpoint
        [gateway], [attempt] = gateways(pool)
        os.kill([gateway, attempt][victim], signal.SIGKILL)
        with pytest.raises((BotoCoreError, HTTPClientError)):
            live.admin("s3").list_buckets()
    with Live(pool, None, {}, ACCOUNT) as live:
        assert live.endpoint != first
        assert buckets(live) == []
    for pid in (gateway, attempt):
        wait_until_gone(pid)


def test_a_gateway_that_died_idle_is_not_handed_out(pool):
    pool.warm()
    [gateway], _ = gateways(pool)
    os.kill(gateway, signal.SIGKILL)
    wait_until_gone(gateway)
    with Live(pool, None, {}, ACCOUNT) as live:
        assert buckets(live) == []


def test_a_killed_mould_is_replaced(pool):
    pool.warm()
    [gateway], _ = gateways(pool)
    pool.mould._process.kill()
    wait_until_gone(gateway)
    with Live(pool, None, {}, ACCOUNT) as live:
        assert buckets(live) == []


def test_no_process_is_left_of_an_attempt(pool):
    with Live(pool, None, {}, ACCOUNT) as live:
        assert live.endpoint
        [attempt] = gateways(pool)[1]
    wait_until_gone(attempt)
    assert gateways(pool)[1] == []


@pytest.fixture
def grader_and_gateways(tmp_path):
    """A grader that has an attempt, and the process ids of what it started; the grader is killed at the end."""
    start = (
        "import sys, time, pathlib, graders.live as g; p = g.Pool(pathlib.Path(sys.argv[1])); "
        "c = p.lease(); c.__enter__(); print(p.mould._process.pid, p.mould._folder, flush=True); time.sleep(60)"
    )
    grader = subprocess.Popen(
        [sys.executable, "-c", start, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    mould, folder = grader.stdout.readline().split()
    [gateway] = children(int(mould))
    [attempt] = children(gateway)
    yield grader, (int(mould), gateway, attempt)
    grader.kill()
    grader.wait()
    grader.stdout.close()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_killed_grader_takes_its_gateways_along(grader_and_gateways, tmp_path):
    grader, pids = grader_and_gateways
    grader.kill()
    for pid in pids:
        wait_until_gone(pid)
    Pool(tmp_path).close()
    assert not list(tmp_path.glob("gateway-*"))


def test_a_hung_gateway_of_a_killed_grader_ends_too(grader_and_gateways):
    grader, (mould, gateway, attempt) = grader_and_gateways
    os.kill(attempt, signal.SIGSTOP)
    os.kill(gateway, signal.SIGSTOP)  # it does not notice that its control socket closed
    grader.kill()
    for pid in (mould, gateway, attempt):
        wait_until_gone(pid)


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


def test_a_pool_that_is_closed_while_its_mould_starts_waits_for_nothing(tmp_path):
    pool = Pool(tmp_path / "grader")
    told = []

    def ask():
        with pytest.raises(LabError) as refused:
            pool.warm()
        told.append(str(refused.value))

    asking = threading.Thread(target=ask)
    asking.start()
    deadline = time.monotonic() + 10
    while pool.mould._starting is None:
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)
    starting = pool.mould._starting
    pool.close()
    asking.join(5)
    assert not asking.is_alive()
    assert starting.poll() == -signal.SIGKILL, "it was ended before it was ready"
    assert told


def test_a_gateway_that_cannot_start_says_why(tmp_path):
    pool = Pool(tmp_path / "grader", engine="no-such-engine")
    with pytest.raises(TemporaryError, match="no-such-engine"), pool.lease():
        pass
    pool.close()
