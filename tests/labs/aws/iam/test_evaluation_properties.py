"""What must hold for every policy set ("Policy evaluation logic", IAM User Guide), tried on generated ones."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from labs.aws.iam import (
    Decision,
    Policy,
    PolicySet,
    Principal,
    PrincipalType,
    Request,
    decision_from_dict,
    decision_to_dict,
    evaluate,
)

HERE, THERE = "111122223333", "444455556666"
ROLE_ARN = f"arn:aws:iam::{HERE}:role/reader"
PRINCIPALS = (
    Principal(f"arn:aws:iam::{HERE}:user/alice", HERE, PrincipalType.USER, "AIDAALICE"),
    Principal(f"arn:aws:iam::{HERE}:root", HERE, PrincipalType.ROOT, HERE),
    Principal(f"arn:aws:sts::{HERE}:assumed-role/reader/one", HERE, PrincipalType.ROLE, "AROAREADER:one", ROLE_ARN),
    Principal(f"arn:aws:sts::{HERE}:federated-user/guest", HERE, PrincipalType.FEDERATED),
    Principal("*", "", PrincipalType.ANONYMOUS),
    Principal("sns.amazonaws.com", "", PrincipalType.SERVICE),
)
WORDS = st.sampled_from([
    {"AWS": HERE}, {"AWS": ROLE_ARN}, {"AWS": [principal.arn for principal in PRINCIPALS[:4]]}, "*", {"AWS": THERE},
    {"Service": "sns.amazonaws.com"}, {"Federated": "accounts.google.com"},
])  # fmt: skip
ACTIONS = st.sampled_from(["*", "s3:*", "s3:Get*", "s3:GetObject", "sqs:*", ["s3:PutObject", "ec2:*"], "S3:GETOBJECT"])
RESOURCES = st.sampled_from(["*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/${aws:username}", "arn:aws:s3:::c"])
CONDITIONS = st.sampled_from([
    {}, {}, {"StringEquals": {"aws:username": "alice"}}, {"StringNotEquals": {"s3:prefix": "x"}},
    {"Bool": {"aws:SecureTransport": "true"}}, {"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}},
    {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"Null": {"aws:username": "true"}},
])  # fmt: skip
EFFECTS = st.sampled_from(["Allow", "Allow", "Deny"])


def statements(effects: st.SearchStrategy[str] = EFFECTS, principal: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    parts: dict[str, st.SearchStrategy[Any]] = {
        "Effect": effects,
        "Action": ACTIONS,
        "Resource": RESOURCES,
        "Condition": CONDITIONS,
    }
    if principal:
        parts["Principal"] = WORDS
    return st.fixed_dictionaries(parts)


def policies(principal: bool = False) -> st.SearchStrategy[Policy]:
    documents = st.lists(statements(principal=principal), max_size=3).map(
        lambda listed: {"Version": "2012-10-17", "Statement": listed}
    )
    return documents.map(lambda document: Policy(document, name="p"))


def levels(principal: bool = False) -> st.SearchStrategy[Any]:
    return st.none() | st.lists(st.lists(policies(principal), max_size=2).map(tuple), max_size=2).map(tuple)


SETS = st.builds(
    PolicySet,
    identity=st.lists(policies(), max_size=2).map(tuple),
    boundary=st.none() | policies(),
    session=st.none() | st.lists(policies(), max_size=2).map(tuple),
    resource=st.none() | policies(principal=True),
    scps=levels(),
    rcps=levels(principal=True),
    vpc_endpoint=st.none() | policies(principal=True),
    resource_must_allow=st.booleans(),
    grant=st.booleans(),
)
REQUESTS = st.builds(
    Request,
    principal=st.sampled_from(PRINCIPALS),
    action=st.sampled_from(["s3:GetObject", "s3:PutObject", "sqs:SendMessage", "sts:AssumeRoleWithSAML"]),
    resource=st.sampled_from(["arn:aws:s3:::b/alice", "arn:aws:s3:::b/bob", "arn:aws:s3:::c", "*"]),
    resource_account=st.sampled_from(["", HERE, THERE]),
    context=st.fixed_dictionaries(
        {},
        optional={
            "aws:username": st.sampled_from(["alice", "bob"]),
            "aws:SecureTransport": st.sampled_from(["true", "false"]),
            "aws:SourceIp": st.sampled_from(["10.1.2.3", "203.0.113.1"]),
            "aws:TagKeys": st.sampled_from([(), ("a",), ("a", "b")]),
        },
    ),
)
DENY_ALL = Policy({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})
DENY_EVERYONE = Policy({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*", "Principal": "*"}],
})  # fmt: skip
IN_ORGANIZATION = (PrincipalType.USER, PrincipalType.ROLE, PrincipalType.ROOT, PrincipalType.FEDERATED)


def _decide(request: Request, policies: PolicySet, **changed: Any) -> Decision:
    return evaluate(request, dataclasses.replace(policies, **changed))


@given(REQUESTS, SETS)
def test_an_explicit_deny_anywhere_always_denies(request: Request, given_: PolicySet) -> None:
    changes: list[dict[str, Any]] = [
        {"resource": DENY_EVERYONE},
        {"vpc_endpoint": DENY_EVERYONE},
        {"rcps": (*(given_.rcps or ()), (DENY_EVERYONE,))},
    ]
    if request.principal.type in IN_ORGANIZATION and request.action != "sts:AssumeRoleWithSAML":
        changes += [
            {"identity": (*given_.identity, DENY_ALL)},
            {"session": (*(given_.session or ()), DENY_ALL)},
            {"scps": ((DENY_ALL,), *(given_.scps or ()))},
        ]
        if request.principal.type is not PrincipalType.ROOT:
            changes.append({"boundary": DENY_ALL})
    for change in changes:
        decision = _decide(request, given_, **change)
        assert not decision.allowed, change
        assert decision.explicit, change


ALLOWS = statements(st.just("Allow"), principal=True)


def _added(policy: Policy, statement: dict[str, Any]) -> Policy:
    document = dict(policy.document)
    return Policy({**document, "Statement": [*document["Statement"], statement]}, name=policy.name)


@given(REQUESTS, SETS, ALLOWS)
@settings(max_examples=200)
def test_adding_an_allow_never_turns_allow_into_deny(
    request: Request, given_: PolicySet, statement: dict[str, Any]
) -> None:
    if not evaluate(request, given_).allowed:
        return
    plain = {key: value for key, value in statement.items() if key != "Principal"}
    extra = Policy({"Version": "2012-10-17", "Statement": [plain]})
    changes: list[dict[str, Any]] = [
        {"identity": (*given_.identity, extra)},
        {"resource": _added(given_.resource or Policy({"Version": "2012-10-17", "Statement": []}), statement)},
        {"grant": True},
    ]
    if given_.boundary is not None:
        changes.append({"boundary": _added(given_.boundary, plain)})
    if given_.session is not None:
        changes.append({"session": (*given_.session, extra)})
    if given_.scps:
        changes.append({"scps": tuple((*level, extra) for level in given_.scps)})
    for change in changes:
        assert _decide(request, given_, **change).allowed, change


@given(REQUESTS, SETS)
@settings(max_examples=200)
def test_a_limit_never_widens(request: Request, given_: PolicySet) -> None:
    """What a set with a boundary, SCP, RCP, session or VPC endpoint policy allows, the set without it allows too."""
    if not evaluate(request, given_).allowed:
        return
    for limit in ("boundary", "session", "scps", "rcps", "vpc_endpoint"):
        assert _decide(request, given_, **{limit: None}).allowed, limit


@given(REQUESTS, SETS)
def test_json_round_trip(request: Request, given_: PolicySet) -> None:
    decision = evaluate(request, given_)
    assert decision_from_dict(json.loads(json.dumps(decision_to_dict(decision)))) == decision


@given(REQUESTS, SETS)
def test_nobody_is_allowed_without_a_grant(request: Request, given_: PolicySet) -> None:
    """Limits alone grant nothing; only the root user needs no grant, and only in its own account."""
    bare = dataclasses.replace(given_, identity=(), resource=None, grant=False)
    own = request.resource_account in ("", HERE) and request.principal.type is PrincipalType.ROOT
    if not (own and not given_.resource_must_allow and request.action != "sts:AssumeRoleWithSAML"):
        assert not evaluate(request, bare).allowed
