"""What AWS accepts as a policy ("Grammar of the IAM JSON policy language", "IAM and AWS STS quotas", "SCP syntax", "RCP
syntax"), and its words when it refuses."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.aws.iam import LIMITS, MalformedPolicy, policy_size, validate_policy

VERSION = "2012-10-17"
ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
TRUST = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
BUCKET = {**ALLOW, "Principal": "*", "Resource": "arn:aws:s3:::b/*"}
RCP = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}


def text(*statements: Any, **more: Any) -> str:
    return json.dumps({"Version": VERSION, "Statement": list(statements), **more})


def without(statement: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in statement.items() if key not in names}


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("identity", text(ALLOW)),
        ("identity", text(ALLOW, {**ALLOW, "Sid": "Second"}, Id="x")),
        ("identity", json.dumps({"Version": VERSION, "Statement": ALLOW})),
        ("identity", json.dumps({"Version": "2008-10-17", "Statement": [ALLOW]})),
        ("identity", json.dumps({"Statement": [ALLOW]})),
        ("identity", text({"Effect": "Deny", "NotAction": ["iam:*"], "NotResource": ["arn:aws:s3:::b"]})),
        ("identity", text({**ALLOW, "Condition": {"ForAllValues:StringLikeIfExists": {"aws:TagKeys": ["a"]}}})),
        ("identity", text({**ALLOW, "Condition": {"Bool": {"aws:SecureTransport": True}}})),
        ("identity", text({**ALLOW, "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}})),
        ("identity", text({**ALLOW, "Resource": "arn:aws:s3:::b/${aws:username}/*"})),
        ("session", text(ALLOW)),
        ("boundary", text(ALLOW)),
        ("trust", text(TRUST)),
        ("trust", json.dumps({"Version": "2008-10-17", "Statement": [TRUST]})),
        ("trust", text({**TRUST, "Principal": {"AWS": ["111122223333", "arn:aws:iam::111122223333:role/a/b"]}})),
        ("trust", text({**TRUST, "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]})),
        ("resource", text(BUCKET)),
        ("resource", text(without(BUCKET, "Resource"))),
        ("resource", text({**without(BUCKET, "Principal"), "NotPrincipal": {"AWS": "111122223333"}})),
        ("resource", text({**BUCKET, "Principal": {"AWS": "arn:aws:sts::111122223333:assumed-role/r/s"}})),
        ("scp", text({"Effect": "Deny", "NotAction": "iam:*", "Resource": "*"})),
        ("scp", text({"Effect": "Allow", "Action": "*", "Resource": "*"})),
        ("rcp", text(RCP)),
    ],
)
def test_accepted(kind: str, document: str) -> None:
    assert validate_policy(document, kind) == json.loads(document)


SYNTAX = "Syntax errors in policy."
REFUSED: list[tuple[str, str, str]] = [
    ("identity", "", SYNTAX),
    ("identity", "{", SYNTAX),
    ("identity", "[]", SYNTAX),
    ("identity", "null", SYNTAX),
    ("identity", "[" * 5000, SYNTAX),
    ("identity", text({**ALLOW, "Condition": {"NumericEquals": {"a:b": float("nan")}}}), SYNTAX),
    ("identity", '{"Version": "2012-10-17", "Statement": [], "Statement": []}', SYNTAX),
    ("identity", json.dumps({"Version": VERSION}), SYNTAX),
    ("identity", json.dumps({"Version": "2026-01-01", "Statement": [ALLOW]}), SYNTAX),
    ("identity", text(), SYNTAX),
    ("identity", text("x"), SYNTAX),
    ("identity", text(ALLOW, Extra=1), SYNTAX),
    ("identity", text({**ALLOW, "Effekt": "Allow"}), SYNTAX),
    ("identity", text(without(ALLOW, "Effect")), SYNTAX),
    ("identity", text({**ALLOW, "Effect": "allow"}), SYNTAX),
    ("identity", text({**ALLOW, "NotAction": "s3:*"}), SYNTAX),
    ("identity", text({**ALLOW, "NotResource": "*"}), SYNTAX),
    ("identity", text({**ALLOW, "Action": {"a": "b"}}), SYNTAX),
    ("identity", text({**ALLOW, "Condition": {"StringSame": {"a:b": "c"}}}), SYNTAX),
    ("identity", text({**ALLOW, "Condition": {"NullIfExists": {"a:b": "true"}}}), SYNTAX),
    ("identity", text({**ALLOW, "Condition": {"StringEquals": {"a:b": {"c": "d"}}}}), SYNTAX),
    ("identity", text({**ALLOW, "Condition": []}), SYNTAX),
    ("identity", text({**ALLOW, "Condition": {"DateLessThan": {"aws:CurrentTime": "soon"}}}),
     "The policy failed legacy parsing"),
    ("managed", json.dumps({"Version": "2008-10-17", "Statement": [ALLOW]}),
     "Policy document must be version 2012-10-17 or greater."),
    ("identity", text({**ALLOW, "Sid": "a"}, {**ALLOW, "Sid": "a"}),
     "Statement IDs (SID) in a single policy must be unique."),
    ("identity", text({**ALLOW, "Principal": "*"}), "Policy document should not specify a principal."),
    ("identity", text(without(ALLOW, "Action")), "Policy statement must contain actions."),
    ("identity", text({**ALLOW, "Action": []}), "Policy statement must contain actions."),
    ("identity", text(without(ALLOW, "Resource")), "Policy statement must contain resources."),
    ("identity", text({**ALLOW, "Action": "GetObject"}),
     "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
    ("identity", text({**ALLOW, "Action": "s3:Get:Object"}), "Actions/Condition can contain only one colon."),
    ("identity", text({**ALLOW, "Action": "s*:GetObject"}), "Vendor s* is not valid"),
    ("identity", text({**ALLOW, "Resource": "bucket"}), 'Resource bucket must be in ARN format or "*".'),
    ("identity", text({**ALLOW, "Resource": "arn:aw:s3:::b"}),
     'Partition "aw" is not valid for resource "arn:aw:s3:*:*:b".'),
    ("identity", text({**ALLOW, "Resource": "arn:aws:s3:us-east-1::b"}),
     "Resource arn:aws:s3:us-east-1::b can not contain region information."),
    ("identity", text({**ALLOW, "Resource": "arn:aws:iam:us-east-1:1:user/a"}),
     "IAM resource arn:aws:iam:us-east-1:1:user/a cannot contain region information."),
    ("trust", "x", "This policy contains invalid Json"),
    ("trust", text({**TRUST, "Resource": "*"}), "Has prohibited field Resource"),
    ("trust", text(without(TRUST, "Principal")), "Missing required field Principal"),
    ("trust", text({**TRUST, "Action": "s3:GetObject"}), "AssumeRole policy may only specify STS AssumeRole actions."),
    ("trust", text({**TRUST, "Principal": {"AWS": "alice"}}), 'Invalid principal in policy: "AWS":"alice"'),
    ("trust", text({**TRUST, "Principal": {"AWS": "arn:aws:iam::111122223333:*"}}),
     'Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:*"'),
    ("resource", "x", "Policies must be valid JSON and the first byte must be '{'"),
    ("resource", text(ALLOW), "Missing required field Principal"),
    ("resource", text(without(BUCKET, "Action")), "Missing required field Action"),
    ("resource", text({**BUCKET, "Action": "GetObject"}), "Policy has invalid action"),
    ("resource", text({**BUCKET, "Effect": "Permit"}), "Invalid effect: Permit"),
    ("resource", text({**BUCKET, "Principal": {"Alien": "x"}}), 'Invalid principal in policy: "Alien":"x"'),
    ("resource", text({**BUCKET, "Principal": {"AWS": []}}), 'Invalid principal in policy: "AWS":""'),
]  # fmt: skip
CODES = {"trust": "MalformedPolicyDocument", "resource": "MalformedPolicy"}


@pytest.mark.parametrize(("kind", "document", "message"), REFUSED)
def test_refused_in_the_words_of_aws(kind: str, document: str, message: str) -> None:
    with pytest.raises(MalformedPolicy) as caught:
        validate_policy(document, kind)
    assert (caught.value.code, caught.value.message) == (CODES.get(kind, "MalformedPolicyDocument"), message)


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("scp", {**ALLOW, "Principal": "*"}),
        ("scp", without(ALLOW, "Resource")),
        ("scp", {**ALLOW, "Action": "*:Get*"}),
        ("rcp", {**RCP, "Effect": "Allow"}),
        ("rcp", {**RCP, "Principal": {"AWS": "111122223333"}}),
        ("rcp", {**RCP, "Action": "*"}),
        ("rcp", {**without(RCP, "Action"), "NotAction": "s3:*"}),
        ("rcp", {**without(RCP, "Principal"), "NotPrincipal": "*"}),
        ("rcp", without(RCP, "Principal")),
        ("rcp", without(RCP, "Resource")),
    ],
)
def test_organizations_refuse_what_their_policy_types_lack(kind: str, statement: dict[str, Any]) -> None:
    with pytest.raises(MalformedPolicy) as caught:
        validate_policy(text(statement), kind)
    assert caught.value.code == "MalformedPolicyDocumentException"
    assert caught.value.message.startswith("The provided policy document does not meet the requirements")


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        ("identity", "LimitExceeded", "Cannot exceed quota for PolicySize: 6144"),
        ("boundary", "LimitExceeded", "Cannot exceed quota for PolicySize: 6144"),
        ("user", "LimitExceeded", "Maximum policy size of 2048 bytes exceeded for user"),
        ("group", "LimitExceeded", "Maximum policy size of 5120 bytes exceeded for group"),
        ("role", "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role"),
        ("trust", "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048"),
        ("session", "ValidationError", "less than or equal to 2048"),
        ("resource", "PolicyTooLarge", "Policy exceeds the maximum allowed document size."),
        ("scp", "ConstraintViolationException", "maximum policy size: 10240"),
        ("rcp", "ConstraintViolationException", "maximum policy size: 5120"),
    ],
)
def test_size_limit(kind: str, code: str, message: str) -> None:
    statement = {"trust": TRUST, "resource": BUCKET, "rcp": RCP}.get(kind, ALLOW)
    field = "Condition"
    bare = json.dumps({"Version": VERSION, "Statement": [{**statement, field: {"StringEquals": {"a:b": ""}}}]})
    room = LIMITS[kind] - policy_size(bare, kind)
    largest = bare.replace('"a:b": ""', f'"a:b": "{"x" * room}"')
    assert validate_policy(largest, kind)
    with pytest.raises(MalformedPolicy) as caught:
        validate_policy(largest.replace('x"', 'xx"'), kind)
    assert caught.value.code == code
    assert message in caught.value.message


def test_iam_does_not_count_white_space_but_organizations_do() -> None:
    compact = text(ALLOW)
    spaced = json.dumps(json.loads(compact), indent=2000)
    assert policy_size(spaced, "identity") == policy_size(compact, "identity")
    assert validate_policy(spaced, "identity")
    with pytest.raises(MalformedPolicy):
        validate_policy(spaced, "scp")


def test_white_space_inside_a_string_counts() -> None:
    assert policy_size('{"Sid": "a \\" b"}') == len('{"Sid":"a \\" b"}')


def test_hostile_text_is_measured_at_once() -> None:
    started = time.process_time()
    assert policy_size('"' + '\\"' * 200_000) == 400_001
    assert time.process_time() - started < 2


def test_limit_may_be_given() -> None:
    big = text(*[{**BUCKET, "Sid": str(number)} for number in range(220)])
    assert LIMITS["resource"] < len(big) < 32768
    assert validate_policy(big, "resource", limit=32768)
    with pytest.raises(MalformedPolicy):
        validate_policy(big, "resource")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ELEMENTS = ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
ODD = st.dictionaries(st.sampled_from(ELEMENTS), JSON | st.sampled_from(["Allow", "*", "s3:*"]), max_size=6)


@given(st.sampled_from(sorted(LIMITS)), st.fixed_dictionaries({"Version": st.just(VERSION), "Statement": ODD | JSON}))
def test_any_document_is_either_accepted_or_refused(kind: str, document: dict[str, Any]) -> None:
    try:
        assert validate_policy(json.dumps(document), kind) == document
    except MalformedPolicy as refusal:
        assert refusal.code
        assert refusal.message
