"""What the tests of functions and rotation share: a role, a zip, a function, and waiting for an answer."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

from labs.aws.account import AwsAccount

DEADLINE = 30.0  # seconds for a rotation on a busy machine
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def zipped(source: str, name: str = "app.py") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, source)
    return packed.getvalue()


def make_role(account: AwsAccount, *statements: dict[str, Any], trust: dict[str, Any] | None = None) -> str:
    name = f"role-{uuid.uuid4().hex[:8]}"
    iam = account.client("iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust or TRUST))["Role"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(*statements))
    return str(role["Arn"])


def make_function(account: AwsAccount, source: str, role: str, **more: Any) -> str:
    """The ARN of a new function whose handler is ``app.handler``."""
    settings = {"Runtime": "python3.13", "Handler": "app.handler", "Timeout": 20, **more}
    made = account.client("lambda").create_function(
        FunctionName=f"f-{uuid.uuid4().hex[:8]}", Role=role, Code={"ZipFile": zipped(source)}, **settings
    )
    return str(made["FunctionArn"])


def permit(account: AwsAccount, function: str, **more: Any) -> None:
    """Let Secrets Manager call the function."""
    account.client("lambda").add_permission(
        FunctionName=function,
        StatementId="secrets",
        Action="lambda:InvokeFunction",
        Principal="secretsmanager.amazonaws.com",
        **more,
    )


def until(what: str, look: Callable[[], Any], deadline: float = DEADLINE) -> Any:
    """The first true thing that ``look`` sees."""
    end = time.monotonic() + deadline
    while not (seen := look()):
        assert time.monotonic() < end, f"after {deadline:.0f} s still no {what}"
        time.sleep(0.05)
    return seen


def rotation_events(account: AwsAccount, secret: str) -> list[dict[str, Any]]:
    """The service events of a secret's rotations, oldest first."""
    events = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventSource", "AttributeValue": "secretsmanager.amazonaws.com"}]
    )["Events"]
    found = [json.loads(event["CloudTrailEvent"]) for event in events]
    return [event for event in reversed(found) if event.get("additionalEventData", {}).get("SecretId") == secret]
