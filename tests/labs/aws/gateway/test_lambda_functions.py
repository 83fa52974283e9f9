"""Functions run with their execution role's own credentials, limits and log, called through boto3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount
from tests.labs.aws.gateway.functions import allow, make_function, make_role, until

WHO = """
import json, os, boto3
def handler(event, context):
    print("hello from", context.function_name)
    who = boto3.client("sts").get_caller_identity()["Arn"]
    try:
        boto3.client("sqs").list_queues()
        queues = "allowed"
    except Exception as error:
        queues = str(error)
    left = context.get_remaining_time_in_millis()
    return {"who": who, "queues": queues, "event": event, "left": left, "names": sorted(os.environ)}
"""


def invoke(account: AwsAccount, function: str, event: Any = None, **more: Any) -> tuple[dict[str, Any], Any]:
    answer = account.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode(), **more)
    return answer, json.loads(answer["Payload"].read() or b"null")


def test_function_is_its_role_and_what_the_role_may_not_do_is_denied(account: AwsAccount) -> None:
    role = make_role(account, allow("logs:*"))
    function = make_function(account, WHO, role, Environment={"Variables": {"SHOP": "a", "AWS_ACCESS_KEY_ID": "x"}})
    answer, said = invoke(account, function, {"n": 1})
    assert "FunctionError" not in answer
    name = function.rpartition(":")[2]
    assert said["who"] == role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + f"/{name}"
    assert "because no identity-based policy allows the sqs:listqueues action" in said["queues"].lower()
    assert said["event"] == {"n": 1}
    assert 0 < said["left"] <= 20_000
    assert "SHOP" in said["names"]
    assert "LABS_HOME" not in said["names"]
    assert "PYTHONPATH" not in said["names"]
    account.client("iam").put_role_policy(
        RoleName=role.rpartition("/")[2], PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow("sqs:ListQueues")]}))
    assert invoke(account, function)[1]["queues"] == "allowed"


def test_what_a_function_prints_is_in_its_log_group_if_its_role_may_write_there(account: AwsAccount) -> None:
    logs = account.client("logs")
    silent = make_function(account, WHO, make_role(account))
    loud = make_function(account, WHO, make_role(account, allow("logs:*")))
    for function in (silent, loud):
        invoke(account, function)
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    assert groups == [f"/aws/lambda/{loud.rpartition(':')[2]}"]
    lines = [event["message"] for event in logs.filter_log_events(logGroupName=groups[0])["events"]]
    assert lines[0].startswith("START RequestId")
    assert lines[-1].startswith("REPORT RequestId")
    assert any(line.startswith("hello from") for line in lines)


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("def handler(e, c): raise ValueError('no such step')", "ValueError", "no such step"),
        ("import nothing_like_it\ndef handler(e, c): pass", "Runtime.ImportModuleError", "No module named"),
        ("def other(e, c): pass", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("def handler(e, c): return {1, 2}", "Runtime.MarshalError", "Unable to marshal response"),
        ("import os\ndef handler(e, c): os._exit(3)", "Runtime.ExitError", "exit status 3"),
        ("def handler(e, c):\n  while True: pass", "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ("def handler(e, c): return 'x' * (7 << 20)", "Function.ResponseSizeTooLarge", "maximum allowed payload"),
        ("def handler(e, c): return len('x' * (4 << 30))", "MemoryError", ""),
    ],
)  # fmt: skip
def test_a_function_fails_in_lambdas_words(account: AwsAccount, source: str, kind: str, message: str) -> None:
    function = make_function(account, source, make_role(account), Timeout=1 if "while" in source else 10)
    answer, said = invoke(account, function, LogType="Tail")
    assert answer["StatusCode"] == 200
    assert answer["FunctionError"] == "Unhandled"
    assert said["errorType"] == kind
    assert message in said["errorMessage"]
    assert answer["LogResult"]


def test_a_process_that_outlives_its_function_is_ended(account: AwsAccount, tmp_path: Any) -> None:
    source = (
        "import os, time\n"
        "def handler(e, c):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        time.sleep(600)\n"
        "    return 'done'\n"
    )
    assert invoke(account, make_function(account, source, make_role(account)))[1] == "done"  # conftest looks for it


def test_a_role_that_lambda_may_not_assume_runs_nothing(account: AwsAccount) -> None:
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    function = make_function(account, WHO, make_role(account, trust=trust))
    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        invoke(account, function)


def test_dry_run_runs_nothing_and_an_event_runs_afterwards(account: AwsAccount) -> None:
    source = "import boto3\ndef handler(e, c): boto3.client('sqs').create_queue(QueueName=e['name'])"
    function = make_function(account, source, make_role(account, allow("sqs:*")))
    sqs = account.client("sqs")
    assert invoke(account, function, {"name": "dry"}, InvocationType="DryRun")[0]["StatusCode"] == 204
    assert invoke(account, function, {"name": "later"}, InvocationType="Event")[0]["StatusCode"] == 202
    urls = until("queue", lambda: sqs.list_queues().get("QueueUrls"))
    assert [url.rpartition("/")[2] for url in urls] == ["later"]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"FunctionName": "not-there"}, "ResourceNotFoundException"),
        ({"Payload": b"{not json"}, "InvalidRequestContentException"),
        ({"Qualifier": "live"}, "ResourceNotFoundException"),
    ],
)
def test_a_call_that_cannot_be_made_is_refused(account: AwsAccount, params: dict[str, Any], code: str) -> None:
    function = make_function(account, WHO, make_role(account))
    with pytest.raises(ClientError) as caught:
        account.client("lambda").invoke(**{"FunctionName": function, **params})
    assert caught.value.response["Error"]["Code"] == code


def test_a_runtime_that_is_not_python_is_refused_rather_than_run_as_somebody_else(account: AwsAccount) -> None:
    function = make_function(account, "exports.handler = 1", make_role(account), Runtime="nodejs22.x")
    with pytest.raises(ClientError, match="InvalidRuntimeException"):
        invoke(account, function)
