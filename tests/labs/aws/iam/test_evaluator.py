"""One row per rule of AWS's policy evaluation; ``page`` names the AWS documentation page the rule comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from labs.aws.iam import (
    Decision,
    Policy,
    PolicySet,
    PolicyType,
    Principal,
    PrincipalType,
    Request,
    evaluate,
)

HERE, THERE = "111122223333", "444455556666"
OBJECT = "arn:aws:s3:::shop/a.txt"
ROLE_ARN = f"arn:aws:iam::{HERE}:role/team/reader"
SESSION_ARN = f"arn:aws:sts::{HERE}:assumed-role/reader/one"

USER = Principal(f"arn:aws:iam::{HERE}:user/alice", HERE, PrincipalType.USER, "AIDAALICEALICEALICE1")
ROOT = Principal(f"arn:aws:iam::{HERE}:root", HERE, PrincipalType.ROOT, HERE)
ROLE = Principal(SESSION_ARN, HERE, PrincipalType.ROLE, "AROAREADERREADERREAD:one", ROLE_ARN)
LINKED = Principal(
    f"arn:aws:sts::{HERE}:assumed-role/AWSServiceRoleForX/one",
    HERE,
    PrincipalType.ROLE,
    role_arn=f"arn:aws:iam::{HERE}:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX",
    is_service_linked_role=True,
)
FEDERATED = Principal(
    f"arn:aws:sts::{HERE}:federated-user/guest", HERE, PrincipalType.FEDERATED, f"{HERE}:guest", issuer_arn=USER.arn
)
ANYONE = Principal("*", "", PrincipalType.ANONYMOUS)
SERVICE = Principal("sns.amazonaws.com", "", PrincipalType.SERVICE)
WEB = Principal(
    "*", "", PrincipalType.ANONYMOUS, federated_provider=f"arn:aws:iam::{HERE}:oidc-provider/oidc.example.com/id/1"
)

LOGIC = 'IAM User Guide, "How AWS enforcement code logic evaluates requests to allow or deny access"'
ONE_ACCOUNT = 'IAM User Guide, "Policy evaluation for requests within a single account"'
TWO_ACCOUNTS = 'IAM User Guide, "Cross-account policy evaluation logic"'
BOUNDARIES = 'IAM User Guide, "Permissions boundaries for IAM entities"'
SESSIONS = 'IAM User Guide, "Policies and permissions in AWS IAM", Session policies'
PRINCIPAL_PAGE = 'IAM User Guide, "AWS JSON policy elements: Principal"'
NOT_PRINCIPAL_PAGE = 'IAM User Guide, "AWS JSON policy elements: NotPrincipal"'
NOT_ACTION_PAGE = 'IAM User Guide, "IAM JSON policy elements: NotAction"'
NOT_RESOURCE_PAGE = 'IAM User Guide, "IAM JSON policy elements: NotResource"'
ROOT_PAGE = 'IAM User Guide, "AWS account root user"'
SCP_PAGE = 'AWS Organizations User Guide, "SCP evaluation"'
SCP_WHO = 'AWS Organizations User Guide, "Service control policies (SCPs)"'
RCP_PAGE = 'AWS Organizations User Guide, "Resource control policies (RCPs)"'
KMS_PAGE = 'AWS KMS Developer Guide, "Key policies in AWS KMS"'
GRANTS_PAGE = 'AWS KMS Developer Guide, "Grants in AWS KMS"'
TRUST_PAGE = 'IAM User Guide, "Methods to assume a role", "Roles terms and concepts"'
ENDPOINT_PAGE = 'AWS PrivateLink Guide, "Control access to VPC endpoints using endpoint policies"'
LOCKED_OUT_PAGE = 'Amazon S3 API Reference, "PutBucketPolicy"'


def policy(*statements: dict[str, Any], arn: str = "", name: str = "p", version: str = "2012-10-17") -> Policy:
    return Policy({"Version": version, "Statement": list(statements)}, name=name, arn=arn)


def allow(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


FULL, NOTHING = policy(allow(), name="FullAWSAccess"), policy(allow("ec2:*"), name="ec2 only")
S3 = (policy(allow("s3:*")),)
RCP_FULL = policy(allow(Principal="*"), name="RCPFullAWSAccess")


def bucket(*aws: str, **more: Any) -> Policy:
    statement = allow("s3:GetObject", "arn:aws:s3:::shop/*", Principal={"AWS": list(aws)}, **more)
    return policy(statement, name="bucket policy")


@dataclass(frozen=True)
class Row:
    page: str
    rule: str
    principal: Principal
    policies: PolicySet
    denied_by: PolicyType | None  # None: allowed
    explicit: bool = False
    action: str = "s3:GetObject"
    resource: str = OBJECT
    owner: str = HERE

    def decide(self) -> Decision:
        return evaluate(Request(self.principal, self.action, self.resource, self.owner), self.policies)


IDENTITY, RESOURCE, BOUNDARY = PolicyType.IDENTITY, PolicyType.RESOURCE, PolicyType.BOUNDARY
SESSION, SCP, RCP, ENDPOINT = PolicyType.SESSION, PolicyType.SCP, PolicyType.RCP, PolicyType.VPC_ENDPOINT
KEY = f"arn:aws:kms:us-east-1:{HERE}:key/1"
TARGET = f"arn:aws:iam::{HERE}:role/target"


def key(*principals: str) -> Policy:
    return policy(allow("kms:*", "*", Principal={"AWS": list(principals)}), name="key policy")


def trust(principal: Any, **more: Any) -> Policy:
    return policy({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}, name="trust policy")


def kms(rule: str, principal: Principal, policies: PolicySet, denied_by: PolicyType | None, **more: Any) -> Row:
    page = more.pop("page", KMS_PAGE)
    return Row(page, rule, principal, policies, denied_by, action="kms:Encrypt", resource=KEY, **more)


def assume(rule: str, principal: Principal, policies: PolicySet, denied_by: PolicyType | None, **more: Any) -> Row:
    more = {"action": "sts:AssumeRole", **more}
    return Row(TRUST_PAGE, rule, principal, policies, denied_by, resource=TARGET, **more)


ASSUMER = (policy(allow("sts:AssumeRole")),)
DENY_GET = deny("s3:GetObject")
ROWS = [
    # -- implicit and explicit deny
    Row(LOGIC, "everything is denied by default", USER, PolicySet(), IDENTITY),
    Row(LOGIC, "an identity policy allows", USER, PolicySet(identity=S3), None),
    Row(LOGIC, "deny in an identity policy", USER, PolicySet(identity=(*S3, policy(DENY_GET))), IDENTITY, True),
    Row(
        LOGIC, "deny in a resource policy", USER,
        PolicySet(identity=S3, resource=policy(deny("s3:*", Principal="*"))), RESOURCE, True,
    ),
    Row(
        LOGIC, "deny in a boundary", USER,
        PolicySet(identity=S3, boundary=policy(allow(), DENY_GET)), BOUNDARY, True,
    ),
    Row(
        LOGIC, "deny in a boundary stops even a caller whom the bucket policy names", USER,
        PolicySet(resource=bucket(USER.arn), boundary=policy(allow(), DENY_GET)), BOUNDARY, True,
    ),
    Row(
        LOGIC, "deny in a session policy", ROLE,
        PolicySet(identity=S3, session=(policy(allow(), DENY_GET),)), SESSION, True,
    ),
    Row(LOGIC, "deny in an SCP", USER, PolicySet(identity=S3, scps=((FULL,), (FULL, policy(DENY_GET)))), SCP, True),
    Row(
        LOGIC, "deny in an RCP", USER,
        PolicySet(identity=S3, rcps=((RCP_FULL,), (RCP_FULL, policy(deny("s3:*", Principal="*"))))), RCP, True,
    ),
    Row(
        ENDPOINT_PAGE, "deny in a VPC endpoint policy", USER,
        PolicySet(identity=S3, vpc_endpoint=policy(allow(Principal="*"), deny("s3:*", Principal="*"))), ENDPOINT, True,
    ),
    Row(
        ENDPOINT_PAGE, "an endpoint policy must allow", USER,
        PolicySet(identity=S3, vpc_endpoint=policy(allow("sqs:*", Principal="*"))), ENDPOINT,
    ),
    Row(
        ENDPOINT_PAGE, "an endpoint policy does not grant", USER,
        PolicySet(vpc_endpoint=policy(allow(Principal="*"))), IDENTITY,
    ),
    Row(
        ENDPOINT_PAGE, "an endpoint policy may name one caller", ROLE,
        PolicySet(identity=S3, vpc_endpoint=policy(allow(Principal={"AWS": USER.arn}))), ENDPOINT,
    ),
    # -- resource-based policies within one account
    Row(ONE_ACCOUNT, "user ARN grants without identity policy", USER, PolicySet(resource=bucket(USER.arn)), None),
    Row(
        ONE_ACCOUNT, "user ARN is not limited by the boundary", USER,
        PolicySet(resource=bucket(USER.arn), boundary=NOTHING), None,
    ),
    Row(PRINCIPAL_PAGE, "user by unique id", USER, PolicySet(resource=bucket(USER.user_id)), None),
    Row(PRINCIPAL_PAGE, "another user is not meant", USER, PolicySet(resource=bucket(USER.arn + "2")), IDENTITY),
    Row(
        PRINCIPAL_PAGE, "no wildcard inside a principal ARN", USER,
        PolicySet(resource=bucket(f"arn:aws:iam::{HERE}:user/*")), IDENTITY,
    ),
    Row(PRINCIPAL_PAGE, "an account only delegates", USER, PolicySet(resource=bucket(HERE)), IDENTITY),
    Row(PRINCIPAL_PAGE, "a root ARN only delegates", USER, PolicySet(resource=bucket(ROOT.arn)), IDENTITY),
    Row(
        PRINCIPAL_PAGE, "delegation and identity policy together allow", USER,
        PolicySet(identity=S3, resource=bucket(HERE)), None,
    ),
    Row(
        PRINCIPAL_PAGE, "a principal by both its account and itself", USER,
        PolicySet(resource=bucket(ROOT.arn, USER.arn)), None,
    ),
    Row(
        PRINCIPAL_PAGE, "Principal * grants to users of the account", USER,
        PolicySet(resource=policy(allow("s3:GetObject", Principal="*"))), None,
    ),
    Row(
        PRINCIPAL_PAGE, "AWS: * is the same as *", USER,
        PolicySet(resource=policy(allow("s3:GetObject", Principal={"AWS": "*"}))), None,
    ),
    Row(
        ONE_ACCOUNT, "* for a session counts as the role: the boundary limits", ROLE,
        PolicySet(resource=policy(allow("s3:GetObject", Principal="*")), boundary=NOTHING), BOUNDARY,
    ),
    Row(ONE_ACCOUNT, "role ARN with its path grants", ROLE, PolicySet(resource=bucket(ROLE_ARN)), None),
    Row(
        PRINCIPAL_PAGE, "a role ARN without its path is another role", ROLE,
        PolicySet(resource=bucket(f"arn:aws:iam::{HERE}:role/reader")), IDENTITY,
    ),
    Row(PRINCIPAL_PAGE, "role by unique id", ROLE, PolicySet(resource=bucket("AROAREADERREADERREAD")), None),
    Row(
        ONE_ACCOUNT, "role ARN: limited by the boundary", ROLE,
        PolicySet(resource=bucket(ROLE_ARN), boundary=NOTHING), BOUNDARY,
    ),
    Row(
        ONE_ACCOUNT, "role ARN: limited by the session policy", ROLE,
        PolicySet(resource=bucket(ROLE_ARN), session=(NOTHING,)), SESSION,
    ),
    Row(
        ONE_ACCOUNT, "session ARN: neither boundary nor session policy limits", ROLE,
        PolicySet(resource=bucket(SESSION_ARN), boundary=NOTHING, session=(NOTHING,)), None,
    ),
    Row(
        ONE_ACCOUNT, "federated user ARN decides alone", FEDERATED,
        PolicySet(resource=bucket(FEDERATED.arn), boundary=NOTHING, session=()), None,
    ),
    Row(
        ONE_ACCOUNT, "the user behind a federated user: the session policy limits", FEDERATED,
        PolicySet(resource=bucket(USER.arn), session=()), SESSION,
    ),
    Row(
        ONE_ACCOUNT, "the user behind a federated user: within the session policy", FEDERATED,
        PolicySet(resource=bucket(USER.arn), session=S3), None,
    ),
    # -- limits
    Row(BOUNDARIES, "the boundary must allow too", USER, PolicySet(identity=S3, boundary=NOTHING), BOUNDARY),
    Row(BOUNDARIES, "a boundary does not grant", USER, PolicySet(boundary=FULL), IDENTITY),
    Row(BOUNDARIES, "both allow", USER, PolicySet(identity=S3, boundary=FULL), None),
    Row(
        BOUNDARIES, "delegation to the account is limited by the boundary", USER,
        PolicySet(identity=S3, resource=bucket(HERE), boundary=NOTHING), BOUNDARY,
    ),
    Row(SESSIONS, "the session policy must allow too", ROLE, PolicySet(identity=S3, session=(NOTHING,)), SESSION),
    Row(SESSIONS, "a session policy does not grant", ROLE, PolicySet(session=(FULL,)), IDENTITY),
    Row(SESSIONS, "one of several session policies allows", ROLE, PolicySet(identity=S3, session=(NOTHING, *S3)), None),
    Row(SESSIONS, "a federated user without session policy", FEDERATED, PolicySet(identity=S3, session=()), SESSION),
    # -- organisation
    Row(SCP_PAGE, "every level must allow", USER, PolicySet(identity=S3, scps=((FULL,), (NOTHING,), (FULL,))), SCP),
    Row(SCP_PAGE, "an SCP does not grant", USER, PolicySet(scps=((FULL,),)), IDENTITY),
    Row(SCP_PAGE, "policies of one level add up", USER, PolicySet(identity=S3, scps=((NOTHING, *S3), (FULL,))), None),
    Row(SCP_PAGE, "a level without policies allows nothing", USER, PolicySet(identity=S3, scps=((FULL,), ())), SCP),
    Row(SCP_WHO, "SCPs limit the root user of a member", ROOT, PolicySet(scps=((NOTHING,),)), SCP),
    Row(SCP_WHO, "SCPs spare service-linked roles", LINKED, PolicySet(identity=S3, scps=((NOTHING,),)), None),
    Row(SCP_WHO, "SCPs limit callers whom the bucket policy names", USER,
        PolicySet(resource=bucket(USER.arn), scps=((NOTHING,),)), SCP),
    Row(RCP_PAGE, "RCPs do not grant", USER, PolicySet(rcps=((RCP_FULL,),)), IDENTITY),
    Row(
        RCP_PAGE, "RCPs spare service-linked roles", LINKED,
        PolicySet(identity=S3, rcps=((RCP_FULL, policy(deny("s3:*", Principal="*"))),)), None,
    ),
    Row(
        RCP_PAGE, "RCPs limit callers from outside", ANYONE,
        PolicySet(
            resource=policy(allow("s3:GetObject", Principal="*")),
            rcps=((RCP_FULL, policy(deny("s3:*", Principal="*"))),),
        ),
        RCP, True,
    ),
    # -- root, services, anonymous
    Row(ROOT_PAGE, "the root user may do everything", ROOT, PolicySet(), None),
    Row(ROOT_PAGE, "a bucket policy can deny the root user", ROOT,
        PolicySet(resource=policy(deny("s3:GetObject", Principal="*"))), RESOURCE, True),
    Row(
        LOCKED_OUT_PAGE, "but not lock it out of the bucket policy", ROOT,
        PolicySet(resource=policy(deny("s3:*", Principal="*"))), None,
        action="s3:DeleteBucketPolicy", resource="arn:aws:s3:::shop",
    ),
    Row(
        LOCKED_OUT_PAGE, "a user is locked out", USER,
        PolicySet(identity=S3, resource=policy(deny("s3:*", Principal="*"))), RESOURCE, True,
        action="s3:DeleteBucketPolicy", resource="arn:aws:s3:::shop",
    ),
    Row(PRINCIPAL_PAGE, "anonymous needs Principal *", ANYONE, PolicySet(resource=bucket(HERE)), RESOURCE),
    Row(PRINCIPAL_PAGE, "anonymous without a resource policy", ANYONE, PolicySet(), RESOURCE),
    Row(PRINCIPAL_PAGE, "anonymous with Principal *", ANYONE,
        PolicySet(resource=policy(allow("s3:GetObject", Principal="*"))), None),
    Row(PRINCIPAL_PAGE, "a service by Service", SERVICE,
        PolicySet(resource=policy(allow("s3:*", Principal={"Service": "sns.amazonaws.com"}))), None),
    Row(PRINCIPAL_PAGE, "another service", SERVICE,
        PolicySet(resource=policy(allow("s3:*", Principal={"Service": "events.amazonaws.com"}))), RESOURCE),
    Row(PRINCIPAL_PAGE, "a service is no AWS principal", SERVICE,
        PolicySet(resource=bucket(HERE), identity=(FULL,)), RESOURCE),
    # -- two accounts
    Row(TWO_ACCOUNTS, "resource policy alone", USER, PolicySet(resource=bucket(USER.arn)), IDENTITY, owner=THERE),
    Row(TWO_ACCOUNTS, "identity policy alone", USER, PolicySet(identity=S3), RESOURCE, owner=THERE),
    Row(TWO_ACCOUNTS, "both", USER, PolicySet(identity=S3, resource=bucket(USER.arn)), None, owner=THERE),
    Row(TWO_ACCOUNTS, "both, the account being named", USER, PolicySet(identity=S3, resource=bucket(HERE)), None,
        owner=THERE),
    Row(TWO_ACCOUNTS, "the owner's account is not the caller's", USER, PolicySet(identity=S3, resource=bucket(THERE)),
        RESOURCE, owner=THERE),
    Row(TWO_ACCOUNTS, "boundary limits although the user is named", USER,
        PolicySet(identity=S3, resource=bucket(USER.arn), boundary=NOTHING), BOUNDARY, owner=THERE),
    Row(TWO_ACCOUNTS, "session policy limits although the session is named", ROLE,
        PolicySet(identity=S3, resource=bucket(SESSION_ARN), session=(NOTHING,)), SESSION, owner=THERE),
    Row(TWO_ACCOUNTS, "a session that is named still needs its identity policy", ROLE,
        PolicySet(resource=bucket(SESSION_ARN)), IDENTITY, owner=THERE),
    Row(TWO_ACCOUNTS, "the root user needs the other side", ROOT, PolicySet(), RESOURCE, owner=THERE),
    Row(TWO_ACCOUNTS, "the root user with the other side", ROOT, PolicySet(resource=bucket(HERE)), None, owner=THERE),
    # -- NotPrincipal, NotAction, NotResource
    Row(NOT_PRINCIPAL_PAGE, "user and account listed are spared", USER,
        PolicySet(identity=S3, resource=policy(deny("s3:*", NotPrincipal={"AWS": [USER.arn, ROOT.arn]}))), None),
    Row(NOT_PRINCIPAL_PAGE, "the account alone spares nobody else", USER,
        PolicySet(identity=S3, resource=policy(deny("s3:*", NotPrincipal={"AWS": [ROOT.arn]}))), RESOURCE, True),
    Row(NOT_PRINCIPAL_PAGE, "the account must be listed too", USER,
        PolicySet(identity=S3, resource=policy(deny("s3:*", NotPrincipal={"AWS": [USER.arn]}))), RESOURCE, True),
    Row(NOT_PRINCIPAL_PAGE, "session, role and account listed are spared", ROLE,
        PolicySet(identity=S3, resource=policy(deny("s3:*", NotPrincipal={"AWS": [SESSION_ARN, ROLE_ARN, HERE]}))),
        None),
    Row(NOT_PRINCIPAL_PAGE, "a session needs its session ARN listed", ROLE,
        PolicySet(identity=S3, resource=policy(deny("s3:*", NotPrincipal={"AWS": [ROLE_ARN, HERE]}))), RESOURCE, True),
    Row(NOT_PRINCIPAL_PAGE, "a session needs its role listed", ROLE,
        PolicySet(identity=S3, resource=policy(deny("s3:*", NotPrincipal={"AWS": [SESSION_ARN, HERE]}))), RESOURCE,
        True),
    Row(NOT_PRINCIPAL_PAGE, "with a boundary nobody is spared", USER,
        PolicySet(identity=S3, boundary=FULL, resource=policy(deny("s3:*", NotPrincipal={"AWS": [USER.arn, HERE]}))),
        RESOURCE, True),
    Row(NOT_PRINCIPAL_PAGE, "a service that is listed is spared", SERVICE,
        PolicySet(resource=policy(
            allow("s3:*", Principal={"Service": "sns.amazonaws.com"}),
            deny("s3:*", NotPrincipal={"Service": "sns.amazonaws.com"}),
        )), None),
    Row(NOT_ACTION_PAGE, "NotAction with Allow grants the rest", USER,
        PolicySet(identity=(policy({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),)), None),
    Row(NOT_ACTION_PAGE, "and not what it lists", USER,
        PolicySet(identity=(policy({"Effect": "Allow", "NotAction": "s3:Get*", "Resource": "*"}),)), IDENTITY),
    Row(NOT_ACTION_PAGE, "NotAction with Deny", USER,
        PolicySet(identity=(*S3, policy({"Effect": "Deny", "NotAction": ["iam:*", "sts:*"], "Resource": "*"}))),
        IDENTITY, True),
    Row(NOT_RESOURCE_PAGE, "NotResource spares what it lists", USER,
        PolicySet(identity=(*S3, policy({"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::shop/*"}))),
        None),
    Row(NOT_RESOURCE_PAGE, "NotResource denies the rest", USER,
        PolicySet(identity=(*S3, policy({"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::logs/*"}))),
        IDENTITY, True),
    # -- keys and trust policies
    kms("a key policy must allow", USER, PolicySet(identity=(FULL,), resource=key(f"arn:aws:iam::{HERE}:user/bob"),
        resource_must_allow=True), RESOURCE),
    kms("even the root user", ROOT, PolicySet(resource=key(USER.arn), resource_must_allow=True), RESOURCE),
    kms("root in the key policy lets identity policies decide", USER,
        PolicySet(identity=(policy(allow("kms:Encrypt")),), resource=key(ROOT.arn), resource_must_allow=True), None),
    kms("root in the key policy is no grant", USER, PolicySet(resource=key(ROOT.arn), resource_must_allow=True),
        IDENTITY),
    kms("a user in the key policy needs nothing else", USER,
        PolicySet(resource=key(USER.arn), resource_must_allow=True), None),
    kms("a grant is enough", USER, PolicySet(resource=key(ROOT.arn), resource_must_allow=True, grant=True), None,
        page=GRANTS_PAGE),
    kms("a grant does not overrule a deny", USER,
        PolicySet(identity=(policy(deny("kms:*")),), resource=key(ROOT.arn), resource_must_allow=True, grant=True),
        IDENTITY, explicit=True, page=GRANTS_PAGE),
    kms("a grant across accounts needs the caller's account too", USER,
        PolicySet(resource=key(THERE), resource_must_allow=True, grant=True), IDENTITY, owner=THERE, page=GRANTS_PAGE),
    assume("the account in the trust policy delegates", USER,
           PolicySet(identity=ASSUMER, resource=trust({"AWS": ROOT.arn}), resource_must_allow=True), None),
    assume("and is not enough by itself", USER,
           PolicySet(resource=trust({"AWS": HERE}), resource_must_allow=True), IDENTITY),
    assume("the user in the trust policy is enough", USER,
           PolicySet(resource=trust({"AWS": USER.arn}), resource_must_allow=True), None),
    assume("not across accounts", USER, PolicySet(resource=trust({"AWS": USER.arn}), resource_must_allow=True),
           IDENTITY, owner=THERE),
    assume("a trust policy that names only a service", USER,
           PolicySet(identity=ASSUMER, resource=trust({"Service": "ec2.amazonaws.com"}), resource_must_allow=True),
           RESOURCE),
    assume("the service itself", Principal("ec2.amazonaws.com", "", PrincipalType.SERVICE),
           PolicySet(resource=trust({"Service": "ec2.amazonaws.com"}), resource_must_allow=True), None),
    assume("web identity by its provider", WEB,
           PolicySet(resource=policy({"Effect": "Allow", "Principal": {"Federated": WEB.federated_provider},
                                      "Action": "sts:AssumeRoleWithWebIdentity"}), resource_must_allow=True),
           None, action="sts:AssumeRoleWithWebIdentity"),
    assume("web identity from another provider", WEB,
           PolicySet(resource=policy({"Effect": "Allow", "Principal": {"Federated": WEB.federated_provider + "2"},
                                      "Action": "sts:AssumeRoleWithWebIdentity"}), resource_must_allow=True),
           RESOURCE, action="sts:AssumeRoleWithWebIdentity"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
def test_rule(row: Row) -> None:
    decision = row.decide()
    assert (decision.allowed, decision.denied_by, decision.explicit) == (
        row.denied_by is None,
        row.denied_by,
        row.explicit,
    ), row.page


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
def test_trace_agrees_with_the_decision(row: Row) -> None:
    """Gates come in AWS's order, the deciding statement matched, and the blamed gate is the one that refuses."""
    decision = row.decide()
    assert [gate.type for gate in decision.gates] == [RCP, SCP, ENDPOINT, RESOURCE, IDENTITY, BOUNDARY, SESSION]
    for gate in decision.gates:
        if gate.decided_by is not None:
            decided = gate.statements[gate.decided_by]
            assert decided.matched
            assert (decided.effect == "Deny") == (gate.verdict == "explicit-deny")
        assert all(trace.why for trace in gate.statements)
        assert gate.verdict != "explicit-deny" or gate.decided_by is not None
    refusing = [gate.type for gate in decision.gates if gate.verdict.endswith("deny")]
    assert (decision.denied_by in refusing) if row.denied_by else not refusing


@pytest.mark.parametrize(
    ("named", "owner", "resource_verdict", "identity_verdict"),
    [
        (USER.arn, HERE, "final-allow", "skipped"),
        (USER.arn, THERE, "allow", "implicit-deny"),
        (HERE, HERE, "allow", "implicit-deny"),
        ("*", HERE, "final-allow", "skipped"),
        (THERE, HERE, "skipped", "implicit-deny"),
        (THERE, THERE, "implicit-deny", "implicit-deny"),
    ],
)
def test_verdicts_tell_who_decides(named: str, owner: str, resource_verdict: str, identity_verdict: str) -> None:
    """A resource-based policy decides by itself for a principal that it names within its own account only."""
    gates = evaluate(Request(USER, "s3:GetObject", OBJECT, owner), PolicySet(resource=bucket(named))).gates
    assert (gates[3].verdict, gates[4].verdict) == (resource_verdict, identity_verdict)


def test_policy_arn_of_an_explicit_deny_is_reported_for_managed_policies_only() -> None:
    arn = f"arn:aws:iam::{HERE}:policy/no-reading"
    request = Request(USER, "s3:GetObject", OBJECT, HERE)
    managed = evaluate(request, PolicySet(identity=(*S3, policy(DENY_GET, arn=arn))))
    inline = evaluate(request, PolicySet(identity=(*S3, policy(DENY_GET, arn=USER.arn))))
    implicit = evaluate(request, PolicySet(identity=S3, boundary=policy(allow("ec2:*"), arn=arn)))
    assert (managed.policy_arn, inline.policy_arn, implicit.policy_arn) == (arn, "", "")


def test_deciding_statement_is_named_with_policy_sid_and_index() -> None:
    document = policy(allow("ec2:*"), allow("s3:Get*", Sid="Read"), name="work")
    gate = evaluate(Request(USER, "s3:GetObject", OBJECT, HERE), PolicySet(identity=(document,))).gates[4]
    assert gate.decided_by == 1
    first, second = gate.statements
    assert (first.matched, first.action, first.resource, first.condition) == (False, False, None, None)
    assert (second.policy, second.sid, second.index, second.matched) == ("work", "Read", 1, True)
    assert gate.documents == (document,)


def test_a_failed_condition_says_what_was_found_and_what_was_expected() -> None:
    document = policy(allow("s3:*", Condition={"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}))
    request = Request(USER, "s3:GetObject", OBJECT, HERE, {"aws:SourceIp": "127.0.0.1"})
    (trace,) = evaluate(request, PolicySet(identity=(document,))).gates[4].statements
    assert (trace.condition, trace.why) == (False, "aws:SourceIp is 127.0.0.1, expected in 203.0.113.0/24")


def test_a_document_may_be_changed_in_place_between_two_calls() -> None:
    document = {"Version": "2012-10-17", "Statement": [allow("ec2:*")]}
    request, policies = Request(USER, "s3:GetObject", OBJECT, HERE), PolicySet(identity=(Policy(document),))
    assert not evaluate(request, policies).allowed
    document["Statement"][0]["Action"] = "s3:*"
    assert evaluate(request, policies).allowed


@pytest.mark.parametrize(
    "document",
    [{}, {"Statement": None}, {"Statement": ["x", 1]}, {"Statement": {"Effect": "Maybe"}},
     {"Statement": [{"Effect": "Allow", "Action": 1, "Resource": {}, "Condition": []}]},
     {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Sound": {"a:b": "c"}}}]},
     {"Statement": [{"Effect": "Allow", "Action": "*", "Principal": 3}]}],
)  # fmt: skip
def test_a_broken_document_allows_nothing_and_breaks_nothing(document: dict[str, Any]) -> None:
    broken = Policy(document)
    policies = PolicySet(identity=(broken,), resource=broken, boundary=broken, session=(broken,), scps=((broken,),))
    assert not evaluate(Request(USER, "s3:GetObject", OBJECT, HERE), policies).allowed
