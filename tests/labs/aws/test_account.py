"""Clients that share a boto3 client sign as whom they are for, in threads, paginators, waiters and presigned URLs."""

import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from graders.live import Pool
from labs.aws.account import AwsAccount

ACCOUNTS = ("111122223333", "444455556666")


@pytest.fixture(scope="module")
def accounts(tmp_path_factory):
    pool = Pool(tmp_path_factory.mktemp("grader"))
    with pool.lease() as gateway:
        yield [AwsAccount(gateway.endpoint, account) for account in ACCOUNTS]
    pool.close()


def test_each_signs_as_itself(accounts):
    clients = [account.client("sts") for account in accounts]
    with ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(lambda number: clients[number % 2].get_caller_identity()["Account"], range(40)))
    assert seen == [ACCOUNTS[number % 2] for number in range(40)]


def test_what_a_client_makes_signs_as_it_does(accounts, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"content")
    for account in accounts:
        s3, name = account.client("s3"), f"own-{account.account}"
        s3.create_bucket(Bucket=name)
        s3.get_waiter("bucket_exists").wait(Bucket=name, WaiterConfig={"Delay": 1, "MaxAttempts": 2})
        s3.upload_file(str(file), name, "key")      # by threads of boto3's own
        pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=name))
        assert [one["Key"] for page in pages for one in page["Contents"]] == ["key"]
        url = s3.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "key"})
        assert account.account in url
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert answer.read() == b"content"
    other = accounts[1].client("s3")
    with pytest.raises(other.exceptions.ClientError, match=r"AccessDenied|Forbidden"):
        other.get_object(Bucket=f"own-{ACCOUNTS[0]}", Key="key")


def test_an_event_handler_is_its_own_clients(accounts):
    seen = []
    first, second = (accounts[0].client("sts") for _ in range(2))
    first.meta.events.register("before-sign.sts", lambda **_: seen.append("first"))
    assert second.get_caller_identity()["Account"] == ACCOUNTS[0]
    assert accounts[0].client("sts").get_caller_identity()["Account"] == ACCOUNTS[0]
    assert seen == []
    assert first.get_caller_identity()["Account"] == ACCOUNTS[0]
    assert seen == ["first"]


def test_it_looks_like_a_client(accounts):
    sqs = accounts[0].client("sqs")
    assert sqs.can_paginate("list_queues")
    assert "send_message" in dir(sqs)
    assert sqs.meta.service_model.service_name == "sqs"
    with pytest.raises(AttributeError):
        _ = sqs.no_such_operation
