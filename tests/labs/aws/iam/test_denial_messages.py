"""AWS's wording of a denial ("Troubleshoot access denied error messages", IAM User Guide) and the JSON form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labs.aws.iam import (
    Policy,
    PolicySet,
    Principal,
    PrincipalType,
    Request,
    decision_from_dict,
    decision_to_dict,
    denial_message,
    evaluate,
)

HERE, THERE = "111122223333", "444455556666"
USER = Principal(f"arn:aws:iam::{HERE}:user/alice", HERE, PrincipalType.USER)
ANYONE = Principal("*", "", PrincipalType.ANONYMOUS)
QUEUE, OBJECT = f"arn:aws:sqs:us-east-1:{HERE}:q", "arn:aws:s3:::shop/a"
TARGET, KEY = f"arn:aws:iam::{HERE}:role/target", f"arn:aws:kms:us-east-1:{THERE}:key/1"
SCP_ARN = "arn:aws:organizations::000000000000:policy/o-1/service_control_policy/p-1"
SENDING = f"User: {USER.arn} is not authorized to perform: sqs:SendMessage on resource: {QUEUE}"


def policy(effect: str = "Allow", action: str = "*", arn: str = "", **more: Any) -> Policy:
    statement = {"Effect": effect, "Action": action, "Resource": "*", **more}
    return Policy({"Version": "2012-10-17", "Statement": [statement]}, name="p", arn=arn)


FULL, OTHER, DENY = policy(), policy(action="ec2:*"), policy("Deny")
DENY_ALL = policy("Deny", Principal="*")


@pytest.mark.parametrize(
    ("policies", "ending"),
    [
        (PolicySet(), "because no identity-based policy allows the sqs:SendMessage action"),
        (PolicySet(identity=(DENY,)), "with an explicit deny in an identity-based policy"),
        (
            PolicySet(identity=(policy("Deny", arn=f"arn:aws:iam::{HERE}:policy/p"),)),
            f"with an explicit deny in an identity-based policy: arn:aws:iam::{HERE}:policy/p",
        ),
        (
            PolicySet(identity=(FULL,), boundary=OTHER),
            "because no permissions boundary allows the sqs:SendMessage action",
        ),
        (PolicySet(identity=(FULL,), boundary=DENY), "with an explicit deny in a permissions boundary"),
        (
            PolicySet(identity=(FULL,), session=(OTHER,)),
            "because no session policy allows the sqs:SendMessage action",
        ),
        (PolicySet(identity=(FULL,), session=(DENY,)), "with an explicit deny in a session policy"),
        (
            PolicySet(identity=(FULL,), scps=((OTHER,),)),
            "because no service control policy allows the sqs:SendMessage action",
        ),
        (
            PolicySet(identity=(FULL,), scps=((FULL, policy("Deny", arn=SCP_ARN)),)),
            f"with an explicit deny in a service control policy: {SCP_ARN}",
        ),
        (PolicySet(identity=(FULL,), rcps=((DENY_ALL,),)), "with an explicit deny in a resource control policy"),
        (PolicySet(identity=(FULL,), resource=DENY_ALL), "with an explicit deny in a resource-based policy"),
        (PolicySet(identity=(FULL,), vpc_endpoint=DENY_ALL), "with an explicit deny in a VPC endpoint policy"),
        (
            PolicySet(identity=(FULL,), vpc_endpoint=policy(action="s3:*", Principal="*")),
            "because no VPC endpoint policy allows the sqs:SendMessage action",
        ),
    ],
)
def test_wording_by_policy_type(policies: PolicySet, ending: str) -> None:
    decision = evaluate(Request(USER, "sqs:SendMessage", QUEUE, HERE), policies)
    assert denial_message(decision) == f"{SENDING} {ending}"


ORGANIZATION = {"aws:PrincipalOrgID": "o-1", "aws:ResourceOrgID": "o-1"}


@pytest.mark.parametrize(
    ("request_", "policies", "message"),
    [
        (
            Request(USER, "s3:GetObject", OBJECT, HERE),
            PolicySet(),
            f'User: {USER.arn} is not authorized to perform: s3:GetObject on resource: "{OBJECT}" '
            "because no identity-based policy allows the s3:GetObject action",
        ),
        (
            Request(USER, "s3:ListAllMyBuckets", "*"),
            PolicySet(),
            f"User: {USER.arn} is not authorized to perform: s3:ListAllMyBuckets "
            "because no identity-based policy allows the s3:ListAllMyBuckets action",
        ),
        (Request(ANYONE, "s3:GetObject", OBJECT, HERE), PolicySet(), "Access Denied"),
        (Request(USER, "s3:GetObject", OBJECT, THERE), PolicySet(identity=(FULL,)), "Access Denied"),
        (
            Request(USER, "s3:GetObject", OBJECT, THERE, ORGANIZATION),
            PolicySet(identity=(FULL,)),
            f'User: {USER.arn} is not authorized to perform: s3:GetObject on resource: "{OBJECT}" '
            "because no resource-based policy allows the s3:GetObject action",
        ),
        (
            Request(USER, "sts:AssumeRole", TARGET, HERE),
            PolicySet(resource=policy("Deny", "sts:*", Principal="*"), resource_must_allow=True),
            f"User: {USER.arn} is not authorized to perform: sts:AssumeRole on resource: {TARGET} "
            "with an explicit deny in the role trust policy",
        ),
        (
            Request(USER, "sts:AssumeRole", TARGET, HERE),
            PolicySet(identity=(FULL,), resource_must_allow=True),
            f"User: {USER.arn} is not authorized to perform: sts:AssumeRole on resource: {TARGET} "
            "because no role trust policy allows the sts:AssumeRole action",
        ),
        (
            Request(USER, "kms:Decrypt", KEY, THERE),
            PolicySet(identity=(FULL,), resource_must_allow=True),
            f"User: {USER.arn} is not authorized to perform: kms:Decrypt on resource: {KEY} because the resource does "
            "not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly "
            "denies access",
        ),
    ],
)
def test_wording_by_service_and_distance(request_: Request, policies: PolicySet, message: str) -> None:
    assert denial_message(evaluate(request_, policies)) == message


def test_a_stranger_does_not_learn_the_arn_of_the_denying_policy() -> None:
    policies = PolicySet(identity=(FULL,), rcps=((policy("Deny", arn=SCP_ARN, Principal="*"),),))
    near, far = Request(USER, "sqs:SendMessage", QUEUE, HERE), Request(USER, "sqs:SendMessage", QUEUE, THERE)
    assert SCP_ARN in denial_message(evaluate(near, policies))
    assert SCP_ARN not in denial_message(evaluate(far, policies))


def test_an_allowed_decision_has_no_message() -> None:
    assert denial_message(evaluate(Request(USER, "sqs:SendMessage", QUEUE, HERE), PolicySet(identity=(FULL,)))) == ""


def test_json_form_is_complete_and_reads_back_unchanged() -> None:
    request = Request(USER, "sqs:SendMessage", QUEUE, HERE, {"aws:TagKeys": ("a", "b"), "aws:SourceIp": "127.0.0.1"})
    decision = evaluate(request, PolicySet(identity=(FULL,), scps=((FULL, policy("Deny", arn=SCP_ARN)),)))
    data = json.loads(json.dumps(decision_to_dict(decision)))
    assert decision_from_dict(data) == decision
    assert data["message"] == denial_message(decision)
    assert (data["allowed"], data["explicit"], data["denied_by"]) == (False, True, "service control policy")
    assert data["gates"][1]["decided_by"] == 1
    assert data["gates"][1]["documents"][1]["arn"] == SCP_ARN
