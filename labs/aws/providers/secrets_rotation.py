"""Secrets Manager rotation: the rotation function is called four times, in the background, as AWS calls it.

The engine keeps secrets and their versions.  Kept here: each secret's rotation settings, the empty ``AWSPENDING``
version that a rotation begins with, and the rules of staging labels that rotation functions rely on.

A rotation that fails stops at its step and leaves ``AWSPENDING`` where it is; the next ``RotateSecret`` answers "A
previous rotation isn't complete. That rotation will be reattempted." and runs the same version again from the first
step, as the templates of AWS expect.  ``RotationStarted``, ``RotationSucceeded`` and ``RotationFailed`` are service
events in the event history.

Left out: the retries that Secrets Manager makes by itself, starting a rotation when ``NextRotationDate`` comes, managed
rotation (RDS and others without a function), and external secrets.

Pages: "RotateSecret", "CancelRotateSecret", "PutSecretValue", "UpdateSecretVersionStage" (Secrets Manager API
Reference); "Rotation by Lambda function", "Lambda rotation functions", "Schedule expressions in Secrets Manager
rotation", "Permissions for rotation", "Troubleshoot AWS Secrets Manager rotation", "AWS CloudTrail entries for Secrets
Manager" (Secrets Manager User Guide).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labs.aws.engines.client import EngineError
from labs.aws.gateway.calls import AwsError
from labs.aws.providers.lambda_functions import permitted, service_principal
from labs.aws.providers.rotation_schedule import check_rules, next_rotation

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange, Gateway

log = logging.getLogger(__name__)

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"
Params = Mapping[str, Any]


class Rotations:
    """Rotation settings of every secret, in a JSON file, and the rotations that run now.

    A record, by secret ARN: ``{"enabled", "function", "rules", "configured", "rotated", "empty"}``; times are epoch
    seconds or absent, ``empty`` is the id of a pending version without a value, or ``""``.
    """

    def __init__(self, gateway: Gateway, path: Path, fresh: bool) -> None:
        self._gateway = gateway
        self._path = path
        self._running: dict[str, tuple[str, asyncio.Task[None]]] = {}  # version id and task, by secret ARN
        self._records: dict[str, dict[str, Any]] = {}
        if not fresh and path.exists():
            self._records = json.loads(path.read_text())

    def clear(self) -> None:
        """Forget everything and stop what runs (the engine was reset)."""
        for _, task in self._running.values():
            task.cancel()
        self._running.clear()
        self._records.clear()
        self._save()

    def get(self, arn: str) -> Mapping[str, Any]:
        """A secret's record; an empty mapping where it never rotated."""
        return self._records.get(arn, {})

    def set(self, arn: str, **values: Any) -> None:
        """Change some of a secret's record."""
        self._records.setdefault(arn, {}).update(values)
        self._save()

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._records))
        part.replace(self._path)

    # -- a rotation ----------------------------------------------------------------------------------------------------

    def start(self, secret: Secret, token: str, steps: tuple[str, ...] = STEPS) -> None:
        """Run the steps in the background: not twice for one version, and after a rotation that is just ending."""
        version, before = self._running.get(secret.arn, ("", None))
        if before is not None and not before.done() and version == token:
            return
        task = self._gateway.functions.in_background(self._rotate(secret, token, steps, before))
        self._running[secret.arn] = (token, task)

    def cancel(self, arn: str) -> None:
        """Stop a secret's rotation where it is."""
        _, task = self._running.pop(arn, ("", None))
        if task is not None:
            task.cancel()

    async def _rotate(
        self, secret: Secret, token: str, steps: tuple[str, ...], before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        whole = steps == STEPS
        if whole:
            self._tell(secret, "RotationStarted", token)
        try:
            for step in steps:
                failure = await self._step(secret, token, step)
                if failure:
                    log.info("rotation of %s failed at %s: %s", secret.arn, step, failure)
                    if whole:
                        self._tell(secret, "RotationFailed", token, {"step": step, "reason": failure})
                    return
            if not whole:
                return
            stages = await secret.stages()
            if CURRENT in stages.get(token, ()):
                self.set(secret.arn, rotated=_now().timestamp())
                self._tell(secret, "RotationSucceeded", token)
            else:
                reason = f"the function ended without moving {CURRENT} to the new version"
                self._tell(secret, "RotationFailed", token, {"step": STEPS[-1], "reason": reason})
        finally:
            if not whole:
                await secret.drop_pending(token)
            if self._running.get(secret.arn, ("", None))[1] is asyncio.current_task():
                del self._running[secret.arn]

    async def _step(self, secret: Secret, token: str, step: str) -> str:
        """One call of the rotation function: "", or why it failed."""
        function = self.get(secret.arn).get("function", "")
        event = {"Step": step, "SecretId": secret.arn, "ClientRequestToken": token}
        if not await may_invoke(self._gateway, function, secret.arn):
            return NOT_ALLOWED
        try:
            done = await self._gateway.functions.invoke(function, json.dumps(event).encode())
        except (EngineError, AwsError) as error:
            return f"{error.code}: {error.message}"
        return done.message

    def _tell(self, secret: Secret, name: str, token: str, more: Params | None = None) -> None:
        """A service event in the event history ("AWS CloudTrail entries for Secrets Manager")."""
        now = _now()
        record = {
            "eventVersion": "1.11",
            "userIdentity": {"accountId": secret.account, "invokedBy": "secretsmanager.amazonaws.com"},
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": "secretsmanager.amazonaws.com",
            "eventName": name,
            "awsRegion": secret.region,
            "sourceIPAddress": "secretsmanager.amazonaws.com",
            "userAgent": "secretsmanager.amazonaws.com",
            "requestParameters": None,
            "responseElements": None,
            "additionalEventData": {"SecretId": secret.arn, "ClientRequestToken": token, **(more or {})},
            "requestID": str(uuid.uuid4()),
            "eventID": str(uuid.uuid4()),
            "readOnly": False,
            "resources": [{"type": "AWS::SecretsManager::Secret", "ARN": secret.arn}],
            "eventType": "AwsServiceEvent",
            "managementEvent": True,
            "recipientAccountId": secret.account,
            "eventCategory": "Management",
        }
        self._gateway.trail.add(record, now.timestamp())


class Secret:
    """One secret in the engine together with the empty version that only this module knows."""

    def __init__(self, gateway: Gateway, description: Params, account: str, region: str) -> None:
        self._gateway = gateway
        self.description = description
        self.arn, self.name = str(description["ARN"]), str(description["Name"])
        self.account, self.region = account, region

    async def call(self, operation: str, **params: Any) -> dict[str, Any]:
        """An operation of the engine on this secret.

        :raises AwsError: the engine's refusal
        """
        try:
            answer = await self._gateway.client.call(
                "secretsmanager", operation, account=self.account, region=self.region, SecretId=self.arn, **params
            )
        except EngineError as error:
            raise AwsError(error.code, error.message, error.status) from error
        answer.pop("ResponseMetadata", None)
        return answer

    def with_empty(self, stages: Params) -> dict[str, list[str]]:
        """Version ids to staging labels, the empty pending version among them."""
        merged = {version: list(labels) for version, labels in (stages or {}).items() if labels}
        empty = self._gateway.rotations.get(self.arn).get("empty")
        return {**merged, empty: [PENDING]} if empty and empty not in merged else merged

    async def stages(self) -> dict[str, list[str]]:
        """Version ids to staging labels as they are now."""
        return self.with_empty((await self.call("DescribeSecret")).get("VersionIdsToStages") or {})

    async def drop_pending(self, token: str) -> None:
        """Take ``AWSPENDING`` off a version, whether or not it has a value."""
        if self._gateway.rotations.get(self.arn).get("empty") == token:
            self._gateway.rotations.set(self.arn, empty="")
        with contextlib.suppress(AwsError):  # the secret or the label is gone: as wanted
            if PENDING in (await self.stages()).get(token, ()):
                await self.call("UpdateSecretVersionStage", VersionStage=PENDING, RemoveFromVersionId=token)


# --- operations ---------------------------------------------------------------------------------------------------


async def handle(exchange: Exchange) -> dict[str, Any]:
    """Answer one of :data:`OPERATIONS`.

    :raises AwsError: Secrets Manager's own errors
    """
    assert exchange.call is not None
    return await _OPERATIONS[exchange.call.operation](exchange, exchange.call.params)


async def _secret(exchange: Exchange, params: Params) -> Secret:
    """The secret that a call names, in the account that owns it.

    :raises AwsError: ResourceNotFoundException; InvalidRequestException for one that is marked for deletion
    """
    found = await exchange.engine(
        "secretsmanager", "DescribeSecret", account=exchange.account, SecretId=params["SecretId"]
    )
    found.pop("ResponseMetadata", None)
    return Secret(exchange.gateway, found, exchange.account, exchange.region)


async def _writable(exchange: Exchange, params: Params) -> Secret:
    secret = await _secret(exchange, params)
    if secret.description.get("DeletedDate"):
        raise _invalid_request(
            "You can't perform this operation on the secret because it was marked for deletion."
        )
    if secret.description.get("PrimaryRegion", secret.region) != secret.region:
        raise _invalid_request(
            "Operation not permitted on a replica secret. Call must be made in primary secret's region."
        )
    return secret


async def _rotate_secret(exchange: Exchange, params: Params) -> dict[str, Any]:
    secret, rotations = await _writable(exchange, params), exchange.gateway.rotations
    rules = params.get("RotationRules")
    if rules is not None:
        check_rules(rules)
    record = rotations.get(secret.arn)
    function = str(params.get("RotationLambdaARN") or record.get("function") or "")
    if not function:
        raise _invalid_request("No Lambda rotation function ARN is associated with this secret.")
    await _check_function(exchange.gateway, function, secret.arn)
    token = str(params.get("ClientRequestToken") or uuid.uuid4())
    stages = await secret.stages()
    answer = {"ARN": secret.arn, "Name": secret.name, "VersionId": token}
    waiting = next((v for v, labels in stages.items() if PENDING in labels and CURRENT not in labels), "")
    if waiting and waiting != token:
        if record.get("function"):
            rotations.start(secret, waiting)
        raise _invalid_request("A previous rotation isn't complete. That rotation will be reattempted.")
    if CURRENT in stages.get(token, ()):
        return answer  # the same request again, after it succeeded
    settings = {"enabled": True, "function": function, "configured": exchange.now.timestamp()}
    rotations.set(secret.arn, **settings, **({"rules": dict(rules)} if rules is not None else {}))
    await _clear_pending(secret, stages)
    if not waiting:
        rotations.set(secret.arn, empty=token)
    if params.get("RotateImmediately") is False:
        rotations.start(secret, token, ("testSecret",))
        return {"ARN": secret.arn, "Name": secret.name}
    rotations.start(secret, token)
    return answer


async def _clear_pending(secret: Secret, stages: Params) -> None:
    """A finished rotation may have left ``AWSPENDING`` beside ``AWSCURRENT``; the label moves on."""
    for version, labels in stages.items():
        if PENDING in labels and CURRENT in labels:
            await secret.call("UpdateSecretVersionStage", VersionStage=PENDING, RemoveFromVersionId=version)


async def _check_function(gateway: Gateway, function: str, secret_arn: str) -> None:
    try:
        await gateway.functions.configuration(function)
    except (EngineError, ValueError) as error:
        raise AwsError(
            "ResourceNotFoundException", "Lambda does not exist or could not be accessed", 400
        ) from error
    if not await may_invoke(gateway, function, secret_arn):
        raise AwsError("AccessDeniedException", NOT_ALLOWED, 400)


NOT_ALLOWED = (
    "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the "
    "principal secretsmanager.amazonaws.com."
)


async def may_invoke(gateway: Gateway, function: str, secret_arn: str) -> bool:
    """Whether the function's own policy lets Secrets Manager call it for this secret."""
    service = service_principal("secretsmanager.amazonaws.com")
    about = {"aws:SourceArn": secret_arn, "aws:SourceAccount": secret_arn.split(":")[4]}
    return await permitted(gateway, service, "lambda:InvokeFunction", function, about)


async def _cancel_rotate_secret(exchange: Exchange, params: Params) -> dict[str, Any]:
    """Labels stay as they are, as AWS leaves them; ``VersionId`` names the version that was being made."""
    secret, rotations = await _writable(exchange, params), exchange.gateway.rotations
    rotations.cancel(secret.arn)
    rotations.set(secret.arn, enabled=False)
    stages = await secret.stages()
    waiting = next((v for v, labels in stages.items() if PENDING in labels and CURRENT not in labels), None)
    answer = {"ARN": secret.arn, "Name": secret.name}
    return {**answer, "VersionId": waiting} if waiting else answer


async def _describe_secret(exchange: Exchange, params: Params) -> dict[str, Any]:
    secret = await _secret(exchange, params)
    merged = {**secret.description, **settings_of(exchange.gateway.rotations.get(secret.arn))}
    stages = secret.with_empty(secret.description.get("VersionIdsToStages") or {})
    return {**merged, "VersionIdsToStages": stages}


def settings_of(record: Params) -> dict[str, Any]:
    """The rotation members of ``DescribeSecret`` and ``ListSecrets``."""
    if not record.get("function"):
        return {}
    found: dict[str, Any] = {"RotationEnabled": record["enabled"], "RotationLambdaARN": record["function"]}
    if record.get("rules"):
        found["RotationRules"] = record["rules"]
    if record.get("rotated"):
        found["LastRotatedDate"] = record["rotated"]
    if record["enabled"] and record.get("rules"):
        since = datetime.datetime.fromtimestamp(record.get("rotated") or record["configured"], datetime.UTC)
        found["NextRotationDate"] = next_rotation(record["rules"], since).timestamp()
    return found


async def _list_secrets(exchange: Exchange, params: Params) -> dict[str, Any]:
    answer = await exchange.engine("secretsmanager", "ListSecrets", account=exchange.account, **params)
    answer.pop("ResponseMetadata", None)
    rotations = exchange.gateway.rotations
    listed = [{**entry, **settings_of(rotations.get(entry["ARN"]))} for entry in answer.get("SecretList", [])]
    return {**answer, "SecretList": listed}


async def _list_secret_version_ids(exchange: Exchange, params: Params) -> dict[str, Any]:
    secret = await _secret(exchange, params)
    answer = await secret.call("ListSecretVersionIds", **{k: v for k, v in params.items() if k != "SecretId"})
    known = [version["VersionId"] for version in answer.get("Versions", [])]
    empty = exchange.gateway.rotations.get(secret.arn).get("empty")
    if empty and empty not in known and not params.get("NextToken"):
        made = exchange.gateway.rotations.get(secret.arn)["configured"]
        answer["Versions"] = [
            *answer.get("Versions", []),
            {"VersionId": empty, "VersionStages": [PENDING], "CreatedDate": made},
        ]
    if not params.get("IncludeDeprecated"):
        answer["Versions"] = [version for version in answer.get("Versions", []) if version.get("VersionStages")]
    return answer


async def _put_secret_value(exchange: Exchange, params: Params) -> dict[str, Any]:
    """A version is written once; a staging label is on one version at a time ("PutSecretValue")."""
    secret, rotations = await _writable(exchange, params), exchange.gateway.rotations
    rest = {name: value for name, value in params.items() if name != "SecretId"}
    token = str(rest.setdefault("ClientRequestToken", str(uuid.uuid4())))
    labels = list(rest.get("VersionStages") or [CURRENT])
    if ("SecretString" in rest) == ("SecretBinary" in rest):
        raise AwsError("InvalidParameterException", "You must provide either SecretString or SecretBinary.", 400)
    stages = await secret.stages()
    written = await _written(secret, token)
    if written is not None:
        if any(written.get(name) != rest.get(name) for name in ("SecretString", "SecretBinary")):
            message = f"You can't use ClientRequestToken {token} because that value is already in use for a version of"
            raise AwsError("ResourceExistsException", f"{message} secret {secret.arn}.", 400)
        return {
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": token,
            "VersionStages": stages.get(token, []),
        }
    answer = await secret.call("PutSecretValue", **rest)
    empty = rotations.get(secret.arn).get("empty")
    if empty and (empty == token or PENDING in labels):
        rotations.set(secret.arn, empty="")
    for version, there in stages.items():
        for label in set(labels) & set(there) - {CURRENT} if version != token else ():
            with contextlib.suppress(AwsError):  # the label was on a version without a value
                await secret.call("UpdateSecretVersionStage", VersionStage=label, RemoveFromVersionId=version)
    return answer


async def _written(secret: Secret, token: str) -> dict[str, Any] | None:
    """The value of a version, ``None`` where it has none."""
    try:
        return await secret.call("GetSecretValue", VersionId=token)
    except AwsError as error:
        if error.code != "ResourceNotFoundException":
            raise
        return None


async def _update_secret_version_stage(exchange: Exchange, params: Params) -> dict[str, Any]:
    """Moving ``AWSCURRENT`` puts ``AWSPREVIOUS`` on the old version and takes ``AWSPENDING`` off the new one."""
    secret, rotations = await _writable(exchange, params), exchange.gateway.rotations
    stages = await secret.stages()
    label = params["VersionStage"]
    to, source = params.get("MoveToVersionId"), params.get("RemoveFromVersionId")
    holder = next((version for version, labels in stages.items() if label in labels), "")
    if to and holder and holder != to and source != holder:
        raise AwsError("InvalidParameterException", _wrong_source(label, holder, source), 400)
    rest = {name: value for name, value in params.items() if name != "SecretId"}
    empty = rotations.get(secret.arn).get("empty")
    if empty and empty in (to, source) and label == PENDING:
        if to and to != empty:
            await secret.call("UpdateSecretVersionStage", VersionStage=label, MoveToVersionId=to)
        if source == empty:
            rotations.set(secret.arn, empty="")
        return {"ARN": secret.arn, "Name": secret.name}
    answer = await secret.call("UpdateSecretVersionStage", **rest)
    if label == CURRENT and to and PENDING in (await secret.stages()).get(to, ()):
        await secret.call("UpdateSecretVersionStage", VersionStage=PENDING, RemoveFromVersionId=to)
    return answer


def _wrong_source(label: str, holder: str, source: str | None) -> str:
    if source is None:
        return (
            f"The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to version "
            f"{holder}, so you must explicitly reference that version in RemoveFromVersionId."
        )
    return (
        f"The parameter RemoveFromVersionId can't be {source}. Staging label {label} is currently attached to version "
        f"{holder}, so you must explicitly reference that version in RemoveFromVersionId."
    )


def _invalid_request(message: str) -> AwsError:
    return AwsError("InvalidRequestException", message, 400)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


_OPERATIONS: Mapping[str, Callable[[Exchange, Params], Awaitable[dict[str, Any]]]] = {
    "RotateSecret": _rotate_secret,
    "CancelRotateSecret": _cancel_rotate_secret,
    "DescribeSecret": _describe_secret,
    "ListSecrets": _list_secrets,
    "ListSecretVersionIds": _list_secret_version_ids,
    "PutSecretValue": _put_secret_value,
    "UpdateSecretVersionStage": _update_secret_version_stage,
}
OPERATIONS = tuple(_OPERATIONS)
