"""Rotation through boto3: a real function is called four times, labels move as AWS moves them, failures leave what AWS
leaves.  The "protected service" is a queue per password: ``setSecret`` makes it, ``testSecret`` looks for it."""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount
from tests.labs.aws.gateway.functions import (
    allow,
    document,
    make_function,
    make_role,
    permit,
    rotation_events,
    until,
    zipped,
)

ROTATE = """
import json, os, boto3
sm, sqs = boto3.client("secretsmanager"), boto3.client("sqs")

def handler(event, context):
    secret, token, step = event["SecretId"], event["ClientRequestToken"], event["Step"]
    if os.environ.get("TRACE"):
        sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="trace")["QueueUrl"], MessageBody=json.dumps(event))
    if os.environ.get("FAIL") == step:
        raise RuntimeError("told to fail at " + step)
    stages = sm.describe_secret(SecretId=secret)["VersionIdsToStages"]
    if "AWSCURRENT" in stages.get(token, []):
        return
    assert "AWSPENDING" in stages[token], stages
    if step == "createSecret":
        try:
            sm.get_secret_value(SecretId=secret, VersionId=token, VersionStage="AWSPENDING")
        except sm.exceptions.ResourceNotFoundException:
            password = sm.get_random_password(ExcludePunctuation=True)["RandomPassword"]
            sm.put_secret_value(SecretId=secret, ClientRequestToken=token, VersionStages=["AWSPENDING"],
                                SecretString=json.dumps({"password": password}))
    elif step == "finishSecret":
        current = next(v for v, labels in stages.items() if "AWSCURRENT" in labels)
        sm.update_secret_version_stage(SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId=token,
                                       RemoveFromVersionId=current)
    else:
        password = json.loads(sm.get_secret_value(SecretId=secret, VersionId=token)["SecretString"])["password"]
        (sqs.create_queue if step == "setSecret" else sqs.get_queue_url)(QueueName=password)
"""
STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"]
ROLE = (
    allow(["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue",
           "secretsmanager:UpdateSecretVersionStage", "secretsmanager:GetRandomPassword", "sqs:*"]),
)  # fmt: skip


@dataclass
class Place:
    """A secret and a rotation function that may be called for it."""

    account: AwsAccount
    client: Any
    secret: str
    function: str
    first: str

    def rotate(self, **more: Any) -> dict[str, Any]:
        return self.client.rotate_secret(
            SecretId=self.secret, RotationLambdaARN=self.function, RotationRules={"AutomaticallyAfterDays": 30}, **more
        )

    def stages(self) -> dict[str, list[str]]:
        return self.client.describe_secret(SecretId=self.secret)["VersionIdsToStages"]

    def value(self, **more: Any) -> str:
        return str(json.loads(self.client.get_secret_value(SecretId=self.secret, **more)["SecretString"])["password"])

    def ended(self, name: str, times: int = 1) -> list[dict[str, Any]]:
        """The service events of this name, once there are as many."""

        def look() -> Any:
            found = [e for e in rotation_events(self.account, self.secret) if e["eventName"] == name]
            return found if len(found) >= times else None

        return until(f"{name} number {times}", look)

    def configure(self, **environment: str) -> None:
        self.account.client("lambda").update_function_configuration(
            FunctionName=self.function, Environment={"Variables": environment}
        )


@pytest.fixture
def place(account: AwsAccount) -> Place:
    function = make_function(account, ROTATE, make_role(account, *ROLE))
    permit(account, function)
    client = account.client("secretsmanager")
    made = client.create_secret(Name=f"shop/{uuid.uuid4().hex[:8]}", SecretString='{"password": "first"}')
    first = next(iter(client.describe_secret(SecretId=made["ARN"])["VersionIdsToStages"]))
    return Place(account, client, made["ARN"], function, first)


def code_of(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_function_is_called_four_times_and_the_labels_move(place: Place) -> None:
    sqs = place.account.client("sqs")
    trace = sqs.create_queue(QueueName="trace")["QueueUrl"]
    place.configure(TRACE="1")
    before = datetime.datetime.now(datetime.UTC)
    answer = place.rotate()
    token = answer["VersionId"]
    place.ended("RotationSucceeded")
    assert place.stages() == {place.first: ["AWSPREVIOUS"], token: ["AWSCURRENT"]}
    assert place.value() != "first" == place.value(VersionStage="AWSPREVIOUS")
    sent = [json.loads(m["Body"]) for _ in range(8)
            for m in sqs.receive_message(QueueUrl=trace, MaxNumberOfMessages=1).get("Messages", [])]  # fmt: skip
    assert sorted(e["Step"] for e in sent) == sorted(STEPS)
    assert {(e["SecretId"], e["ClientRequestToken"]) for e in sent} == {(place.secret, token)}
    said = place.client.describe_secret(SecretId=place.secret)
    assert said["RotationEnabled"]
    assert said["RotationLambdaARN"] == place.function
    assert said["RotationRules"] == {"AutomaticallyAfterDays": 30}
    assert before.replace(microsecond=0) <= said["LastRotatedDate"]
    assert (said["NextRotationDate"] - said["LastRotatedDate"]).days == 30
    listed = [s for s in place.client.list_secrets()["SecretList"] if s["ARN"] == place.secret]
    assert listed[0]["RotationEnabled"]
    assert listed[0]["LastRotatedDate"] == said["LastRotatedDate"]


def test_a_second_rotation_follows_with_what_is_stored_and_two_versions_stay(place: Place) -> None:
    second = place.rotate()["VersionId"]
    place.ended("RotationSucceeded")
    third = place.client.rotate_secret(SecretId=place.secret)["VersionId"]
    place.ended("RotationSucceeded", 2)
    assert place.stages() == {second: ["AWSPREVIOUS"], third: ["AWSCURRENT"]}


@pytest.mark.parametrize("step", STEPS)
def test_failure_at_a_step_leaves_pending_and_the_next_call_reattempts_it(place: Place, step: str) -> None:
    place.configure(FAIL=step)
    token = place.rotate()["VersionId"]
    failed = place.ended("RotationFailed")[0]["additionalEventData"]
    assert failed["step"] == step
    assert f"told to fail at {step}" in failed["reason"]
    assert place.stages() == {place.first: ["AWSCURRENT"], token: ["AWSPENDING"]}
    assert place.value() == "first"
    asked = {"SecretId": place.secret, "VersionId": token, "VersionStage": "AWSPENDING"}
    if step == "createSecret":
        assert code_of(place.client.get_secret_value, **asked)[0] == "ResourceNotFoundException"
        listed = place.client.list_secret_version_ids(SecretId=place.secret)["Versions"]
        assert {v["VersionId"]: v["VersionStages"] for v in listed}[token] == ["AWSPENDING"]
    else:
        pending = place.value(VersionStage="AWSPENDING")
    assert "LastRotatedDate" not in place.client.describe_secret(SecretId=place.secret)
    place.configure()
    code, message = code_of(place.client.rotate_secret, SecretId=place.secret)
    assert code == "InvalidRequestException"
    assert message == "A previous rotation isn't complete. That rotation will be reattempted."
    place.ended("RotationSucceeded")
    assert place.stages() == {place.first: ["AWSPREVIOUS"], token: ["AWSCURRENT"]}
    assert step == "createSecret" or place.value() == pending


def test_the_same_token_again_is_the_same_rotation(place: Place) -> None:
    token = str(uuid.uuid4())
    for _ in range(2):
        assert place.rotate(ClientRequestToken=token)["VersionId"] == token
    place.ended("RotationSucceeded")
    assert place.rotate(ClientRequestToken=token)["VersionId"] == token
    assert [e["eventName"] for e in rotation_events(place.account, place.secret)] == [
        "RotationStarted", "RotationSucceeded"]  # fmt: skip


def test_without_the_functions_permission_nothing_rotates(place: Place) -> None:
    client = place.account.client("lambda")
    client.remove_permission(FunctionName=place.function, StatementId="secrets")
    refusal = (
        "AccessDeniedException",
        "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to "
        "the principal secretsmanager.amazonaws.com.",
    )
    assert code_of(place.rotate) == refusal
    permit(place.account, place.function, SourceAccount="999999999999")
    assert code_of(place.rotate) == refusal
    client.remove_permission(FunctionName=place.function, StatementId="secrets")
    permit(place.account, place.function, SourceAccount=place.account.account)
    assert place.stages() == {place.first: ["AWSCURRENT"]}
    place.rotate()
    place.ended("RotationSucceeded")


def test_the_caller_needs_both_permissions_and_the_function_its_own(place: Place) -> None:
    iam = place.account.client("iam")
    iam.create_user(UserName="operator")
    key = iam.create_access_key(UserName="operator")["AccessKey"]
    mine = place.account.client_as("secretsmanager", key["AccessKeyId"], key["SecretAccessKey"])
    asked = {"SecretId": place.secret, "RotationLambdaARN": place.function}
    for actions, missing in (("secretsmanager:RotateSecret", "lambda:InvokeFunction"),
                             ("lambda:InvokeFunction", "secretsmanager:RotateSecret")):  # fmt: skip
        iam.put_user_policy(UserName="operator", PolicyName="p", PolicyDocument=document(allow(actions)))
        code, message = code_of(mine.rotate_secret, **asked)
        assert code == "AccessDeniedException"
        assert f"is not authorized to perform: {missing}" in message
    role = place.account.client("lambda").get_function_configuration(FunctionName=place.function)["Role"]
    iam.put_role_policy(RoleName=role.rpartition("/")[2], PolicyName="p", PolicyDocument=document(
        allow("secretsmanager:DescribeSecret")))  # fmt: skip
    place.rotate()
    reason = place.ended("RotationFailed")[0]["additionalEventData"]["reason"]
    assert "is not authorized to perform: secretsmanager:GetSecretValue" in reason


def test_a_policy_may_ask_which_function_rotates_the_secret(place: Place) -> None:
    place.rotate()
    place.ended("RotationSucceeded")
    iam = place.account.client("iam")
    iam.create_user(UserName="operator")
    key = iam.create_access_key(UserName="operator")["AccessKey"]
    mine = place.account.client_as("secretsmanager", key["AccessKeyId"], key["SecretAccessKey"])
    for function, allowed in ((place.function, True), (f"{place.function}-other", False)):
        condition = {"StringEquals": {"secretsmanager:resource/AllowRotationLambdaArn": function}}
        iam.put_user_policy(UserName="operator", PolicyName="p", PolicyDocument=document(
            {**allow("secretsmanager:DescribeSecret"), "Condition": condition}))  # fmt: skip
        if allowed:
            assert mine.describe_secret(SecretId=place.secret)["ARN"] == place.secret
        else:
            assert code_of(mine.describe_secret, SecretId=place.secret)[0] == "AccessDeniedException"


def test_testing_a_configuration_calls_one_step_and_changes_no_label(place: Place) -> None:
    place.configure(FAIL="testSecret")
    answer = place.rotate(RotateImmediately=False)
    assert answer["ARN"] == place.secret
    until("end of the test", lambda: place.stages() == {place.first: ["AWSCURRENT"]})
    said = place.client.describe_secret(SecretId=place.secret)
    assert said["RotationEnabled"]
    assert "LastRotatedDate" not in said
    assert said["NextRotationDate"]
    assert not [e for e in rotation_events(place.account, place.secret) if e["eventName"].startswith("Rotation")]


def test_cancel_stops_a_rotation_and_leaves_the_labels(place: Place) -> None:
    source = "import time\ndef handler(e, c): time.sleep(15)"
    place.account.client("lambda").update_function_code(FunctionName=place.function, ZipFile=zipped(source))
    token = place.rotate()["VersionId"]
    until("start", lambda: rotation_events(place.account, place.secret))
    assert place.client.cancel_rotate_secret(SecretId=place.secret)["VersionId"] == token
    assert place.stages() == {place.first: ["AWSCURRENT"], token: ["AWSPENDING"]}
    said = place.client.describe_secret(SecretId=place.secret)
    assert said["RotationEnabled"] is False
    assert "NextRotationDate" not in said
    move = {"SecretId": place.secret, "VersionStage": "AWSPENDING", "RemoveFromVersionId": token}
    place.client.update_secret_version_stage(**move)
    assert place.stages() == {place.first: ["AWSCURRENT"]}
    place.account.client("lambda").update_function_code(FunctionName=place.function, ZipFile=zipped(ROTATE))
    place.rotate()
    place.ended("RotationSucceeded")


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({}, "InvalidRequestException", "No Lambda rotation function ARN is associated with this secret."),
        ({"RotationRules": {"AutomaticallyAfterDays": 3, "ScheduleExpression": "rate(4 hours)"}},
         "InvalidParameterException", "both"),
        ({"RotationRules": {"ScheduleExpression": "rate(1 hour)"}}, "InvalidParameterException", "4 hours"),
        ({"RotationRules": {"ScheduleExpression": "cron(5 8 * * ? *)"}}, "InvalidParameterException", "minutes"),
        ({"SecretId": "not-there"}, "ResourceNotFoundException", "can't find the specified secret"),
        ({"RotationLambdaARN": "arn:aws:lambda:us-east-1:{account}:function:none"}, "ResourceNotFoundException",
         "Lambda does not exist"),
    ],
)  # fmt: skip
def test_bad_requests_get_secrets_managers_own_errors(
    place: Place, params: dict[str, Any], code: str, message: str
) -> None:
    filled = json.loads(json.dumps(params).replace("{account}", place.account.account))
    found = code_of(place.client.rotate_secret, **{"SecretId": place.secret, **filled})
    assert found[0] == code
    assert message in found[1]


def test_a_secret_marked_for_deletion_does_not_rotate(place: Place) -> None:
    place.client.delete_secret(SecretId=place.secret)
    assert code_of(place.rotate) == (
        "InvalidRequestException",
        "You can't perform this operation on the secret because it was marked for deletion.")  # fmt: skip


def test_current_moves_only_from_where_it_is_and_a_version_is_written_once(place: Place) -> None:
    client, token = place.client, str(uuid.uuid4())
    put = {"SecretId": place.secret, "ClientRequestToken": token, "VersionStages": ["AWSPENDING"]}
    client.put_secret_value(**put, SecretString="a")
    assert client.put_secret_value(**put, SecretString="a")["VersionId"] == token
    assert code_of(client.put_secret_value, **put, SecretString="b")[0] == "ResourceExistsException"
    move = {"SecretId": place.secret, "VersionStage": "AWSCURRENT", "MoveToVersionId": token}
    code, message = code_of(client.update_secret_version_stage, **move)
    assert code == "InvalidParameterException"
    assert message == (
        "The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version "
        f"{place.first}, so you must explicitly reference that version in RemoveFromVersionId."
    )
    client.update_secret_version_stage(**move, RemoveFromVersionId=place.first)
    assert place.stages() == {place.first: ["AWSPREVIOUS"], token: ["AWSCURRENT"]}


def test_no_secret_value_is_in_the_event_history(place: Place) -> None:
    place.rotate()
    place.ended("RotationSucceeded")
    events = place.account.client("cloudtrail").lookup_events()["Events"]
    assert "PutSecretValue" in {event["EventName"] for event in events}
    assert not [event for event in events if '"password' in event["CloudTrailEvent"]]
