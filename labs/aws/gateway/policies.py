"""Every policy that applies to a request, read from the engine through its ordinary APIs and kept until a write.

What was read is dropped when a call that may change it passes through the gateway (``forget``); an engine that other
programs share is read again after ``SHARED_TTL`` seconds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol
from urllib.parse import unquote

from labs.aws.engines.client import EngineClient, EngineError
from labs.aws.gateway import access_control_lists as acls
from labs.aws.iam import Policy, Principal, PrincipalType

SHARED_TTL = 1.0  # seconds

# Calls that change data, not policies: they leave the cache alone.  Everything else that is not a read drops it.
DATA_OPERATIONS = frozenset(
    f"{service}:{operation}"
    for service, operations in {
        "s3": """PutObject CopyObject DeleteObject DeleteObjects UploadPart UploadPartCopy CreateMultipartUpload
            CompleteMultipartUpload AbortMultipartUpload HeadObject HeadBucket SelectObjectContent RestoreObject""",
        "sqs": """SendMessage SendMessageBatch ReceiveMessage DeleteMessage DeleteMessageBatch ChangeMessageVisibility
            ChangeMessageVisibilityBatch PurgeQueue""",
        "sns": "Publish PublishBatch",
        "dynamodb": """PutItem UpdateItem DeleteItem BatchWriteItem BatchGetItem TransactWriteItems TransactGetItems
            Query Scan ExecuteStatement BatchExecuteStatement ExecuteTransaction""",
        "kms": """Encrypt Decrypt ReEncrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateDataKeyPair Sign
            Verify GenerateRandom GenerateMac VerifyMac""",
        "lambda": "Invoke InvokeAsync",
        "logs": "PutLogEvents FilterLogEvents StartQuery",
        "cloudwatch": "PutMetricData",
        "sts": "AssumeRole AssumeRoleWithWebIdentity AssumeRoleWithSAML",
        "events": "PutEvents",
        "kinesis": "PutRecord PutRecords",
    }.items()
    for operation in operations.split()
)
_READS = ("Get", "List", "Describe", "Head", "Lookup", "Search", "BatchGet", "Simulate", "Validate", "Select")

DEFAULT_KEY_POLICY = """{"Version": "2012-10-17", "Id": "key-default-1", "Statement": [
 {"Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::%s:root"},
  "Action": "kms:*", "Resource": "*"}]}"""


class Organization(Protocol):
    """The part of the Organizations provider that authorisation needs."""

    def levels(self, account: str, policy_type: str) -> tuple[tuple[Policy, ...], ...] | None:
        """Policies per level from the root down to ``account``; ``None`` where the type does not apply to it."""


class Policies:
    """Reads and remembers policies.  Keys are ``(service, account, …)``: a write drops one account's service."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client
        self._kept: dict[tuple[str, ...], tuple[float, Any]] = {}
        self._shared = client.engine.shared
        self.generation = 0

    def forget(self, service: str, operation: str, account: str) -> None:
        """A call passed through: drop what it may have changed."""
        if operation.startswith(_READS) or f"{service}:{operation}" in DATA_OPERATIONS:
            return
        self.generation += 1
        if service == "cloudformation":  # creates resources of any service
            stale = [key for key in self._kept if key[1] == account]
        else:
            stale = [key for key in self._kept if key[0] == service and key[1] == account]
        for key in stale:
            del self._kept[key]

    def forget_everything(self) -> None:
        """The engine was reset."""
        self.generation += 1
        self._kept.clear()

    async def _keep(self, key: tuple[str, ...], read: Callable[[], Awaitable[Any]]) -> Any:
        kept = self._kept.get(key)
        if kept is not None and (not self._shared or time.monotonic() - kept[0] < SHARED_TTL):
            return kept[1]
        generation = self.generation
        value = await read()
        if generation == self.generation:  # nothing was written meanwhile
            if len(self._kept) > 20_000:
                self._kept.clear()
            self._kept[key] = (time.monotonic(), value)
        return value

    async def keep(self, key: tuple[str, ...], read: Callable[[], Awaitable[Any]]) -> Any:
        """What ``read`` gives, kept until a write to the service ``key[0]`` in the account ``key[1]``."""
        return await self._keep(key, read)

    async def _call(self, service: str, operation: str, account: str, **params: Any) -> dict[str, Any]:
        return await self._client.call(service, operation, account=account, **params)

    # -- identity policies -------------------------------------------------------------------------------------------

    async def user(self, account: str, name: str) -> dict[str, Any] | None:
        """``GetUser``'s ``User`` with ``Tags`` as a plain mapping, or ``None``."""
        return await self._keep(("iam", account, "user", name), lambda: self._entity(account, "User", name))

    async def role(self, account: str, name: str) -> dict[str, Any] | None:
        """``GetRole``'s ``Role`` with ``Tags`` as a plain mapping, or ``None``."""
        return await self._keep(("iam", account, "role", name), lambda: self._entity(account, "Role", name))

    async def _entity(self, account: str, kind: str, name: str) -> dict[str, Any] | None:
        try:
            entity = (await self._call("iam", f"Get{kind}", account, **{f"{kind}Name": name}))[kind]
            tags = entity.get("Tags")
            if not tags:
                tags = (await self._call("iam", f"List{kind}Tags", account, **{f"{kind}Name": name})).get("Tags", [])
        except EngineError as error:
            if error.code in ("NoSuchEntity", "ValidationError"):
                return None
            raise
        return {**entity, "Tags": {tag["Key"]: tag["Value"] for tag in tags}}

    async def of_user(self, account: str, name: str) -> tuple[tuple[Policy, ...], Policy | None]:
        """A user's inline, attached and group policies, and its permissions boundary."""
        return await self._keep(("iam", account, "of-user", name), lambda: self._of(account, "User", name))

    async def of_role(self, account: str, name: str) -> tuple[tuple[Policy, ...], Policy | None]:
        """A role's inline and attached policies, and its permissions boundary."""
        return await self._keep(("iam", account, "of-role", name), lambda: self._of(account, "Role", name))

    async def _of(self, account: str, kind: str, name: str) -> tuple[tuple[Policy, ...], Policy | None]:
        entity = await (self.user if kind == "User" else self.role)(account, name)
        if entity is None:
            return (), None
        policies = await self._written_on(account, kind, name)
        if kind == "User":
            groups = (await self._call("iam", "ListGroupsForUser", account, UserName=name)).get("Groups", [])
            for group in groups:
                policies += await self._written_on(account, "Group", group["GroupName"])
        boundary = (entity.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
        return tuple(policies), await self.managed(account, boundary) if boundary else None

    async def _written_on(self, account: str, kind: str, name: str) -> list[Policy]:
        who = {f"{kind}Name": name}
        found: list[Policy] = []
        for inline in (await self._call("iam", f"List{kind}Policies", account, **who)).get("PolicyNames", []):
            answer = await self._call("iam", f"Get{kind}Policy", account, PolicyName=inline, **who)
            found.append(Policy(document(answer["PolicyDocument"]), name=inline))
        attached = await self._call("iam", f"ListAttached{kind}Policies", account, **who)
        for policy in attached.get("AttachedPolicies", []):
            found.append(await self.managed(account, policy["PolicyArn"]))
        return found

    async def managed(self, account: str, arn: str) -> Policy:
        """The default version of a managed policy.  One that is gone allows nothing."""
        return await self._keep(("iam", account, "managed", arn), lambda: self._managed(account, arn))

    async def _managed(self, account: str, arn: str) -> Policy:
        name = arn.rpartition("/")[2]
        try:
            version = (await self._call("iam", "GetPolicy", account, PolicyArn=arn))["Policy"]["DefaultVersionId"]
            answer = await self._call("iam", "GetPolicyVersion", account, PolicyArn=arn, VersionId=version)
        except EngineError as error:
            if error.status >= 500:
                raise
            return Policy({"Version": "2012-10-17", "Statement": []}, name=name, arn=arn)
        return Policy(document(answer["PolicyVersion"]["Document"]), name=name, arn=arn)

    async def identity(self, principal: Principal) -> tuple[tuple[Policy, ...], Policy | None]:
        """Identity policies and boundary of a caller; a root user and an anonymous caller have none."""
        if principal.type is PrincipalType.USER:
            return await self.of_user(principal.account, principal.arn.rpartition("/")[2])
        if principal.role_arn:
            return await self.of_role(principal.account, principal.role_arn.rpartition("/")[2])
        return (), None

    # -- resource policies -------------------------------------------------------------------------------------------

    async def resource(self, action: str, arn: str, account: str) -> Policy | None:
        """The resource-based policy that speaks about ``action`` on ``arn``, or ``None`` when there is none."""
        reader, name = _reader(action, arn)
        if reader is None:
            return None
        service = _ENGINE_SERVICE.get(reader, reader)
        found: Policy | None = await self._keep(
            (service, account, "resource", name), lambda: self._read_resource(reader, name, account)
        )
        return found

    async def _read_resource(self, reader: str, name: str, account: str) -> Policy | None:
        try:
            text = await _READERS[reader](self, name, account)
        except EngineError as error:
            if error.status >= 500 and error.code not in ("NotImplemented", "InternalFailure"):
                raise
            text = None
        if not text:
            return None
        return Policy(
            document(text),
            name=_POLICY_NAME.get(reader, "resource policy"),
            arn=name if name.startswith("arn:") else "",
        )

    async def _bucket(self, name: str, account: str) -> Any:
        return (await self._call("s3", "GetBucketPolicy", account, Bucket=name)).get("Policy") or None

    async def _queue(self, arn: str, account: str) -> Any:
        _, _, _, region, _, queue = arn.split(":", 5)
        url = (await self._client.call("sqs", "GetQueueUrl", account=account, region=region, QueueName=queue))[
            "QueueUrl"
        ]
        answer = await self._client.call(
            "sqs", "GetQueueAttributes", account=account, region=region, QueueUrl=url, AttributeNames=["Policy"]
        )
        return (answer.get("Attributes") or {}).get("Policy")

    async def _regional(self, service: str, operation: str, arn: str, account: str, **params: Any) -> dict[str, Any]:
        return await self._client.call(
            service, operation, account=account, region=arn.split(":")[3] or "us-east-1", **params
        )

    async def _topic(self, arn: str, account: str) -> Any:
        answer = await self._regional("sns", "GetTopicAttributes", arn, account, TopicArn=arn)
        return (answer.get("Attributes") or {}).get("Policy")

    async def _key(self, arn: str, account: str) -> Any:
        try:
            answer = await self._regional(
                "kms", "GetKeyPolicy", arn, account, KeyId=arn.rpartition("/")[2], PolicyName="default"
            )
            return answer.get("Policy") or DEFAULT_KEY_POLICY % account
        except EngineError as error:
            if error.code == "NotFoundException":  # the engine says so, to whom identity policies let through
                return DEFAULT_KEY_POLICY % account
            raise

    async def _secret(self, arn: str, account: str) -> Any:
        return (await self._regional("secretsmanager", "GetResourcePolicy", arn, account, SecretId=arn)).get(
            "ResourcePolicy"
        )

    async def _function(self, arn: str, account: str) -> Any:
        parts = arn.split(":")
        qualifier = {"Qualifier": parts[7]} if len(parts) > 7 else {}
        answer = await self._regional("lambda", "GetPolicy", arn, account, FunctionName=parts[6], **qualifier)
        return answer.get("Policy")

    async def _repository(self, arn: str, account: str) -> Any:
        name = arn.partition(":repository/")[2]
        return (await self._regional("ecr", "GetRepositoryPolicy", arn, account, repositoryName=name)).get("policyText")

    async def _table(self, arn: str, account: str) -> Any:
        return (await self._regional("dynamodb", "GetResourcePolicy", arn, account, ResourceArn=arn)).get("Policy")

    async def _vault(self, arn: str, account: str) -> Any:
        name = arn.partition(":backup-vault:")[2]
        answer = await self._regional("backup", "GetBackupVaultAccessPolicy", arn, account, BackupVaultName=name)
        return answer.get("Policy")

    async def _bus(self, arn: str, account: str) -> Any:
        name = arn.partition(":event-bus/")[2]
        return (await self._regional("events", "DescribeEventBus", arn, account, Name=name)).get("Policy")

    async def _trust(self, arn: str, account: str) -> Any:
        role = await self.role(account, arn.rpartition("/")[2])
        return role and role["AssumeRolePolicyDocument"]

    async def granted(
        self, key_arn: str, account: str, operation: str, principal: Principal, context: Mapping[str, Any]
    ) -> bool:
        """Whether a KMS grant lets the caller perform ``operation`` (AWS KMS Developer Guide, "Grants in AWS KMS")."""
        grants = await self._keep(("kms", account, "grants", key_arn), lambda: self._grants(key_arn, account))
        return any(_grant_covers(grant, operation, principal, context) for grant in grants)

    async def _grants(self, arn: str, account: str) -> list[dict[str, Any]]:
        try:
            answer = await self._regional("kms", "ListGrants", arn, account, KeyId=arn.rpartition("/")[2])
        except EngineError as error:
            if error.status >= 500:
                raise
            return []
        return answer.get("Grants", [])

    async def canonical_id(self, account: str) -> str:
        """The canonical user id that S3 gives an account, "" for none."""

        async def read() -> str:
            try:
                return str((await self._call("s3", "ListBuckets", account)).get("Owner", {}).get("ID", ""))
            except EngineError:
                return ""

        return str(await self._keep(("s3-owner", account), read)) if account else ""

    async def acl(self, bucket: str, key: str | None, account: str) -> list[dict[str, Any]]:
        """What the ACLs of a bucket and of one object in it allow, as statements; nothing where ACLs are disabled."""

        async def read() -> list[dict[str, Any]]:
            blocked = bool((await self.public_access_block(bucket, account)).get("IgnorePublicAcls"))
            found: list[dict[str, Any]] = []
            try:
                controls = await self._call("s3", "GetBucketOwnershipControls", account, Bucket=bucket)
                if controls["OwnershipControls"]["Rules"][0]["ObjectOwnership"] == acls.ENFORCED:
                    return []
                answer = await self._call("s3", "GetBucketAcl", account, Bucket=bucket)
                found += acls.statements(answer.get("Grants", ()), bucket, None, blocked)
                if key is not None:
                    answer = await self._call("s3", "GetObjectAcl", account, Bucket=bucket, Key=key)
                    found += acls.statements(answer.get("Grants", ()), bucket, key, blocked)
            except EngineError as error:
                if error.status >= 500:
                    raise
            return found

        return await read()  # an object's ACL comes with every write of the object: not kept

    async def public_access_block(self, bucket: str, account: str) -> dict[str, bool]:
        """The bucket's Block Public Access settings, all false where none are set."""

        async def read() -> dict[str, bool]:
            try:
                answer = await self._call("s3", "GetPublicAccessBlock", account, Bucket=bucket)
            except EngineError:
                return {}
            return answer.get("PublicAccessBlockConfiguration", {})

        return await self._keep(("s3", account, "public-access-block", bucket), read)

    async def vpc_endpoint(self, endpoint_id: str, account: str, region: str) -> dict[str, Any] | None:
        """``DescribeVpcEndpoints``' record of an interface or gateway endpoint, or ``None``."""

        async def read() -> dict[str, Any] | None:
            try:
                answer = await self._client.call(
                    "ec2", "DescribeVpcEndpoints", account=account, region=region, VpcEndpointIds=[endpoint_id]
                )
            except EngineError:
                return None
            return next(iter(answer.get("VpcEndpoints", [])), None)

        return await self._keep(("ec2", account, "vpc-endpoint", endpoint_id), read)


def document(text: Any) -> dict[str, Any]:
    """A policy document as an object, whether it came as an object, as JSON, or as URL-encoded JSON (IAM's answers)."""
    if isinstance(text, Mapping):
        return dict(text)
    try:
        parsed = json.loads(text)
    except ValueError:
        try:
            parsed = json.loads(unquote(text))
        except ValueError:
            parsed = {}
    return parsed if isinstance(parsed, dict) else {}


def _grant_covers(grant: Mapping[str, Any], operation: str, principal: Principal, context: Mapping[str, Any]) -> bool:
    if operation == "RetireGrant" and grant.get("RetiringPrincipal") in (principal.arn, principal.role_arn or None):
        return True
    if operation not in grant.get("Operations", ()):
        return False
    if grant.get("GranteePrincipal") not in (principal.arn, principal.role_arn or principal.arn):
        return False
    constraints = grant.get("Constraints") or {}
    given = {
        name.partition(":")[2].partition(":")[2]: value
        for name, value in context.items()
        if name.lower().startswith("kms:encryptioncontext:")
    }
    equals, subset = constraints.get("EncryptionContextEquals"), constraints.get("EncryptionContextSubset")
    if equals and equals != given:
        return False
    return not subset or all(given.get(key) == value for key, value in subset.items())


_READERS: dict[str, Callable[[Policies, str, str], Awaitable[Any]]] = {
    "s3": Policies._bucket,
    "sqs": Policies._queue,
    "sns": Policies._topic,
    "kms": Policies._key,
    "secretsmanager": Policies._secret,
    "lambda": Policies._function,
    "ecr": Policies._repository,
    "dynamodb": Policies._table,
    "events": Policies._bus,
    "backup": Policies._vault,
    "trust": Policies._trust,
}
_ENGINE_SERVICE = {"trust": "iam"}
_POLICY_NAME = {"s3": "bucket policy", "kms": "key policy", "trust": "trust policy"}
_TRUST_ACTIONS = (
    "sts:assumerole",
    "sts:tagsession",
    "sts:setsourceidentity",
    "sts:assumerolewithwebidentity",
    "sts:assumerolewithsaml",
    "sts:setcontext",
)


def _reader(action: str, arn: str) -> tuple[str | None, str]:
    """Which reader knows the policy of ``arn``, and the name to read it under."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return None, arn
    service, rest = parts[2], parts[5]
    if service == "iam":
        return ("trust", arn) if action.lower() in _TRUST_ACTIONS and rest.startswith("role/") else (None, arn)
    if "*" in rest:
        return None, arn
    if service == "s3":
        return ("s3", rest.partition("/")[0]) if not parts[4] else (None, arn)
    if service == "dynamodb" and rest.startswith("table/"):
        return "dynamodb", ":".join(parts[:5]) + ":" + "/".join(rest.split("/")[:2])
    if service == "kms" and not rest.startswith("key/"):
        return None, arn
    if service == "events" and not rest.startswith("event-bus/"):
        return None, arn
    if service == "backup" and not rest.startswith("backup-vault:"):
        return None, arn
    return (service if service in _READERS else None), arn


def must_allow(action: str, arn: str) -> bool:
    """Whether the resource policy must allow by itself: key policies and role trust policies (IAM User Guide,
    "Policy evaluation logic", "Cross-account policy evaluation")."""
    reader, _ = _reader(action, arn)
    return reader in ("kms", "trust")
