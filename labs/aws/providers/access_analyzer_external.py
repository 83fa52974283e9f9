"""External access: whom outside the zone of trust a resource-based policy, an ACL or a grant lets in.

Every question is put to the evaluator that the gateway enforces with (``labs.aws.iam``), so that a finding and the live
answer cannot disagree.  Pages: "How IAM Access Analyzer findings work", "IAM Access Analyzer filter keys" (IAM User
Guide); "The meaning of 'public'" (S3 User Guide, "Blocking public access to your Amazon S3 storage").

A service principal is not external: AWS does not report it either.  Differs from AWS: the values of one condition key
are shown in one finding, separated by commas; identity providers other than the four public ones are never public.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labs.aws.gateway.actions import reference
from labs.aws.iam import Policy, PolicySet, Request, evaluate
from labs.aws.iam.matching import action_matcher
from labs.aws.iam.statements import strings
from labs.aws.providers import access_analyzer_space as space
from labs.aws.providers.access_analyzer_space import Caller, Context

ALLOW_ALL = Policy({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})

SOURCE_KEYS = (
    "aws:sourceaccount",
    "aws:sourceowner",
    "aws:sourcearn",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
)
"""Keys that name the account on whose behalf a service calls."""

FIXED_KEYS = frozenset(
    [
        *SOURCE_KEYS,
        "aws:sourceip",
        "aws:vpcsourceip",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:userid",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    ]
)
"""Keys that the caller cannot choose: a fixed value of one makes access non-public."""

SHOWN_KEYS = FIXED_KEYS | frozenset(space.PRINCIPAL_KEYS)

PUBLIC_PROVIDERS = {
    "cognito-identity.amazonaws.com": "cognito-identity.amazonaws.com:aud",
    "accounts.google.com": "accounts.google.com:aud",
    "graph.facebook.com": "graph.facebook.com:app_id",
    "www.amazon.com": "www.amazon.com:app_id",
}
"""Providers whose tokens anybody can get, with the key that ties a token to one application."""


@dataclass(frozen=True)
class Zone:
    """The zone of trust: ``trusted(account)``, and the organisation id and path of an account."""

    trusted: Callable[[str], bool]
    organization: Callable[[str], tuple[str, str] | None]
    own_organization: str = ""  # the id that counts as inside, for an analyzer of the organisation


@dataclass(frozen=True)
class Resource:
    """A resource with everything that decides who may reach it."""

    arn: str
    type: str  # CloudFormation's name
    account: str
    document: Mapping[str, Any] | None = None
    rcps: tuple[tuple[Policy, ...], ...] | None = None
    acl: tuple[Mapping[str, Any], ...] = ()
    owner_id: str = ""  # canonical user id of the owner, where there is an ACL
    grants: tuple[Mapping[str, Any], ...] = ()
    blocked: bool = False  # RestrictPublicBuckets: a public policy serves nobody outside the account


@dataclass
class Access:
    """One external principal's access, in the words of a finding."""

    principal: dict[str, str]
    actions: list[str]
    condition: dict[str, str]
    is_public: bool
    sources: list[str] = field(default_factory=lambda: ["POLICY"])
    restriction: str = "NOT_APPLICABLE"
    statements: list[int] = field(default_factory=list)

    def key(self) -> tuple[str, str]:
        """What makes it one finding."""
        return json.dumps(self.principal), json.dumps(self.condition, sort_keys=True)


def external_access(resource: Resource, zone: Zone) -> list[Access]:
    """Who outside the zone has access, merged to one entry for each principal and condition.

    :raises labs.aws.providers.access_analyzer_space.TooComplex: the policy cannot be decided by trying
    """
    found = _by_policy(resource, zone) + _by_acl(resource) + _by_grant(resource, zone)
    merged: dict[tuple[str, str], Access] = {}
    for access in found:
        known = merged.setdefault(access.key(), access)
        if known is not access:
            known.actions = sorted({*known.actions, *access.actions})
            known.is_public = known.is_public or access.is_public
            known.statements += access.statements
            known.sources = list(dict.fromkeys([*known.sources, *access.sources]))
    return list(merged.values())


# -- the policy --------------------------------------------------------------------------------------------------------


def _by_policy(resource: Resource, zone: Zone) -> list[Access]:
    document = resource.document
    if not document:
        return []
    found = []
    statements = space.statements_in(document)
    denies = [statement for statement in statements if statement.get("Effect") == "Deny"]
    for index, statement in enumerate(statements):
        if statement.get("Effect") != "Allow":
            continue
        for kind, word in _named(statement):
            alone = {**statement, "Principal": {kind: word}}
            alone.pop("NotPrincipal", None)
            narrowed = {**document, "Statement": [alone, *denies]}
            for access in _Search(resource, zone, narrowed, alone, kind, word).accesses():
                access.statements = [index]
                found.append(access)
    return [access for access in found if not (resource.blocked and any(a.is_public for a in found))]


def _named(statement: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    if "NotPrincipal" in statement:
        return [("AWS", "*")]  # everybody else: AWS reports it as public
    element = statement.get("Principal")
    groups = {"AWS": element} if isinstance(element, str) else element
    if not isinstance(groups, Mapping):
        return []
    return [(kind, word) for kind in ("AWS", "Federated", "CanonicalUser") for word in strings(groups.get(kind))]


class _Search:
    """One Allow statement for one principal, together with every Deny of the policy."""

    def __init__(
        self, resource: Resource, zone: Zone, document: dict[str, Any], allow: dict[str, Any], kind: str, word: str
    ) -> None:
        self.resource, self.zone, self.kind, self.word = resource, zone, kind, word
        self.policies = PolicySet(
            identity=(ALLOW_ALL,),
            resource=Policy(document, name="resource policy"),
            rcps=resource.rcps,
            resource_must_allow=resource.type in ("AWS::KMS::Key", "AWS::IAM::Role"),
        )
        above = [policy.document for level in resource.rcps or () for policy in level]
        self.values = space.condition_values([document, *above])
        self.words = [text for pairs in self.values.values() for _, text in pairs]
        self.unknown = space.stranger([*self.words, resource.account, word])
        self.targets = list(_targets(resource, allow))
        self.actions = _alike(_actions(resource, allow), [document, *above])
        free = {key: pairs for key, pairs in self.values.items() if key not in space.PRINCIPAL_KEYS}
        self.free = {key: self._outside(key, space.values_to_try(key, pairs)) for key, pairs in free.items()}

    def _outside(self, key: str, values: list[str | None]) -> list[str | None]:
        """Values that stand for somebody outside: a service calling for an account inside is no finding."""
        if key == "aws:sourceorgid" and self.zone.own_organization:
            return [value for value in values if value != self.zone.own_organization]
        if key not in SOURCE_KEYS:
            return values
        kept: list[str | None] = []
        for value in values:
            account = value.split(":")[4] if value and value.startswith("arn:") and value.count(":") >= 5 else value
            if key == "aws:sourcearn" and value and not account and value.startswith("arn:aws:s3:::"):
                continue  # a bucket's ARN names no account; AWS takes it for a fixed value of the owner's
            if not account or not self.zone.trusted(account):
                kept.append(value)
        return kept

    def accesses(self) -> list[Access]:
        if not self.targets or not self.actions:
            return []
        found = []
        for caller in self._callers():
            if caller.account and caller.account != self.unknown and self.zone.trusted(caller.account):
                continue
            access = self._of(caller)
            if access:
                found.append(access)
        # "*" was tried through several representatives: the widest says it all.
        public = [access for access in found if not access.condition]
        return public[:1] or found

    def _callers(self) -> list[Caller]:
        if self.kind == "Federated":
            return [space.federated_caller(self.word)]
        if self.kind == "CanonicalUser":
            return [space.named_caller(f"arn:aws:iam::{self.unknown}:root", None)]
        if self.word != "*":
            account = self.word if self.word.isdigit() else (self.word.split(":") + [""] * 5)[4]
            return [space.named_caller(self.word, self.zone.organization(account) if account else None)]
        return self._anybody()

    def _anybody(self) -> list[Caller]:
        """An anonymous caller, a stranger, and everybody whom a condition on the principal names."""
        unknown = self.unknown
        found = [space.ANONYMOUS, space.role_caller(f"arn:aws:iam::{unknown}:role/{space.FRESH}", None, unknown=True)]
        for _, value in (*self.values.get("aws:principalaccount", ()), *self.values.get("kms:calleraccount", ())):
            for account in space.concrete(value):
                if account.isdigit():
                    found.append(space.named_caller(account, self.zone.organization(account)))
        for _, value in self.values.get("aws:principalarn", ()):
            for arn in space.concrete(value.replace("::*:", f"::{unknown}:")):
                if arn.startswith("arn:") and arn.count(":") >= 5:
                    found.append(space.named_caller(arn, self.zone.organization(arn.split(":")[4])))
        for _, value in self.values.get("aws:principalorgid", ()):
            found += self._member(unknown, value, f"{value}/r-zq/ou-zq/")
        for _, value in self.values.get("aws:principalorgpaths", ()):
            found += [one for path in space.concrete(value) for one in self._member(unknown, path.split("/")[0], path)]
        return found

    def _member(self, account: str, organization: str, path: str) -> list[Caller]:
        if organization == self.zone.own_organization:
            return []
        return [space.role_caller(f"arn:aws:iam::{account}:role/{space.FRESH}", (organization, path))]

    def _of(self, caller: Caller) -> Access | None:
        allowed: dict[str, Context] = {}
        for tried, context in enumerate(space.contexts(self.free)):
            if tried * len(self.actions) * len(self.targets) > space.LIMIT:
                raise space.TooComplex
            for action in self.actions:
                if action not in allowed and any(self._allows(caller, action, t, context) for t in self.targets):
                    allowed[action] = context
            if len(allowed) == len(self.actions):
                break
        if not allowed:
            return None
        action, witness = next(iter(allowed.items()))
        condition = self._condition(caller, action, witness)
        public = caller.unknown and not any(key.lower() in FIXED_KEYS for key in condition)
        if self.kind == "Federated":
            needed = PUBLIC_PROVIDERS.get(self.word)
            public = needed is not None and needed not in {key.lower() for key in condition}
        return Access(
            {self.kind: _shown(self.word)},
            sorted(one for action in allowed for one in self.actions[action]),
            condition,
            public and self.word in ("*", *PUBLIC_PROVIDERS),
            restriction="APPLIED" if self._limited_by_rcp() else "NOT_APPLICABLE",
        )

    def _limited_by_rcp(self) -> bool:
        return any(
            statement.get("Effect") == "Deny"
            for level in self.resource.rcps or ()
            for policy in level
            for statement in space.statements_in(policy.document)
        )

    def _allows(self, caller: Caller, action: str, target: str, context: Mapping[str, Any]) -> bool:
        request = Request(
            caller.principal,
            action,
            target,
            self.resource.account,
            {"aws:ResourceAccount": self.resource.account, **context, **caller.keys},
        )
        return evaluate(request, self.policies).allowed

    def _condition(self, caller: Caller, action: str, witness: Context) -> dict[str, str]:
        """The keys without which access ends, and every value of the policy with which it goes on."""
        spelled = _spelling(self.policies)
        condition: dict[str, str] = {}
        for key in self.values:
            pairs = self.values[key]
            if key in space.PRINCIPAL_KEYS:
                if not caller.unknown and self.word == "*" and key in caller.keys:
                    value = caller.keys[key]
                    condition[spelled[key]] = self._policy_word(pairs, value if isinstance(value, str) else value[0])
                continue
            others = [None, space.fresh_value(key, [value for _, value in pairs])]
            if key not in FIXED_KEYS and self.kind != "Federated" and self.resource.type != "AWS::IAM::Role":
                continue  # a caller can send any value of such a key
            if key in witness and not any(self._still(caller, action, witness, key, other) for other in others):
                good = [
                    text
                    for _, text in pairs
                    if self._still(caller, action, witness, key, space.concrete(text)[0])
                    or self._still(caller, action, witness, key, space.values_to_try(key, [_pair(pairs, text)])[0])
                ]
                condition[spelled[key]] = ",".join(good) or str(witness[key])
        return condition

    def _policy_word(self, pairs: list[tuple[str, str]], value: str) -> str:
        from fnmatch import fnmatchcase

        named = [text for _, text in pairs if fnmatchcase(value, text)]
        return named[0] if named else value

    def _still(self, caller: Caller, action: str, witness: Context, key: str, value: str | None) -> bool:
        context = {name: text for name, text in witness.items() if name != key}
        if value is not None:
            context[key] = (value,) if key in space.MULTIVALUED else value
        return any(self._allows(caller, action, target, context) for target in self.targets)


def _pair(pairs: list[tuple[str, str]], text: str) -> tuple[str, str]:
    return next(pair for pair in pairs if pair[1] == text)


def _shown(word: str) -> str:
    """AWS shows an account as its number."""
    return word.split(":")[4] if word.startswith("arn:") and word.endswith(":root") else word


def _spelling(policies: PolicySet) -> dict[str, str]:
    spelled: dict[str, str] = {}
    documents = [policies.resource.document] if policies.resource else []
    documents += [policy.document for level in policies.rcps or () for policy in level]
    for document in documents:
        for statement in space.statements_in(document):
            for keys in (statement.get("Condition") or {}).values():
                spelled.update({key.lower(): key for key in keys})
    return spelled


def _targets(resource: Resource, allow: Mapping[str, Any]) -> Iterable[str]:
    """ARNs of this resource, and of what it contains, that the statement may speak about."""
    own = [resource.arn]
    if resource.type == "AWS::S3::Bucket":
        own = [resource.arn, f"{resource.arn}/*"]
    elif resource.type == "AWS::DynamoDB::Table":
        own = [resource.arn, f"{resource.arn}/index/*"]
    elif resource.type == "AWS::Lambda::Function":
        own = [resource.arn, f"{resource.arn}:*"]
    patterns = strings(allow.get("Resource"))
    if not patterns:
        return [text for arn in own for text in space.concrete(arn)[:1]]
    found = [text for arn in own for pattern in patterns if (text := space.intersection(arn, pattern)) is not None]
    return list(dict.fromkeys(text if text != f"{resource.arn}/" else f"{text}{space.FRESH}" for text in found))


def _actions(resource: Resource, allow: Mapping[str, Any]) -> Iterable[str]:
    """The actions of the service on this type of resource that the statement may speak about, in AWS's spelling."""
    prefix = {"AWS::IAM::Role": "sts"}.get(resource.type, resource.arn.split(":")[2])
    kinds = _KINDS.get(resource.type, ())
    known = [
        f"{prefix}:{action.name}"
        for action in reference.service(prefix).actions.values()
        if not kinds or any(kind in action.types for kind in kinds)
    ]
    if resource.type == "AWS::IAM::Role":
        known = [
            f"sts:{name}"
            for name in (
                "AssumeRole",
                "AssumeRoleWithSAML",
                "AssumeRoleWithWebIdentity",
                "SetContext",
                "SetSourceIdentity",
                "TagSession",
            )
        ]
    if "NotAction" in allow:
        return known
    lowered = [pattern.lower() for pattern in strings(allow.get("Action"))]
    return [action for action in known if any(space.intersection(action.lower(), word) for word in lowered)]


def _alike(actions: Iterable[str], documents: list[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Actions that no statement tells apart, under the first of them: one is asked for all."""
    statements = [statement for document in documents for statement in space.statements_in(document)]
    tests = [
        action_matcher(strings(statement.get(name)))
        for statement in statements
        for name in ("Action", "NotAction")
        if name in statement
    ]
    groups: dict[tuple[bool, ...], list[str]] = {}
    for action in actions:
        groups.setdefault(tuple(test(action.lower()) for test in tests), []).append(action)
    return {group[0]: group for group in groups.values()}


_KINDS: dict[str, tuple[str, ...]] = {
    "AWS::S3::Bucket": ("bucket", "object"),
    "AWS::KMS::Key": ("key",),
    "AWS::Lambda::Function": ("function", "function alias", "function version"),
    "AWS::SQS::Queue": ("queue",),
    "AWS::SNS::Topic": ("topic",),
    "AWS::SecretsManager::Secret": ("Secret",),
    "AWS::ECR::Repository": ("repository",),
    "AWS::DynamoDB::Table": ("table", "index"),
}

# -- ACLs and grants ---------------------------------------------------------------------------------------------------

_ACL_ACTIONS = {
    # S3 User Guide, "Access control list (ACL) overview": "Mapping of ACL permissions and access policy permissions"
    "READ": ("s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions"),
    "WRITE": ("s3:PutObject",),
    "READ_ACP": ("s3:GetBucketAcl",),
    "WRITE_ACP": ("s3:PutBucketAcl",),
}
_ACL_GROUPS = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)


def _by_acl(resource: Resource) -> list[Access]:
    found = []
    for grant in resource.acl:
        grantee = grant.get("Grantee", {})
        permission = grant.get("Permission", "")
        names = _ACL_ACTIONS if permission == "FULL_CONTROL" else (permission,)
        actions = sorted({action for name in names for action in _ACL_ACTIONS.get(name, ())})
        if grantee.get("URI") in _ACL_GROUPS:
            found.append(Access({"AWS": "*"}, actions, {}, True, ["BUCKET_ACL"]))
        elif grantee.get("ID") and grantee["ID"] != resource.owner_id:
            found.append(Access({"CanonicalUser": grantee["ID"]}, actions, {}, False, ["BUCKET_ACL"]))
    return found


def _by_grant(resource: Resource, zone: Zone) -> list[Access]:
    """KMS grants (AWS KMS Developer Guide, "Grants in AWS KMS")."""
    found = []
    for grant in resource.grants:
        grantee = grant.get("GranteePrincipal", "")
        parts = grantee.split(":")
        if len(parts) < 6 or zone.trusted(parts[4]):
            continue
        constraints = grant.get("Constraints") or {}
        pairs = constraints.get("EncryptionContextEquals") or constraints.get("EncryptionContextSubset") or {}
        condition = {f"kms:EncryptionContext:{name}": value for name, value in pairs.items()}
        actions = sorted(f"kms:{operation}" for operation in grant.get("Operations", ()))
        found.append(Access({"AWS": _shown(grantee)}, actions, condition, False))
    return found
