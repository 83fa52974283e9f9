"""From an understood call to decisions: gathers context and policies for every check and asks the evaluator."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from labs.aws.engines.client import EngineClient, EngineError
from labs.aws.gateway.authorization import Check, checks_for
from labs.aws.gateway.calls import AwsError, ServiceCall
from labs.aws.gateway.context import Arrival, global_context, organization_context, requested_region
from labs.aws.gateway.credentials import Credential
from labs.aws.gateway.ownership import Ownership
from labs.aws.gateway.policies import Policies, document, must_allow
from labs.aws.gateway.public_access import is_public
from labs.aws.iam import Decision, Policy, PolicySet, Principal, PrincipalType, Request, condition_keys_in, evaluate

ANONYMOUS = Principal(arn="*", account="", type=PrincipalType.ANONYMOUS)

ROOT_OF_FEDERATED_USER = Policy(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}, name="root user"
)
SCP, RCP = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"
# AWS Organizations User Guide, "Resource control policies (RCPs)": "List of AWS services that support RCPs".
RCP_SERVICES = frozenset(
    ["s3", "sts", "kms", "sqs", "secretsmanager", "ecr", "aoss", "cognito-idp", "dynamodb", "logs"]
)


class Organization(Protocol):
    """What authorisation needs of the Organizations provider."""

    def levels(self, account: str, policy_type: str) -> tuple[tuple[Policy, ...], ...] | None:
        """Policies from the root down to ``account``, or ``None`` where the type does not apply to it."""

    def membership(self, account: str) -> tuple[str, str] | None:
        """Organisation id and path of an account, or ``None``."""


class Lookup:
    """What ``checks_for`` may ask about existing resources, answered by the engine as the resource's owner."""

    def __init__(self, authorizer: Authorizer, account: str, region: str, wanted: frozenset[str] | None) -> None:
        self._authorizer = authorizer
        self._account = account
        self._region = region
        self._wanted = wanted

    async def call(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """One read through the engine; ``account`` and ``region`` may be given among the parameters."""
        account = params.pop("account", None) or self._account
        region = params.pop("region", None) or self._region
        try:
            answer = await self._authorizer.client.call(service, operation, account=account, region=region, **params)
        except EngineError as error:
            raise AwsError(error.code, error.message, error.status) from error
        more = self._authorizer.known_beside.get((service, operation))
        return {**answer, **more(answer)} if more else answer

    async def bucket_owner(self, bucket: str) -> str | None:
        """The account that owns a bucket, or ``None`` when it does not exist."""
        return await self._authorizer.bucket_owner(bucket, self._account)

    def wants(self, prefix: str) -> bool:
        """Whether an applicable policy uses a condition key that begins with ``prefix`` (lower case)."""
        return self._wanted is None or any(key.startswith(prefix) for key in self._wanted)


class Authorizer:
    """Decides calls.  One per gateway."""

    def __init__(
        self, client: EngineClient, policies: Policies, ownership: Ownership, organization: Organization
    ) -> None:
        self.client = client
        self.policies = policies
        self.ownership = ownership
        self.organization = organization
        self._keys_of: dict[int, tuple[Policy, frozenset[str]]] = {}
        # By service and operation: what a provider of ours adds to the engine's answer about a resource.
        self.known_beside: dict[tuple[str, str], Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {}

    async def bucket_owner(self, bucket: str, account: str) -> str | None:
        """Who owns ``bucket``: from what passed through, else by asking the engine as ``account``."""
        known = self.ownership.bucket(bucket)
        if known is None:
            try:
                await self.client.call("s3", "HeadBucket", account=account, Bucket=bucket)
            except EngineError:
                return None
            self.ownership.add_bucket(bucket, account)
            known = account
        return known

    def _keys(self, policy: Policy) -> frozenset[str]:
        kept = self._keys_of.get(id(policy))
        if kept is None or kept[0] is not policy:
            if len(self._keys_of) > 5_000:
                self._keys_of.clear()
            kept = (policy, frozenset(key.lower() for key in condition_keys_in(policy.document)))
            self._keys_of[id(policy)] = kept
        return kept[1]

    def _all_keys(self, policies: PolicySet) -> frozenset[str]:
        every = [*policies.identity, *(policies.session or ())]
        every += [policy for level in (*(policies.scps or ()), *(policies.rcps or ())) for policy in level]
        every += [policy for policy in (policies.boundary, policies.resource, policies.vpc_endpoint) if policy]
        return frozenset().union(*(self._keys(policy) for policy in every)) if every else frozenset()

    async def caller_policies(self, credential: Credential | None) -> PolicySet:
        """The part of the policy set that belongs to the caller, whatever the resource is."""
        if credential is None:
            return PolicySet()
        principal = credential.principal
        identity, boundary = await self._identity(credential)
        session = credential.session_policies
        if credential.session_policy_arns:
            named = [await self.policies.managed(principal.account, arn) for arn in credential.session_policy_arns]
            session = (*(session or ()), *named)
        scps = None if principal.is_service_linked_role else self.organization.levels(principal.account, SCP)
        return PolicySet(identity=identity, boundary=boundary, session=session, scps=scps)

    async def _identity(self, credential: Credential) -> tuple[tuple[Policy, ...], Policy | None]:
        if credential.kind != "federated":
            return await self.policies.identity(credential.principal)
        # A federated user has at most what the user who asked for the token has (IAM User Guide, "Permissions for
        # GetFederationToken").
        if credential.issuer_arn.endswith(":root"):
            return (ROOT_OF_FEDERATED_USER,), None
        return await self.policies.of_user(credential.principal.account, credential.issuer_arn.rpartition("/")[2])

    async def decide(
        self,
        call: ServiceCall,
        credential: Credential | None,
        arrival: Arrival,
        now: datetime.datetime,
        extra: Mapping[str, str | tuple[str, ...]],
        stranger: Principal = ANONYMOUS,
    ) -> tuple[list[Decision], list[Check]]:
        """Decide every check of one call, stopping at the first denial that fails the call as a whole.

        :param extra: condition keys that only this call has, such as those of an MFA code
        :param stranger: who a caller without a credential is: anonymous, or the bearer of a web identity token
        :returns: the decisions, in the order of the checks, and all checks
        :raises AwsError: the call names something that cannot be looked up
        """
        principal = credential.principal if credential else stranger
        if call.service == "s3" and principal.account:
            principal = dataclasses.replace(
                principal, canonical_user_id=await self.policies.canonical_id(principal.account)
            )
        mine = await self.caller_policies(credential)
        wanted = self._all_keys(mine)
        account = principal.account or "000000000000"
        checks = await checks_for(call, account, call.region, Lookup(self, account, call.region, wanted))
        common = global_context(credential, arrival, requested_region(call.service, call.region), now)
        common.update(organization_context("aws:Principal", self.organization.membership(principal.account)))
        common.update(extra)
        decisions: list[Decision] = []
        for number in range(len(checks)):
            check = checks[number]
            policies = await self._policies_for(check, principal, mine, arrival, call.region)
            needed = self._all_keys(policies)
            if not needed <= wanted and _looked_up(needed - wanted):
                # The resource's own policy asks about something that the first pass did not look up.
                wanted |= needed
                checks = await checks_for(call, account, call.region, Lookup(self, account, call.region, wanted))
                check = checks[number]
            decision = await self._decide_one(check, principal, policies, common, account)
            decisions.append(decision)
            if not decision.allowed and check.part is None:
                break
        return decisions, checks

    async def _with_acls(self, check: Check, owner: str, policy: Policy | None) -> Policy | None:
        """The bucket policy together with what ACLs grant to other accounts and to everybody."""
        granted = await self.policies.acl(_bucket_of(check.resource), _key_of(check.resource), owner)
        if not granted:
            return policy
        written = policy.document.get("Statement", []) if policy else []
        statements = [*(written if isinstance(written, list) else [written]), *granted]
        version = policy.document.get("Version", "2012-10-17") if policy else "2012-10-17"
        return Policy({"Version": version, "Statement": statements}, name="bucket policy and ACLs")

    def keeps_control(self, call: ServiceCall, credential: Credential, key: str) -> bool:
        """Whether a new key policy lets its author change it again (AWS KMS API Reference, "PutKeyPolicy",
        BypassPolicyLockoutSafetyCheck); what the author's own account allows is not looked at."""
        principal = credential.principal
        action = "kms:PutKeyPolicy"
        policies = PolicySet(
            identity=(ROOT_OF_FEDERATED_USER,),
            resource=Policy(document(call.params["Policy"]), name="key policy"),
            resource_must_allow=True,
        )
        return evaluate(Request(principal, action, key), policies).allowed

    async def service_may(
        self, service: str, action: str, resource: str, owner: str, context: Mapping[str, str], region: str = ""
    ) -> Decision:
        """Decide a call that an AWS service makes on its own behalf; only the resource's policy (and RCPs) can allow.

        :param service: its principal, e.g. ``cloudtrail.amazonaws.com``
        :param owner: account that owns ``resource``
        :param context: condition keys of the call, such as ``aws:SourceArn`` and ``aws:SourceAccount``
        """
        now = datetime.datetime.now(datetime.UTC)
        common = {
            "aws:CurrentTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "aws:EpochTime": str(int(now.timestamp())),
            "aws:RequestedRegion": region or "us-east-1",
            "aws:SecureTransport": "true",
            "aws:ViaAWSService": "false",
            "aws:PrincipalIsAWSService": "true",
            "aws:PrincipalServiceName": service,
        }
        membership = self.organization.membership(context.get("aws:SourceAccount", ""))
        if membership:
            common["aws:SourceOrgID"] = membership[0]
        principal = Principal(arn=service, account="", type=PrincipalType.SERVICE)
        check = Check(action, resource, owner, context)
        policies = await self._policies_for(check, principal, PolicySet(), Arrival(source_ip=""), region)
        return await self._decide_one(check, principal, policies, common, owner)

    async def role_may(self, account: str, role_arn: str, action: str, resource: str) -> bool:
        """Whether a role's own policies allow a service that assumed it one action on a resource of the account."""
        name = role_arn.rpartition("/")[2]
        identity, boundary = await self.policies.of_role(account, name)
        session = f"arn:aws:sts::{account}:assumed-role/{name}/service"
        principal = Principal(arn=session, account=account, type=PrincipalType.ROLE, role_arn=role_arn)
        policies = PolicySet(identity=identity, boundary=boundary, scps=self.organization.levels(account, SCP))
        return (await self._decide_one(Check(action, resource, account), principal, policies, {}, account)).allowed

    async def caller_may(self, credential: Credential, account: str, action: str, resource: str) -> bool:
        """Whether a service that acts in its caller's name may do this on a resource of the account."""
        policies = await self.caller_policies(credential)
        context = {"aws:ViaAWSService": "true", "aws:CalledVia": ("cloudformation.amazonaws.com",)}
        check = Check(action, resource, account, context)
        return (await self._decide_one(check, credential.principal, policies, {}, account)).allowed

    async def _decide_one(
        self, check: Check, principal: Principal, policies: PolicySet, common: Mapping[str, Any], account: str
    ) -> Decision:
        owner = check.resource_account or account
        context = {**common, "aws:ResourceAccount": owner}
        context.update(organization_context("aws:Resource", self.organization.membership(owner)))
        context.update(check.context)
        if policies.resource_must_allow and check.action.startswith("kms:"):
            granted = await self.policies.granted(
                check.resource, owner, check.action.partition(":")[2], principal, context
            )
            if granted:
                policies = dataclasses.replace(policies, grant=True)
        request = Request(principal, check.action, check.resource, owner if principal.account != owner else "", context)
        return evaluate(request, policies)

    async def _policies_for(
        self, check: Check, principal: Principal, mine: PolicySet, arrival: Arrival, region: str
    ) -> PolicySet:
        owner = check.resource_account or principal.account
        resource = await self.policies.resource(check.action, check.guarded_by or check.resource, owner)
        service = check.action.partition(":")[0].lower()
        if service == "s3" and resource and principal.account != owner and is_public(resource.document):
            # RestrictPublicBuckets: a public policy then serves only the bucket's own account and AWS services.
            blocked = await self.policies.public_access_block(_bucket_of(check.resource), owner)
            if blocked.get("RestrictPublicBuckets") and principal.type is not PrincipalType.SERVICE:
                resource = None
        if service == "s3" and principal.account != owner:
            resource = await self._with_acls(check, owner, resource)
        rcps = None
        if service in RCP_SERVICES and not principal.is_service_linked_role and check.resource != "*":
            rcps = self.organization.levels(owner, RCP)
        endpoint_policy = None
        if arrival.vpc_endpoint and arrival.vpc_endpoint.get("policy"):
            endpoint_policy = Policy(
                document(arrival.vpc_endpoint["policy"]), name="VPC endpoint policy", arn=arrival.vpc_endpoint["id"]
            )
        return dataclasses.replace(
            mine,
            resource=resource,
            rcps=rcps,
            vpc_endpoint=endpoint_policy,
            resource_must_allow=must_allow(check.action, check.resource),
        )


def _key_of(arn: str) -> str | None:
    _, slash, key = arn.rpartition(":::")[2].partition("/")
    return key if slash else None


def _bucket_of(arn: str) -> str:
    return arn.rpartition(":::")[2].partition("/")[0]


# Condition keys whose value is looked up only if a policy asks for it (``Lookup.wants``).
_LOOKED_UP = ("resourcetag/", "existingobjecttag/", "dynamodb:leadingkeys", "kms:resourcealiases")


def _looked_up(keys: frozenset[str]) -> bool:
    return any(word in key for key in keys for word in _LOOKED_UP)
