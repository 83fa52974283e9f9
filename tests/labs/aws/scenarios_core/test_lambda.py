"""Lambda as the labs use it (AWS Lambda Developer Guide and API Reference)."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from labs.aws.account import AwsAccount
from tests.labs.aws.scenarios_core.conftest import refusal

CODE = """
import os
def handler(event, context):
    if event.get("fail"):
        raise ValueError("no")
    return {"echo": event, "name": context.function_name, "colour": os.environ.get("COLOUR")}
"""


def packed(code: str = CODE) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        archive.writestr("app.py", code)
    return into.getvalue()


@pytest.fixture
def functions(admin: AwsAccount) -> Any:
    return admin.client("lambda")


@pytest.fixture
def role(admin: AwsAccount) -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    return str(
        admin.client("iam").create_role(RoleName="fn", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    )


def make(functions: Any, role: str, name: str = "fn", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = functions.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": packed()},
        Environment={"Variables": {"COLOUR": "red"}},
        **more,
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    return made


def test_a_function_is_made_changed_and_removed(admin: AwsAccount, functions: Any, role: str) -> None:
    made = make(functions, role, Tags={"a": "b"})
    arn = f"arn:aws:lambda:us-east-1:{admin.account}:function:fn"
    assert (made["FunctionArn"], made["Version"], made["MemorySize"], made["Timeout"]) == (arn, "$LATEST", 128, 3)
    got = functions.get_function(FunctionName="fn")
    assert (got["Configuration"]["State"], got["Tags"]) == ("Active", {"a": "b"})
    assert got["Configuration"]["CodeSha256"] == made["CodeSha256"]
    with pytest.raises(functions.exceptions.ResourceConflictException):
        make(functions, role)
    functions.update_function_configuration(FunctionName="fn", Timeout=10, MemorySize=256)
    functions.get_waiter("function_updated_v2").wait(FunctionName="fn")
    config = functions.get_function_configuration(FunctionName=arn)
    assert (config["Timeout"], config["MemorySize"]) == (10, 256)
    updated = functions.update_function_code(FunctionName="fn", ZipFile=packed(CODE + "\n# two"))
    assert updated["CodeSha256"] != made["CodeSha256"]
    assert [f["FunctionName"] for f in functions.list_functions()["Functions"]] == ["fn"]
    functions.tag_resource(Resource=arn, Tags={"c": "d"})
    functions.untag_resource(Resource=arn, TagKeys=["a"])
    assert functions.list_tags(Resource=arn)["Tags"] == {"c": "d"}
    functions.delete_function(FunctionName="fn")
    assert refusal(functions.get_function, FunctionName="fn") == "ResourceNotFoundException"
    assert refusal(functions.delete_function, FunctionName="fn") == "ResourceNotFoundException"
    assert refusal(functions.invoke, FunctionName="fn") == "ResourceNotFoundException"


def test_invoking_runs_the_code(functions: Any, role: str) -> None:
    make(functions, role)
    answer = functions.invoke(FunctionName="fn", Payload=json.dumps({"x": 1}), LogType="Tail")
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert json.loads(answer["Payload"].read()) == {"echo": {"x": 1}, "name": "fn", "colour": "red"}
    failed = functions.invoke(FunctionName="fn", Payload=json.dumps({"fail": True}))
    assert failed["FunctionError"] == "Unhandled"
    error = json.loads(failed["Payload"].read())
    assert error["errorMessage"] == "no"
    assert functions.invoke(FunctionName="fn", InvocationType="Event", Payload="{}")["StatusCode"] == 202
    assert functions.invoke(FunctionName="fn", InvocationType="DryRun")["StatusCode"] == 204


def test_versions_and_aliases(functions: Any, role: str) -> None:
    make(functions, role)
    assert functions.publish_version(FunctionName="fn", Description="one")["Version"] == "1"
    assert functions.publish_version(FunctionName="fn")["Version"] == "1"  # nothing changed
    functions.update_function_code(FunctionName="fn", ZipFile=packed(CODE + "\n# two"))
    functions.get_waiter("function_updated_v2").wait(FunctionName="fn")
    assert functions.publish_version(FunctionName="fn")["Version"] == "2"
    alias = functions.create_alias(FunctionName="fn", Name="live", FunctionVersion="1")
    assert alias["AliasArn"].endswith(":fn:live")
    assert refusal(functions.create_alias, FunctionName="fn", Name="live", FunctionVersion="1") == (
        "ResourceConflictException"
    )
    functions.update_alias(
        FunctionName="fn", Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.1}}
    )
    got = functions.get_alias(FunctionName="fn", Name="live")
    assert got["RoutingConfig"]["AdditionalVersionWeights"] == {"2": 0.1}
    assert functions.invoke(FunctionName="fn", Qualifier="1")["ExecutedVersion"] == "1"
    assert [v["Version"] for v in functions.list_versions_by_function(FunctionName="fn")["Versions"]] == [
        "$LATEST", "1", "2"
    ]  # fmt: skip
    assert [a["Name"] for a in functions.list_aliases(FunctionName="fn")["Aliases"]] == ["live"]
    functions.delete_alias(FunctionName="fn", Name="live")
    assert refusal(functions.get_alias, FunctionName="fn", Name="live") == "ResourceNotFoundException"


def test_permissions_concurrency_and_urls(functions: Any, role: str) -> None:
    make(functions, role)
    functions.add_permission(
        FunctionName="fn", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )
    policy = json.loads(functions.get_policy(FunctionName="fn")["Policy"])
    assert policy["Statement"][0]["Principal"] == {"Service": "s3.amazonaws.com"}
    again = {
        "FunctionName": "fn",
        "StatementId": "s3",
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
    }
    assert refusal(functions.add_permission, **again) == "ResourceConflictException"
    functions.remove_permission(FunctionName="fn", StatementId="s3")
    assert refusal(functions.get_policy, FunctionName="fn") == "ResourceNotFoundException"
    assert refusal(functions.remove_permission, FunctionName="fn", StatementId="s3") == "ResourceNotFoundException"
    functions.put_function_concurrency(FunctionName="fn", ReservedConcurrentExecutions=5)
    assert functions.get_function_concurrency(FunctionName="fn")["ReservedConcurrentExecutions"] == 5
    functions.delete_function_concurrency(FunctionName="fn")
    assert "ReservedConcurrentExecutions" not in functions.get_function_concurrency(FunctionName="fn")
    url = functions.create_function_url_config(FunctionName="fn", AuthType="AWS_IAM")
    assert url["AuthType"] == "AWS_IAM"
    assert functions.get_function_url_config(FunctionName="fn")["FunctionUrl"] == url["FunctionUrl"]
    functions.delete_function_url_config(FunctionName="fn")
    assert refusal(functions.get_function_url_config, FunctionName="fn") == "ResourceNotFoundException"
    assert functions.get_account_settings()["AccountLimit"]["ConcurrentExecutions"] > 0


def test_a_queue_feeds_a_function(admin: AwsAccount, functions: Any, role: str) -> None:
    make(functions, role)
    sqs = admin.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    mapping = functions.create_event_source_mapping(EventSourceArn=arn, FunctionName="fn", BatchSize=5)
    got = functions.get_event_source_mapping(UUID=mapping["UUID"])
    assert (got["BatchSize"], got["EventSourceArn"]) == (5, arn)
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    listed = functions.list_event_source_mappings(FunctionName="fn")["EventSourceMappings"]
    assert [m["UUID"] for m in listed] == [mapping["UUID"]]
    functions.delete_event_source_mapping(UUID=mapping["UUID"])


def test_bad_parameters(functions: Any, role: str) -> None:
    base = {"FunctionName": "fn", "Role": role, "Handler": "app.handler", "Code": {"ZipFile": packed()}}
    make_one = functions.create_function
    assert refusal(make_one, **base, Runtime="cobol1") in ("InvalidParameterValueException", "ValidationException")
    assert refusal(make_one, **{**base, "Code": {"ZipFile": b"no zip"}}, Runtime="python3.12") == (
        "InvalidParameterValueException"
    )
    layers = functions.list_layers()["Layers"]
    assert layers == []
    published = functions.publish_layer_version(LayerName="l", Content={"ZipFile": packed()})
    assert published["Version"] == 1
    assert functions.get_layer_version(LayerName="l", VersionNumber=1)["Version"] == 1
