"""Each service is answered by the engine that the table names, and what no engine has is refused as AWS would."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount
from labs.aws.engines import SERVICE
from labs.aws.engines.routed import RoutedEngine, served_elsewhere
from labs.aws.gateway import directory


def refusal(call: Callable[..., Any], **params: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_the_table_names_real_services_once() -> None:
    table = served_elsewhere("ministack")
    assert set(table) <= set(directory.entries())
    assert set(table.values()) == {"moto", "labs"}
    assert served_elsewhere("moto") == {}


def test_a_gap_is_filled_with_accounts_and_regions_apart(new_account: Callable[[], AwsAccount]) -> None:
    one, other = new_account(), new_account()
    detector = one.client("guardduty").create_detector(Enable=True)["DetectorId"]
    assert one.client("guardduty").list_detectors()["DetectorIds"] == [detector]
    assert one.client("guardduty", region="eu-west-1").list_detectors()["DetectorIds"] == []
    assert other.client("guardduty").list_detectors()["DetectorIds"] == []


def test_a_gap_is_authorised_like_everything_else(account: AwsAccount) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="alice")
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    alice = account.client_as("ce", key["AccessKeyId"], key["SecretAccessKey"])
    assert refusal(alice.list_cost_allocation_tags) == ("AccessDeniedException", 400)


@pytest.mark.parametrize(
    ("service", "operation", "params", "code"),
    [
        ("kms", "describe_custom_key_stores", {}, "UnknownOperationException"),  # json, MiniStack
        ("ce", "list_commitment_purchase_analyses", {}, "UnknownOperationException"),  # ours
        ("macie2", "get_usage_totals", {}, "UnknownOperationException"),  # moto
        ("sns", "list_phone_numbers_opted_out", {}, "InvalidAction"),  # query
        ("ec2", "describe_fpga_images", {}, "UnsupportedOperation"),  # ec2
        ("fis", "list_actions", {}, "UnknownOperationException"),  # rest-json, a path moto has no route for
        ("auditmanager", "get_settings", {"attribute": "ALL"}, "UnknownOperationException"),  # in no engine at all
    ],
)
def test_what_no_engine_has_is_refused_in_the_protocols_own_shape(
    account: AwsAccount, service: str, operation: str, params: dict[str, Any], code: str
) -> None:
    assert refusal(getattr(account.client(service), operation), **params) == (code, 400)


def test_reset_empties_every_engine(tmp_path: Path, start_gateway: Any) -> None:
    running = start_gateway(tmp_path)
    try:
        account = running.account("123456789012")
        account.client("guardduty").create_detector(Enable=True)
        account.client("sqs").create_queue(QueueName="q")
        with urllib.request.urlopen(urllib.request.Request(running.endpoint + "/_lab/reset", method="POST")) as answer:
            assert json.load(answer)["reset"] == "ministack"
        assert account.client("guardduty").list_detectors()["DetectorIds"] == []
        assert not account.client("sqs").list_queues().get("QueueUrls")
    finally:
        running.stop()


def test_an_idle_gateway_does_not_load_the_other_engine(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from labs.aws.engines import load;"
        f"load('ministack', None, Path({str(tmp_path)!r}), ('127.0.0.1', 4999));"
        "print([name for name in sys.modules if name.partition('.')[0] in ('moto', 'flask')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


class Recorder:
    """An engine that notes what it was asked."""

    shared = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope.get(SERVICE, ""))

    async def start(self) -> None:
        self.asked.append("start")

    async def stop(self) -> None:
        self.asked.append("stop")

    async def reset(self) -> None:
        self.asked.append("reset")


def test_another_engine_is_made_once_and_shares_the_life_of_the_default() -> None:
    default, made = Recorder("default"), []

    def make() -> Recorder:
        made.append(Recorder("other"))
        return made[-1]

    async def life() -> None:
        engine = RoutedEngine(default, {"other": make}, {"ce": "other"})
        assert (engine.name, engine.serving("ce"), engine.serving("s3")) == ("default", "other", "default")
        await engine.start()
        await engine.reset()
        await asyncio.gather(*(engine({SERVICE: service}, None, None) for service in ("s3", "ce", "ce")))
        await engine.reset()
        await engine.stop()

    asyncio.run(life())
    assert default.asked == ["start", "reset", "s3", "reset", "stop"]
    assert [other.asked for other in made] == [["start", "ce", "ce", "reset", "stop"]]
