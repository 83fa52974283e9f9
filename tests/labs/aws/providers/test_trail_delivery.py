"""Queues of trails: bounded, and nothing runs after the end."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path
from typing import Any

import pytest

from labs.aws.iam import Decision, Principal, PrincipalType, Request
from labs.aws.providers import trail_delivery
from labs.aws.providers.trail_delivery import Delivery
from labs.aws.providers.trail_digests import SigningKey
from labs.errors import PermanentError

ACCOUNT = "123456789012"


class Bucket:
    """In place of engine and authorizer: a bucket that takes files while ``opened``."""

    def __init__(self, opened: bool = True) -> None:
        self.opened = opened
        self.files: dict[str, bytes] = {}

    async def bucket_owner(self, bucket: str, account: str) -> str:
        return account

    async def service_may(self, *asked: Any) -> Decision:
        caller = Principal(trail_delivery.SERVICE, "", PrincipalType.SERVICE)
        return Decision(Request(caller, asked[1], asked[2]), self.opened)

    async def call(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        self.files[params["Key"]] = params["Body"]
        return {}


def trail(name: str = "audit", **changed: Any) -> dict[str, Any]:
    flags = {"global": True, "multi": False, "validation": False, "basic": None, "advanced": None}
    arn = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/{name}"
    place = {"arn": arn, "name": name, "account": ACCOUNT, "region": "us-east-1", "bucket": "logs", "prefix": ""}
    return {**place, **flags, "logging": [[0.0, None]], "status": {}, "chains": {}, "tags": {}, **changed}


def record(name: str = "CreateUser", **changed: Any) -> dict[str, Any]:
    event = {"eventName": name, "eventSource": "iam.amazonaws.com", "awsRegion": "us-east-1", "readOnly": False}
    more = {"eventCategory": "Management", "recipientAccountId": ACCOUNT, "eventTime": "2026-11-25T00:00:00Z"}
    return {**event, **more, **changed}


def delivery(bucket: Bucket, tmp_path: Path) -> Delivery:
    return Delivery(bucket, bucket, SigningKey(tmp_path / "key.pem"), lambda: None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "event", "wanted"),
    [
        ({}, {}, True),
        ({}, {"awsRegion": "eu-west-1"}, False),
        ({"multi": True}, {"awsRegion": "eu-west-1"}, True),
        ({"global": False}, {}, False),
        ({"global": False}, {"eventSource": "sns.amazonaws.com"}, True),
        ({}, {"recipientAccountId": "999999999999"}, False),
        ({"basic": [{"ReadWriteType": "ReadOnly"}]}, {}, False),
        ({"basic": [{"ExcludeManagementEventSources": ["kms.amazonaws.com"]}]},
         {"eventSource": "kms.amazonaws.com"}, False),
    ],
)  # fmt: skip
def test_a_trail_takes_what_it_is_set_to(
    tmp_path: Path, changed: dict[str, Any], event: dict[str, Any], wanted: bool
) -> None:
    async def run() -> dict[str, bytes]:
        bucket = Bucket()
        made = delivery(bucket, tmp_path)
        made.follow([trail(**changed)])
        made.offer(record(**event))
        made.start()
        await made.stop()
        return bucket.files

    assert bool(asyncio.run(run())) is wanted


def test_events_that_nobody_takes_fill_a_bounded_room_and_the_newest_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail_delivery, "MAX_WAITING", 10_000)
    bucket = Bucket(opened=False)

    async def run() -> None:
        made, audit = delivery(bucket, tmp_path), trail()
        made.follow([audit])
        for number in range(1_000):
            made.offer(record(f"Call{number}"))
            if number % 300 == 0:
                assert (await made.deliver(audit))["error"] == "AccessDenied"
        assert made._bytes <= 10_000
        bucket.opened = True
        await made.deliver(audit)
        assert made._bytes == 0

    asyncio.run(run())
    (content,) = bucket.files.values()
    assert b"Call999" in gzip.decompress(content)
    assert b'"Call0"' not in gzip.decompress(content)


@pytest.mark.parametrize("name", ["LABS_CLOUDTRAIL_DELIVERY_SECONDS", "LABS_CLOUDTRAIL_DIGEST_SECONDS"])
@pytest.mark.parametrize("given", ["soon", "0", "-1", "inf", "nan"])
def test_a_period_that_is_none_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, given: str
) -> None:
    monkeypatch.setenv(name, given)
    with pytest.raises(PermanentError, match=name):
        delivery(Bucket(), tmp_path)


def test_periods_are_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABS_CLOUDTRAIL_DELIVERY_SECONDS", "0.05")
    monkeypatch.setenv("LABS_CLOUDTRAIL_DIGEST_SECONDS", "0.05")

    async def run() -> list[str]:
        bucket, audit = Bucket(), trail(validation=True)
        made = delivery(bucket, tmp_path)
        made.follow([audit])
        made.start()
        made.offer(record())
        async with asyncio.timeout(20):
            while len(bucket.files) < 2:
                await asyncio.sleep(0.01)
        await made.stop()
        return [key.split("/")[2] for key in bucket.files]

    assert asyncio.run(run())[:2] == ["CloudTrail", "CloudTrail-Digest"]


def test_no_task_is_left_and_an_idle_one_sleeps_without_a_timer(tmp_path: Path) -> None:
    async def run() -> None:
        made = delivery(Bucket(), tmp_path)
        made.start()
        await asyncio.sleep(0)
        task = made._task
        assert task is not None
        assert not asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
        await made.stop()
        assert task.done()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_nothing_comes_after_the_event_that_ends_a_trail(tmp_path: Path) -> None:
    """The last file is written by a task: what happens until then is not the trail's any more."""
    async def run() -> dict[str, bytes]:
        bucket = Bucket()
        ended = trail()
        made = delivery(bucket, tmp_path)
        made.follow([ended])
        made.finish(ended)
        for name in ("CreateUser", "StopLogging", "DeleteUser"):  # the first had begun before
            made.offer(record(name))
        await made.finished(ended)
        return bucket.files

    (content,) = asyncio.run(run()).values()
    text = gzip.decompress(content).decode()
    assert "CreateUser" in text
    assert "StopLogging" in text
    assert "DeleteUser" not in text
