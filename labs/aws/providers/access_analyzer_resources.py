"""The resources of one account and Region with their policies, read from the engine as the gateway reads them.

Bucket policies, ACLs (unless Object Ownership disables them) and Block Public Access, role trust policies, KMS key
policies and grants, and the policies of Lambda functions, SQS queues, SNS topics, secrets, ECR repositories and
DynamoDB tables.  Not read: layer versions, EFS, snapshots, access points, directory buckets, streams,
account-level Block Public Access (the gateway does not enforce it either).
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from labs.aws.engines.client import EngineClient, EngineError
from labs.aws.gateway.policies import Policies
from labs.aws.gateway.public_access import is_public
from labs.aws.iam import Policy
from labs.aws.providers.access_analyzer_external import Resource

RCP_TYPES = (
    "AWS::S3::Bucket",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
    "AWS::ECR::Repository",
    "AWS::DynamoDB::Table",
)


class Organization(Protocol):
    """What the analyzer asks about the organisation."""

    def levels(self, account: str, policy_type: str) -> tuple[tuple[Policy, ...], ...] | None:
        """Policies from the root down to ``account``."""

    def membership(self, account: str) -> tuple[str, str] | None:
        """Organisation id and path of an account."""


class Reader:
    """Reads the resources of one account in one Region."""

    def __init__(
        self, client: EngineClient, policies: Policies, organization: Organization, account: str, region: str
    ) -> None:
        self.client, self.policies, self.organization = client, policies, organization
        self.account, self.region = account, region

    async def call(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """One read as the account's root user; an engine without the service has none of its resources."""
        try:
            return await self.client.call(service, operation, account=self.account, region=self.region, **params)
        except EngineError:
            return {}

    async def pages(self, service: str, operation: str, result: str, token: str, **params: Any) -> list[Any]:
        """All entries of a paginated listing; ``token`` is ``answer key:request key``."""
        found: list[Any] = []
        given, wanted = token.split(":")
        while True:
            answer = await self.call(service, operation, **params)
            found += answer.get(result) or []
            if not answer.get(given) or answer.get("IsTruncated") is False:
                return found
            params[wanted] = answer[given]

    async def arns(self) -> AsyncIterator[tuple[str, str]]:
        """Type and ARN of every resource that is analysed."""
        for kind, list_them in _LISTS.items():
            for arn in await list_them(self):
                yield kind, arn

    async def resource(self, kind: str, arn: str) -> Resource:
        """One resource with everything that decides who may reach it."""
        action = "sts:AssumeRole" if kind == "AWS::IAM::Role" else f"{arn.split(':')[2]}:Any"
        policy = await self.policies.resource(action, arn, self.account)
        rcps = None
        if kind in RCP_TYPES:
            rcps = self.organization.levels(self.account, "RESOURCE_CONTROL_POLICY")
        found = Resource(arn, kind, self.account, policy.document if policy else None, rcps)
        if kind == "AWS::S3::Bucket":
            return await self._bucket(found)
        if kind == "AWS::KMS::Key":
            grants = await self.call("kms", "ListGrants", KeyId=arn.rpartition("/")[2])
            return _with(found, grants=tuple(grants.get("Grants") or ()))
        return found

    async def _bucket(self, found: Resource) -> Resource:
        name = found.arn.rpartition(":")[2]
        block = await self.policies.public_access_block(name, self.account)
        ownership = await self.call("s3", "GetBucketOwnershipControls", Bucket=name)
        rules = (ownership.get("OwnershipControls") or {}).get("Rules") or []
        disabled = any(rule.get("ObjectOwnership") == "BucketOwnerEnforced" for rule in rules)
        acl: dict[str, Any] = {}
        if not disabled:
            acl = await self.call("s3", "GetBucketAcl", Bucket=name)
        grants = tuple(acl.get("Grants") or ())
        if block.get("IgnorePublicAcls"):
            grants = tuple(grant for grant in grants if not (grant.get("Grantee") or {}).get("URI"))
        restricted = bool(block.get("RestrictPublicBuckets")) and is_public(found.document or {})
        return _with(found, acl=grants, owner_id=(acl.get("Owner") or {}).get("ID", ""), blocked=restricted)

    # -- listings --------------------------------------------------------------------------------------------------

    async def _buckets(self) -> list[str]:
        found = []
        for bucket in (await self.call("s3", "ListBuckets")).get("Buckets") or []:
            location = await self.call("s3", "GetBucketLocation", Bucket=bucket["Name"])
            if (location.get("LocationConstraint") or "us-east-1") == self.region:
                found.append(f"arn:aws:s3:::{bucket['Name']}")
        return found

    async def _roles(self) -> list[str]:
        return [role["Arn"] for role in await self.pages("iam", "ListRoles", "Roles", "Marker:Marker")]

    async def _keys(self) -> list[str]:
        listed = await self.pages("kms", "ListKeys", "Keys", "NextMarker:Marker")
        return [f"arn:aws:kms:{self.region}:{self.account}:key/{key['KeyId']}" for key in listed]

    async def _functions(self) -> list[str]:
        listed = await self.pages("lambda", "ListFunctions", "Functions", "NextMarker:Marker")
        return [function["FunctionArn"] for function in listed]

    async def _queues(self) -> list[str]:
        listed = await self.pages("sqs", "ListQueues", "QueueUrls", "NextToken:NextToken")
        return [f"arn:aws:sqs:{self.region}:{self.account}:{url.rpartition('/')[2]}" for url in listed]

    async def _topics(self) -> list[str]:
        return [topic["TopicArn"] for topic in await self.pages("sns", "ListTopics", "Topics", "NextToken:NextToken")]

    async def _secrets(self) -> list[str]:
        listed = await self.pages("secretsmanager", "ListSecrets", "SecretList", "NextToken:NextToken")
        return [secret["ARN"] for secret in listed]

    async def _repositories(self) -> list[str]:
        listed = await self.pages("ecr", "DescribeRepositories", "repositories", "nextToken:nextToken")
        return [repository["repositoryArn"] for repository in listed]

    async def _tables(self) -> list[str]:
        listed = await self.pages(
            "dynamodb", "ListTables", "TableNames", "LastEvaluatedTableName:ExclusiveStartTableName"
        )
        return [f"arn:aws:dynamodb:{self.region}:{self.account}:table/{name}" for name in listed]


def _with(found: Resource, **changes: Any) -> Resource:

    return dataclasses.replace(found, **changes)


_LISTS: dict[str, Callable[[Reader], Awaitable[list[str]]]] = {
    "AWS::S3::Bucket": Reader._buckets,
    "AWS::IAM::Role": Reader._roles,
    "AWS::KMS::Key": Reader._keys,
    "AWS::Lambda::Function": Reader._functions,
    "AWS::SQS::Queue": Reader._queues,
    "AWS::SNS::Topic": Reader._topics,
    "AWS::SecretsManager::Secret": Reader._secrets,
    "AWS::ECR::Repository": Reader._repositories,
    "AWS::DynamoDB::Table": Reader._tables,
}
TYPES = tuple(_LISTS)
