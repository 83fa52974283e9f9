"""STS against a real IAM (moto's, in this process): shapes botocore accepts, and AWS's own refusals."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from functools import cache

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from labs.aws.gateway.calls import AwsError, ServiceCall
from labs.aws.gateway.credentials import Credentials, KeyOwner, root_principal
from labs.aws.iam.model import PrincipalType
from labs.aws.providers import sts

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ACCOUNT, OTHER = "111122223333", "444455556666"
MINT = Credentials(b"a master key of some length")
SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # the ASCII secret of RFC 6238's test vectors in base32
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": ["sts:AssumeRole", "sts:TagSession"]}]})
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
DEVICE = f"arn:aws:iam::{ACCOUNT}:mfa/phone"
STS = botocore.session.get_session().get_service_model("sts")


@cache
def connect(service, account):
    client = boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    header = {"x-moto-account-id": account}
    client.meta.events.register_first("before-send.iam", lambda request, **_: request.headers.update(header))
    return client


class Context:
    """The provider's view of an engine, with IAM of any account."""

    credentials = MINT

    def __init__(self):
        self.seeds, self.time = {}, NOW

    def now(self):
        return self.time

    async def mfa_seed(self, serial):
        return self.seeds.get(serial)

    async def call(self, service, operation, *, account, **params):
        client = connect(service, account)
        method = {name.replace("_", "").lower(): name for name in dir(client)}[operation.lower()]
        try:
            return getattr(client, method)(**params)
        except ClientError as error:
            found = error.response
            raise AwsError(
                found["Error"]["Code"], found["Error"]["Message"], found["ResponseMetadata"]["HTTPStatusCode"]
            ) from error


@pytest.fixture
def ctx():
    with mock_aws():
        yield Context()


def iam(ctx, operation, account=ACCOUNT, **params):
    return asyncio.run(ctx.call("iam", operation, account=account, **params))


@pytest.fixture
def ana(ctx):
    """A user with a virtual MFA device, in the account of the roles."""
    made = iam(ctx, "CreateUser", Path="/eu/", UserName="ana")["User"]
    iam(ctx, "CreateVirtualMFADevice", VirtualMFADeviceName="phone")
    iam(ctx, "EnableMFADevice", UserName="ana", SerialNumber=DEVICE, AuthenticationCode1="123456",
        AuthenticationCode2="654321")
    owner = KeyOwner(ACCOUNT, "ana", made["Arn"], made["UserId"], {"Team": "red", "Desk": "7"})
    return MINT.long_term(MINT.long_term_id(ACCOUNT), owner)


@pytest.fixture
def role(ctx):
    made = iam(ctx, "CreateRole", Path="/team/", RoleName="app", AssumeRolePolicyDocument=TRUST,
               MaxSessionDuration=7200, Tags=[{"Key": "team", "Value": "blue"}, {"Key": "tier", "Value": "web"}])
    return made["Role"]


def ask(ctx, caller, operation, **params):
    call = ServiceCall("sts", operation, params, "query", "us-east-1")
    result = asyncio.run(sts.handle(call, caller, ctx))
    shape = STS.operation_model(operation).output_shape
    assert set(result) <= set(shape.members), "only members that botocore knows"
    return result


def assume(ctx, caller, role, **params):
    return ask(ctx, caller, "AssumeRole", **{"RoleArn": role["Arn"], "RoleSessionName": "run", **params})


def opened(ctx, result):
    keys = result["Credentials"]
    credential = MINT.open(keys["AccessKeyId"], keys["SessionToken"], ctx.now())
    assert keys["SecretAccessKey"] == credential.secret
    assert keys["Expiration"] == credential.expires
    return credential


def refused(ctx, caller, operation, **params):
    with pytest.raises(AwsError) as caught:
        ask(ctx, caller, operation, **params)
    return caught.value


def test_get_caller_identity_says_who_asks(ctx, ana):
    assert ask(ctx, ana, "GetCallerIdentity") == {
        "UserId": ana.principal.user_id, "Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/eu/ana",
    }


def test_assume_role_gives_a_session_of_the_role(ctx, ana, role):
    result = assume(ctx, ana, role)
    assert set(result) == {"Credentials", "AssumedRoleUser"}
    assert result["AssumedRoleUser"] == {
        "AssumedRoleId": f"{role['RoleId']}:run", "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/app/run",
    }
    session = opened(ctx, result)
    assert session.expires - session.issued == timedelta(hours=1)
    assert session.principal.role_arn == f"arn:aws:iam::{ACCOUNT}:role/team/app"
    assert session.principal.type is PrincipalType.ROLE
    assert session.principal.tags == {"team": "blue", "tier": "web"}
    assert (session.session_policies, session.role_session_name, session.mfa) == (None, "run", False)
    assert ask(ctx, session, "GetCallerIdentity")["Arn"] == result["AssumedRoleUser"]["Arn"]


def test_session_policies_and_source_identity_travel_in_the_session(ctx, ana, role):
    arn = iam(ctx, "CreatePolicy", PolicyName="limit", PolicyDocument=ALLOW)["Policy"]["Arn"]
    result = assume(ctx, ana, role, Policy=ALLOW, PolicyArns=[{"arn": arn}], SourceIdentity="ana")
    assert 1 <= result["PackedPolicySize"] <= 100
    assert result["SourceIdentity"] == "ana"
    session = opened(ctx, result)
    assert [policy.document for policy in session.session_policies] == [json.loads(ALLOW)]
    assert session.session_policy_arns == (arn,)
    only_arns = opened(ctx, assume(ctx, ana, role, PolicyArns=[{"arn": arn}]))
    assert only_arns.session_policies == ()
    next_session = assume(ctx, session, role)
    assert next_session["SourceIdentity"] == "ana"
    error = refused(ctx, session, "AssumeRole", RoleArn=role["Arn"], RoleSessionName="run", SourceIdentity="bob")
    assert error.code == "AccessDenied"


def test_session_tags_override_role_tags_and_transitive_ones_are_inherited(ctx, ana, role):
    tags = [{"Key": "Team", "Value": "green"}, {"Key": "cost", "Value": "9"}]
    first = opened(ctx, assume(ctx, ana, role, Tags=tags, TransitiveTagKeys=["Team"]))
    assert first.principal.tags == {"tier": "web", "Team": "green", "cost": "9"}
    assert first.transitive_tags == ("Team",)
    second = opened(ctx, assume(ctx, first, role, Tags=[{"Key": "x", "Value": "y"}]))
    assert second.principal.tags == {"tier": "web", "Team": "green", "x": "y"}
    third = opened(ctx, assume(ctx, second, role))
    assert third.session_tags == {"Team": "green"}
    error = refused(ctx, first, "AssumeRole", RoleArn=role["Arn"], RoleSessionName="run",
                    Tags=[{"Key": "team", "Value": "red"}])
    assert error.code == "InvalidParameterValue"
    assert "conflicts with a transitive tag key from the calling session" in error.message


VALIDATION = [
    # parameters over a good AssumeRole, code, words
    ({"RoleSessionName": "a b"}, "ValidationError", r"1 validation error detected: Value 'a b' at 'roleSessionName' "
     r"failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*"),
    ({"RoleSessionName": "a", "DurationSeconds": 1}, "ValidationError", "2 validation errors detected: "),
    ({"RoleSessionName": None}, "ValidationError", "Value null at 'roleSessionName'"),
    ({"RoleSessionName": "é" * 3}, "ValidationError", "regular expression"),
    ({"DurationSeconds": 899}, "ValidationError", "Member must have value greater than or equal to 900"),
    ({"DurationSeconds": 43201}, "ValidationError", "Member must have value less than or equal to 43200"),
    ({"DurationSeconds": 7201}, "ValidationError", "exceeds the MaxSessionDuration set for this role."),
    ({"RoleArn": "arn:aws:iam::111122223333:user/someone"}, "ValidationError", "user/someone is invalid"),
    ({"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/nobody"}, "AccessDenied", "sts:AssumeRole on resource: arn:aws:iam"),
    ({"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/app"}, "AccessDenied", "is not authorized to perform: sts:AssumeRole"),
    ({"RoleArn": f"arn:aws:iam::{OTHER}:role/team/app"}, "AccessDenied", "not authorized"),
    ({"Policy": "{"}, "MalformedPolicyDocument", ""),
    ({"Policy": " " * 2049}, "ValidationError", "less than or equal to 2048"),
    ({"PolicyArns": [{"arn": f"arn:aws:iam::{ACCOUNT}:policy/absent"}]}, "ValidationError", "does not exist"),
    ({"PolicyArns": [{"arn": f"arn:aws:iam::{OTHER}:policy/foreign"}]}, "ValidationError", "is invalid"),
    ({"PolicyArns": [{"arn": f"arn:aws:iam::aws:policy/n{n}"} for n in range(11)]}, "ValidationError", "equal to 10"),
    ({"Tags": [{"Key": "k", "Value": "1"}, {"Key": "K", "Value": "2"}]}, "InvalidParameterValue", "case insensitive"),
    ({"Tags": [{"Key": "aws:k", "Value": "1"}]}, "InvalidParameterValue", "reserved"),
    ({"Tags": [{"Key": f"k{n}", "Value": "1"} for n in range(51)]}, "ValidationError", "equal to 50"),
    ({"Tags": [{"Key": "k!", "Value": "1"}]}, "ValidationError", "tags.1.member.key"),
    ({"Tags": [{"Key": "k", "Value": "v" * 257}]}, "ValidationError", "tags.1.member.value"),
    ({"TransitiveTagKeys": ["absent"]}, "InvalidParameterValue", "must be included in the requested tags"),
    ({"SourceIdentity": "a"}, "ValidationError", "sourceIdentity"),
    ({"ExternalId": "x y"}, "ValidationError", "externalId"),
    ({"SerialNumber": DEVICE, "TokenCode": "12345"}, "ValidationError", "tokenCode"),
    ({"SerialNumber": DEVICE, "TokenCode": "12345x"}, "ValidationError", r"pattern: [\d]*"),
]


@pytest.mark.parametrize(("params", "code", "words"), VALIDATION)
def test_bad_parameters_are_refused_in_aws_words(ctx, ana, role, params, code, words):
    error = refused(ctx, ana, "AssumeRole", **{"RoleArn": role["Arn"], "RoleSessionName": "run", **params})
    assert error.code == code
    assert words in error.message


def test_tags_too_large_to_pack_are_refused(ctx, ana, role):
    tags = [{"Key": f"{n}-" + MINT.secret_for(f"k{n}") * 3, "Value": MINT.secret_for(f"v{n}") * 6} for n in range(50)]
    tags = [{part: text.replace("=", "") for part, text in tag.items()} for tag in tags]
    error = refused(ctx, ana, "AssumeRole", RoleArn=role["Arn"], RoleSessionName="run", Tags=tags)
    assert error.code == "PackedPolicyTooLarge"
    assert "of allotted space, please use smaller policy." in error.message


def test_role_chaining_is_limited_to_one_hour(ctx, ana, role):
    session = opened(ctx, assume(ctx, ana, role, DurationSeconds=7200))
    error = refused(ctx, session, "AssumeRole", RoleArn=role["Arn"], RoleSessionName="run", DurationSeconds=3601)
    assert "1 hour session limit for roles assumed by role chaining" in error.message
    chained = opened(ctx, assume(ctx, session, role, DurationSeconds=3600))
    assert chained.expires == NOW + timedelta(hours=1)


def test_root_may_not_assume_roles(ctx, role):
    root = MINT.open(ACCOUNT, None, NOW, shorthands=True)
    error = refused(ctx, root, "AssumeRole", RoleArn=role["Arn"], RoleSessionName="run")
    assert (error.code, error.message) == ("AccessDenied", "Roles may not be assumed by root accounts.")


def test_get_session_token_keeps_the_user_and_remembers_mfa(ctx, ana):
    plain = opened(ctx, ask(ctx, ana, "GetSessionToken"))
    assert (plain.principal, plain.mfa, plain.user_name) == (ana.principal, False, "ana")
    assert plain.expires == NOW + timedelta(hours=12)
    assert plain.condition_keys(NOW)["aws:MultiFactorAuthPresent"] == "false"
    strong = opened(ctx, ask(ctx, ana, "GetSessionToken", SerialNumber=DEVICE, TokenCode="000000", DurationSeconds=900))
    assert strong.expires == NOW + timedelta(minutes=15)
    assert strong.condition_keys(NOW + timedelta(seconds=30))["aws:MultiFactorAuthAge"] == "30"
    error = refused(ctx, plain, "GetSessionToken")
    assert (error.code, error.status) == ("AccessDenied", 403)
    root = MINT.open(ACCOUNT, None, NOW, shorthands=True)
    assert opened(ctx, ask(ctx, root, "GetSessionToken", DurationSeconds=129600)).expires == NOW + timedelta(hours=1)


MFA = [
    ({"SerialNumber": DEVICE}, "must provide both MFA serial number and one time pass code"),
    ({"TokenCode": "123456"}, "must provide both"),
    ({"SerialNumber": DEVICE + "2", "TokenCode": "123456"}, "Please verify your MFA serial number is valid"),
    ({"SerialNumber": DEVICE, "TokenCode": "000000"}, "invalid MFA one time pass code"),
]


@pytest.mark.parametrize(("params", "words"), MFA)
def test_mfa_that_fails_is_denied(ctx, ana, role, params, words):
    ctx.seeds[DEVICE] = SEED
    assert sts.totp(SEED, NOW) != "000000"
    assert words in refused(ctx, ana, "GetSessionToken", **params).message
    assert words in refused(ctx, ana, "AssumeRole", RoleArn=role["Arn"], RoleSessionName="run", **params).message


def test_the_code_of_a_known_seed_must_be_of_this_half_minute_or_its_neighbours(ctx, ana):
    ctx.seeds[DEVICE] = SEED
    code = sts.totp(SEED, NOW)
    for seconds, good in ((0, True), (-30, True), (30, True), (90, False)):
        ctx.time = NOW + timedelta(seconds=seconds)
        if good:
            assert opened(ctx, ask(ctx, ana, "GetSessionToken", SerialNumber=DEVICE, TokenCode=code)).mfa
        else:
            assert refused(ctx, ana, "GetSessionToken", SerialNumber=DEVICE, TokenCode=code).code == "AccessDenied"


@pytest.mark.parametrize(("second", "code"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
def test_totp_agrees_with_rfc_6238(second, code):
    assert sts.totp(SEED, datetime.fromtimestamp(second, UTC)) == code


def test_the_mfa_of_an_assume_role_call_is_there_for_its_authorization(ctx, ana, role):
    def keys(**params):
        asked = {"RoleArn": role["Arn"], "RoleSessionName": "run", **params}
        call = ServiceCall("sts", "AssumeRole", asked, "query", "us-east-1")
        return asyncio.run(sts.mfa_context(call, ana, ctx))

    assert keys() == {}
    assert keys(SerialNumber=DEVICE, TokenCode="123456") == {
        "aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "0",
    }
    with pytest.raises(AwsError):
        keys(SerialNumber=DEVICE + "2", TokenCode="123456")


def test_get_federation_token_makes_a_federated_user_limited_by_its_issuer(ctx, ana):
    tags = [{"Key": "team", "Value": "green"}]
    result = ask(ctx, ana, "GetFederationToken", Name="bob", Policy=ALLOW, Tags=tags, DurationSeconds=900)
    assert result["FederatedUser"] == {
        "FederatedUserId": f"{ACCOUNT}:bob", "Arn": f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
    }
    assert result["PackedPolicySize"] >= 1
    session = opened(ctx, result)
    assert session.issuer_arn == ana.principal.arn
    assert session.principal.tags == {"team": "green", "Desk": "7"}
    assert session.principal.type is PrincipalType.FEDERATED
    assert session.expires == NOW + timedelta(minutes=15)
    without = opened(ctx, ask(ctx, ana, "GetFederationToken", Name="bob"))
    assert without.session_policies == ()  # a session policy that allows nothing
    assert without.expires == NOW + timedelta(hours=12)
    assert refused(ctx, session, "GetFederationToken", Name="bob").code == "AccessDenied"
    assert "'name'" in refused(ctx, ana, "GetFederationToken", Name="b" * 33).message
    assert refused(ctx, ana, "GetFederationToken", Name="bob", DurationSeconds=129601).code == "ValidationError"


def test_get_access_key_info_reads_the_account(ctx, ana):
    assert ask(ctx, ana, "GetAccessKeyInfo", AccessKeyId=MINT.long_term_id(OTHER)) == {"Account": OTHER}
    assert refused(ctx, ana, "GetAccessKeyInfo", AccessKeyId="AKIAIOSFODNN7EXAMPLE").code == "ValidationError"
    assert refused(ctx, ana, "GetAccessKeyInfo", AccessKeyId="short").code == "ValidationError"


DECISION = {
    "allowed": False, "explicit": True, "denied_by": "identity-based policy",
    "request": {
        "principal": {"arn": f"arn:aws:iam::{ACCOUNT}:user/ana", "user_id": "AIDA"}, "action": "ec2:StopInstances",
        "resource": "arn:aws:ec2:us-east-1:1:instance/i-1",
        "context": {"aws:RequestedRegion": "us-east-1", "k": ["a", "b"]},
    },
    "gates": [{"type": "identity-based policy", "statements": [
        {"policy": "guard", "sid": "NoStop", "effect": "Deny", "matched": True},
        {"policy": "guard", "sid": "Other", "effect": "Allow", "matched": True}]}],
}


def test_an_encoded_authorization_message_decodes_to_aws_json(ctx, ana):
    encoded = sts.encode_authorization_message(DECISION, MINT, NOW)
    message = json.loads(ask(ctx, ana, "DecodeAuthorizationMessage", EncodedMessage=encoded)["DecodedMessage"])
    assert (message["allowed"], message["explicitDeny"]) == (False, True)
    assert [item["statementId"] for item in message["matchedStatements"]["items"]] == ["NoStop"]
    assert message["context"]["principal"] == {"id": "AIDA", "name": "ana", "arn": f"arn:aws:iam::{ACCOUNT}:user/ana"}
    values = {"items": [{"value": "a"}, {"value": "b"}]}
    assert message["context"]["conditions"]["items"][1] == {"key": "k", "values": values}
    error = refused(ctx, ana, "DecodeAuthorizationMessage", EncodedMessage=encoded[:-3])
    assert error.code == "InvalidAuthorizationMessageException"
    token = ask(ctx, ana, "GetSessionToken")["Credentials"]["SessionToken"]
    assert refused(ctx, ana, "DecodeAuthorizationMessage", EncodedMessage=token).code == error.code


def test_a_huge_decision_still_fits_the_message_limit():
    context = {f"key{n}": MINT.secret_for(str(n)) for n in range(1000)}
    huge = {**DECISION, "request": {**DECISION["request"], "context": context}}
    assert len(sts.encode_authorization_message(huge, MINT, NOW)) <= 10_240


LIMITS = [
    # kind, mfa, service, operation, restricted
    ("long-term", False, "iam", "CreateUser", False),
    ("session", False, "iam", "CreateUser", True),
    ("session", True, "iam", "CreateUser", False),
    ("session", False, "sts", "AssumeRole", False),
    ("session", True, "sts", "GetFederationToken", True),
    ("session", False, "s3", "ListBuckets", False),
    ("federated", False, "iam", "ListUsers", True),
    ("federated", False, "sts", "GetCallerIdentity", False),
    ("federated", False, "sts", "AssumeRole", True),
    ("role", False, "sts", "GetSessionToken", True),
    ("role", False, "sts", "AssumeRole", False),
    ("role", False, "iam", "CreateUser", False),
    ("web-identity", False, "sts", "GetFederationToken", True),
]


@pytest.mark.parametrize(("kind", "mfa", "service", "operation", "restricted"), LIMITS)
def test_some_temporary_credentials_can_never_call_some_operations(kind, mfa, service, operation, restricted):
    credential = MINT.mint(root_principal(ACCOUNT), issued=NOW, expires=NOW, kind=kind, mfa=mfa)
    assert bool(sts.sts_service_restriction(credential, service, operation)) == restricted


def test_other_operations_are_refused_by_name(ctx, ana):
    call = ServiceCall("sts", "AssumeRoleWithSAML", {}, "query", "us-east-1")
    with pytest.raises(AwsError) as caught:
        asyncio.run(sts.handle(call, ana, ctx))
    assert "AssumeRoleWithSAML" in caught.value.message
