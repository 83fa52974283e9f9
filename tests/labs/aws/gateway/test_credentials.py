"""Credentials need no store: what is minted opens again under the same master key, and nothing else does."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.credentials import Credentials, KeyOwner, account_of
from labs.aws.gateway.signing import read_signature
from labs.aws.iam.model import Policy, Principal, PrincipalType

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ACCOUNT = "111122223333"
ROLE = Principal(
    arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/app/run",
    account=ACCOUNT,
    type=PrincipalType.ROLE,
    user_id="AROAEXAMPLE:run",
    role_arn=f"arn:aws:iam::{ACCOUNT}:role/team/app",
    tags={"team": "blue"},
)
DOCUMENT = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
MINT = Credentials(b"a master key of some length")


def role(**claims):
    return MINT.mint(ROLE, issued=NOW, expires=NOW + HOUR, kind="role", **claims)


def refused(access_key_id, token, now=NOW, credentials=MINT, **how):
    with pytest.raises(AwsError) as caught:
        credentials.open(access_key_id, token, now, **how)
    return caught.value


def test_minted_credentials_open_with_everything_they_carry():
    minted = role(
        session_policies=(Policy(DOCUMENT, name="inline"),),
        session_policy_arns=("arn:aws:iam::aws:policy/ReadOnlyAccess",),
        mfa=True,
        mfa_time=NOW,
        source_identity="ana",
        session_tags={"team": "blue"},
        transitive_tags=("team",),
        role_session_name="run",
        role_id="AROAEXAMPLE",
        issuer_arn="arn:x",
        federated_provider="oidc",
        user_name="ana",
        context={"sts:RoleSessionName": "run"},
    )
    assert Credentials(b"a master key of some length").open(minted.access_key_id, minted.session_token, NOW) == minted


def test_ids_and_secrets_look_like_aws_and_carry_the_account():
    minted = role()
    assert re.fullmatch(r"ASIA[A-Z2-7]{16}", minted.access_key_id)
    assert re.fullmatch(r"[\w-]{40}", minted.secret)
    assert minted.secret == MINT.secret_for(minted.access_key_id)
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", MINT.long_term_id("000000000000"))
    for account in ("000000000000", ACCOUNT, "999999999999"):
        assert account_of(MINT.long_term_id(account)) == account
    assert len({role().access_key_id for _ in range(200)}) == 200
    assert account_of("AKIAIOSFODNN7EXAMPLE") is None
    assert account_of("123456789012") is None


def test_no_secret_shows_in_a_repr():
    minted = role()
    assert minted.secret not in repr(minted)
    assert minted.session_token not in repr(minted)


def test_a_token_opens_only_with_its_own_key_and_master_key():
    one, two = role(), role()
    assert refused(one.access_key_id, two.session_token).code == "InvalidClientTokenId"
    for token in (one.session_token[:-2], one.session_token.replace("g", "h", 1), "é", "", MINT.seal_text("x", NOW)):
        assert refused(one.access_key_id, token).code == "InvalidClientTokenId"
    other = Credentials(b"another master key, longer")
    assert refused(one.access_key_id, one.session_token, credentials=other).code == "InvalidClientTokenId"
    assert other.secret_for(one.access_key_id) != one.secret


@pytest.mark.parametrize(
    ("service", "protocol", "code"),
    [("s3", "s3", "ExpiredToken"), ("sts", "query", "ExpiredToken"), ("dynamodb", "json", "ExpiredTokenException")],
)
def test_an_expired_token_is_refused_at_its_second(service, protocol, code):
    minted = role()
    assert MINT.open(minted.access_key_id, minted.session_token, NOW + HOUR - timedelta(seconds=1)) == minted
    error = refused(minted.access_key_id, minted.session_token, NOW + HOUR, service=service, protocol=protocol)
    assert error.code == code


SHORTHANDS = [("test", "000000000000"), ("000000000000", "000000000000"), (ACCOUNT, ACCOUNT)]


@pytest.mark.parametrize(("access_key_id", "account"), SHORTHANDS)
def test_shorthands_are_roots_where_they_are_allowed(access_key_id, account):
    root = MINT.open(access_key_id, None, NOW, shorthands=True)
    assert (root.principal.arn, root.principal.user_id) == (f"arn:aws:iam::{account}:root", account)
    assert (root.root, root.secret, root.temporary) == (True, "test", False)
    assert refused(access_key_id, None).code == "InvalidClientTokenId"
    assert refused(access_key_id, "a token", shorthands=True).code == "InvalidClientTokenId"


@pytest.mark.parametrize("access_key_id", ["ASIAIOSFODNN7EXAMPLE", "AROAIOSFODNN7EXAMPLE", "", "1" * 13, "test2"])
def test_unknown_ids_are_refused(access_key_id):
    assert refused(access_key_id, None, shorthands=True).code == "InvalidClientTokenId"
    assert refused(access_key_id, None, service="s3", protocol="s3").code == "InvalidAccessKeyId"


def resolve(access_key_id, owner):
    scope = f"{access_key_id}/20261124/us-east-1/dynamodb/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    headers = [
        (b"host", b"x"),
        (b"x-amz-date", b"20261124T120000Z"),
        (b"authorization", authorization.encode()),
        (b"x-amz-target", b"DynamoDB_20120810.ListTables"),
    ]
    signature = read_signature("POST", b"/", b"", headers)
    asked = []

    async def key_owner(name):
        asked.append(name)
        return owner

    return asyncio.run(MINT.resolve(signature, NOW, key_owner)), asked


def test_a_long_term_key_belongs_to_the_user_its_owner_lookup_names():
    key = MINT.long_term_id(ACCOUNT)
    owner = KeyOwner(ACCOUNT, "ana", f"arn:aws:iam::{ACCOUNT}:user/eu/ana", "AIDAEXAMPLE", {"team": "blue"})
    credential, asked = resolve(key, owner)
    assert asked == [key]
    assert credential.secret == MINT.secret_for(key)
    assert credential.principal == Principal(
        arn=owner.user_arn, account=ACCOUNT, type=PrincipalType.USER, user_id="AIDAEXAMPLE", tags={"team": "blue"}
    )
    root, _ = resolve(key, KeyOwner(ACCOUNT, "", f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT))
    assert root.root
    for nobody in (None, replace(owner, status="Inactive")):
        with pytest.raises(AwsError) as caught:
            resolve(key, nobody)
        assert caught.value.code == "UnrecognizedClientException"


def test_condition_keys_tell_mfa_and_age_of_a_session():
    later = NOW + timedelta(seconds=90)
    session = role(mfa=True, mfa_time=NOW, source_identity="ana", federated_provider="oidc", context={"sts:X": "y"})
    assert session.condition_keys(later) == {
        "aws:MultiFactorAuthPresent": "true",
        "aws:MultiFactorAuthAge": "90",
        "aws:SourceIdentity": "ana",
        "aws:TokenIssueTime": "2026-11-24T12:00:00Z",
        "aws:FederatedProvider": "oidc",
        "sts:X": "y",
    }
    assert role().condition_keys(later) == {
        "aws:MultiFactorAuthPresent": "false",
        "aws:TokenIssueTime": "2026-11-24T12:00:00Z",
    }
    assert MINT.open("test", None, NOW, shorthands=True).condition_keys(later) == {}


def test_sealed_texts_open_only_here_and_are_not_session_tokens():
    assert MINT.open_text(MINT.seal_text("a message", NOW)) == "a message"
    assert MINT.open_text(role().session_token) is None
    assert MINT.open_text("gAAAA") is None


def test_a_short_master_key_is_refused():
    with pytest.raises(ValueError, match="16 bytes"):
        Credentials(b"short")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(access_key_id=st.text(max_size=25), token=st.none() | st.text(max_size=60), shorthands=st.booleans())
def test_only_aws_errors_escape_from_noise(access_key_id, token, shorthands):
    try:
        assert MINT.open(access_key_id, token, NOW, shorthands) is None or shorthands
    except AwsError as error:
        assert error.code == "InvalidClientTokenId"
