"""What lab b5 puts into the account: three secrets, and a rotation function made of given and of changeable steps."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from labs.scenarios.base import Values
from labs.scenarios.creation import administrator
from labs.scenarios.removal import already_gone

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount

RUNTIME = "python3.13"
FUNCTION_SECONDS = 20
SECRETS = ("secret", "admin_secret", "other_secret")
NOTHING_YET = {"username": "nobody", "password": "nothing yet", "host": "127.0.0.1", "port": "1", "dbname": "shop"}
GONE = frozenset({"ResourceNotFoundException"})

# The part of the function that stays as it is.  Its shape is that of AWS's templates: a handler that looks at the
# labels and calls one of four steps.
HANDLER = '''
import json
import os

import boto3
import pg8000.native

import steps


def handler(event, context):
    client = boto3.client("secretsmanager")
    arn, token, step = event["SecretId"], event["ClientRequestToken"], event["Step"]
    labels = client.describe_secret(SecretId=arn)["VersionIdsToStages"].get(token, [])
    print(step, "version", token[:8], "has", labels)
    if "AWSCURRENT" in labels:
        return
    if "AWSPENDING" not in labels:
        raise ValueError(f"version {token} is not AWSPENDING, so it cannot be rotated")
    {"createSecret": steps.create_secret, "setSecret": set_secret, "testSecret": test_secret,
     "finishSecret": steps.finish_secret}[step](client, arn, token)


def set_secret(client, arn, token):
    """Give the pending version's user the pending password; make the user if there is none."""
    wanted, admin = login(client, arn, token), login(client, os.environ["ADMIN_SECRET"])
    known = {os.environ["DB_USER"], os.environ["DB_USER"] + "_clone"}
    if wanted["username"] not in known:
        raise ValueError(f"user {wanted['username']!r} is none of the shop's: {sorted(known)}")
    database = connect(admin)
    if not database.run("SELECT 1 FROM pg_roles WHERE rolname = :name", name=wanted["username"]):
        database.run(f"CREATE ROLE {wanted['username']} LOGIN IN ROLE shop_app")
    password = wanted["password"].replace("'", "''")
    database.run(f"ALTER ROLE {wanted['username']} PASSWORD '{password}'")
    database.close()


def test_secret(client, arn, token):
    """Use the pending login as the shop would."""
    database = connect(login(client, arn, token))
    database.run("SELECT count(*) FROM products")
    database.close()


def login(client, secret, version=None):
    more = {"VersionId": version} if version else {}
    return json.loads(client.get_secret_value(SecretId=secret, **more)["SecretString"])


def connect(found):
    return pg8000.native.Connection(found["username"], password=found["password"], host=found["host"],
                                    port=int(found["port"]), database=found["dbname"], timeout=5)
'''

# What the lab begins with: it rotates, and it changes the password of the very user whose sessions are at work.
SINGLE_USER_STEPS = '''
import json


def create_secret(client, arn, token):
    login = json.loads(client.get_secret_value(SecretId=arn, VersionStage="AWSCURRENT")["SecretString"])
    login["password"] = client.get_random_password(ExcludePunctuation=True)["RandomPassword"]
    client.put_secret_value(SecretId=arn, ClientRequestToken=token, SecretString=json.dumps(login),
                            VersionStages=["AWSPENDING"])


def finish_secret(client, arn, token):
    stages = client.describe_secret(SecretId=arn)["VersionIdsToStages"]
    current = next(version for version, labels in stages.items() if "AWSCURRENT" in labels)
    client.update_secret_version_stage(SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=token,
                                       RemoveFromVersionId=current)
'''


def ensure_secrets(aws: AwsAccount, values: Values) -> dict[str, str]:
    """The ARNs of the lab's secrets by their key in ``values``; those that are missing are made."""
    client, arns = administrator(aws, "secretsmanager"), {}
    for key in SECRETS:
        text = json.dumps(NOTHING_YET if key != "other_secret" else {"token": "for the payment provider"})
        try:
            arns[key] = client.describe_secret(SecretId=values[key])["ARN"]
        except ClientError as error:
            if error.response["Error"]["Code"] not in GONE:
                raise
            arns[key] = client.create_secret(Name=values[key], SecretString=text)["ARN"]
    return arns


def end_rotation(aws: AwsAccount, values: Values) -> None:
    """Switch rotation off and take ``AWSPENDING`` off a version that never became current."""
    client = administrator(aws, "secretsmanager")
    said = client.describe_secret(SecretId=values["secret"])
    if said.get("RotationEnabled"):
        client.cancel_rotate_secret(SecretId=values["secret"])
    for version, labels in said["VersionIdsToStages"].items():
        if "AWSPENDING" in labels:
            client.update_secret_version_stage(
                SecretId=values["secret"], VersionStage="AWSPENDING", RemoveFromVersionId=version
            )


def ensure_function(aws: AwsAccount, values: Values, steps: str) -> str:
    """The rotation function with these steps, callable by Secrets Manager; returns its ARN."""
    client, arns = administrator(aws, "lambda"), ensure_secrets(aws, values)
    role = f"arn:aws:iam::{aws.account}:role/{values['rotation_role']}"
    code = package(steps)
    variables = {"ADMIN_SECRET": arns["admin_secret"], "DB_USER": values["db_user"]}
    try:
        client.create_function(
            FunctionName=values["function"],
            Runtime=RUNTIME,
            Role=role,
            Handler="lambda_function.handler",
            Code={"ZipFile": code},
            Timeout=FUNCTION_SECONDS,
            Environment={"Variables": variables},
        )
    except client.exceptions.ResourceConflictException:
        client.update_function_code(FunctionName=values["function"], ZipFile=code)
        client.update_function_configuration(
            FunctionName=values["function"], Role=role, Environment={"Variables": variables}
        )
    with contextlib.suppress(client.exceptions.ResourceConflictException):
        client.add_permission(
            FunctionName=values["function"],
            StatementId="rotation",
            Action="lambda:InvokeFunction",
            Principal="secretsmanager.amazonaws.com",
            SourceAccount=aws.account,
        )
    return f"arn:aws:lambda:us-east-1:{aws.account}:function:{values['function']}"


def package(steps: str) -> bytes:
    """The function's zip."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in (("lambda_function.py", HANDLER), ("steps.py", steps)):
            archive.writestr(zipfile.ZipInfo(name, (2026, 11, 25, 0, 0, 0)), text)
    return packed.getvalue()


def user_of(client: Any, secret: str, version: str) -> str:
    """The user name in a version, or that it is empty."""
    try:
        return str(json.loads(client.get_secret_value(SecretId=secret, VersionId=version)["SecretString"])["username"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in GONE:
            raise
        return "(no value yet)"


def remove(aws: AwsAccount, values: Values) -> list[str]:
    """Secrets, function and log group of the lab; a line for each that was there."""
    removed = []
    client = administrator(aws, "secretsmanager")
    there = {entry["Name"] for page in client.get_paginator("list_secrets").paginate() for entry in page["SecretList"]}
    for name in (values[key] for key in SECRETS):
        if name in there:
            client.cancel_rotate_secret(SecretId=name)
            client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
            removed.append(f"secret {name}")
    functions = administrator(aws, "lambda")
    with contextlib.suppress(functions.exceptions.ResourceNotFoundException):
        functions.delete_function(FunctionName=values["function"])
        removed.append(f"function {values['function']}")
    logs = administrator(aws, "logs")
    with contextlib.suppress(logs.exceptions.ResourceNotFoundException), already_gone():
        logs.delete_log_group(logGroupName=f"/aws/lambda/{values['function']}")
        removed.append(f"log group /aws/lambda/{values['function']}")
    return removed
