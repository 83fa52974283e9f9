"""A malformed document is refused by each service that stores one, with the code and reason that AWS gives.

"Grammar of the IAM JSON policy language" (IAM User Guide); each operation's errors in its service's API Reference.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount

ORGANIZATIONS = "The provided policy document does not meet the requirements of the specified policy type"
JSON_FIRST = "Policies must be valid JSON and the first byte must be '{'"
ECR = "Invalid repository policy provided"


class Stores:
    """Every call that stores a policy document, on resources made once."""

    def __init__(self, gateway: Any, account: AwsAccount) -> None:
        self.account, self.u = account, uuid.uuid4().hex[:8]
        self.gateway = gateway
        client = self.client = account.client
        self.bucket = f"policies-{self.u}"
        self.root = f"arn:aws:iam::{account.account}:root"
        client("iam").create_user(UserName="u")
        client("iam").create_group(GroupName="g")
        trust = self.document("trust")
        client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=trust)
        client("s3").create_bucket(Bucket=self.bucket)
        self.queue = client("sqs").create_queue(QueueName="q")["QueueUrl"]
        self.topic = client("sns").create_topic(Name="t")["TopicArn"]
        self.key = client("kms").create_key()["KeyMetadata"]["KeyId"]
        self.secret = client("secretsmanager").create_secret(Name="s", SecretString="x")["ARN"]
        client("ecr").create_repository(repositoryName="repository")
        self.organizations = gateway.account("000000000000").client("organizations")

    def put(self, kind: str, text: str) -> None:
        """Store ``text``."""
        client, name = self.client, f"p{uuid.uuid4().hex[:8]}"
        stores: dict[str, Callable[[], Any]] = {
            "user": lambda: client("iam").put_user_policy(UserName="u", PolicyName="p", PolicyDocument=text),
            "group": lambda: client("iam").put_group_policy(GroupName="g", PolicyName="p", PolicyDocument=text),
            "role": lambda: client("iam").put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=text),
            "managed": lambda: client("iam").create_policy(PolicyName=name, PolicyDocument=text),
            "trust": lambda: client("iam").update_assume_role_policy(RoleName="r", PolicyDocument=text),
            "s3": lambda: client("s3").put_bucket_policy(Bucket=self.bucket, Policy=text),
            "sqs": lambda: client("sqs").set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": text}),
            "sns": lambda: client("sns").set_topic_attributes(
                TopicArn=self.topic, AttributeName="Policy", AttributeValue=text
            ),
            "kms": lambda: client("kms").put_key_policy(KeyId=self.key, PolicyName="default", Policy=text),
            "secret": lambda: client("secretsmanager").put_resource_policy(SecretId=self.secret, ResourcePolicy=text),
            "ecr": lambda: client("ecr").set_repository_policy(repositoryName="repository", policyText=text),
            "scp": lambda: self.organizations.create_policy(
                Name=name, Description="", Type="SERVICE_CONTROL_POLICY", Content=text
            ),
            "rcp": lambda: self.organizations.create_policy(
                Name=name, Description="", Type="RESOURCE_CONTROL_POLICY", Content=text
            ),
            "session": lambda: client("sts").get_federation_token(Name="f1", Policy=text),
        }
        stores[kind]()

    def statement(self, kind: str) -> dict[str, Any]:
        """A statement that this kind of policy may have."""
        action, resource = {
            "s3": ("s3:GetObject", f"arn:aws:s3:::{self.bucket}/*"),
            "sqs": ("sqs:SendMessage", "*"),
            "sns": ("sns:Publish", getattr(self, "topic", "*")),
            "kms": ("kms:*", "*"),
            "secret": ("secretsmanager:GetSecretValue", "*"),
            "ecr": ("ecr:BatchGetImage", None),
            "trust": ("sts:AssumeRole", None),
        }.get(kind, ("s3:GetObject", "*"))
        found: dict[str, Any] = {"Effect": "Deny" if kind == "rcp" else "Allow", "Action": action}
        if resource:
            found["Resource"] = resource
        if kind in ("s3", "sqs", "sns", "kms", "secret", "ecr", "trust"):
            found["Principal"] = {"AWS": self.root}
        return {**found, "Principal": "*"} if kind == "rcp" else found

    def document(self, kind: str, change: dict[str, Any] | None = None, version: str = "2012-10-17") -> str:
        """A document with one statement, changed; ``None`` takes an element out."""
        merged = {**self.statement(kind), **(change or {})}
        statement = {name: value for name, value in merged.items() if value is not None}
        text = json.dumps({"Version": version, "Statement": [statement]})
        return text.replace("{bucket}", self.bucket)


@pytest.fixture(scope="module")
def stores(gateway: Any) -> Iterator[Stores]:
    number = f"{uuid.uuid4().int % 10**12:012d}"
    return Stores(gateway, gateway.account(number))


KINDS = (
    "user", "group", "role", "managed", "trust", "s3", "sqs", "sns", "kms", "secret", "ecr", "scp", "rcp", "session",
)  # fmt: skip
CODES = {
    "s3": "MalformedPolicy",
    "sqs": "InvalidAttributeValue",
    "sns": "InvalidParameter",
    "kms": "MalformedPolicyDocumentException",
    "secret": "MalformedPolicyDocumentException",
    "ecr": "InvalidParameterException",
    "scp": "MalformedPolicyDocumentException",
    "rcp": "MalformedPolicyDocumentException",
}


def refusal(call: Callable[[], None]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_document_is_stored(stores: Stores, kind: str) -> None:
    stores.put(kind, stores.document(kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", '{"Version": "2012-10-17"}', '{"Version": "2012-10-17", "Statement": []}', '{"Statement": ["x"]}',
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}',
    ],
)  # fmt: skip
def test_no_policy_at_all(stores: Stores, kind: str, text: str) -> None:
    assert refusal(lambda: stores.put(kind, text))[0] == CODES.get(kind, "MalformedPolicyDocument")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "change",
    [
        {"Effect": "allow"}, {"Effect": None}, {"Action": None}, {"Action": []}, {"NotAction": "s3:*"}, {"Extra": "x"},
        {"Condition": {"StringMatches": {"aws:username": "x"}}}, {"Condition": {"StringEquals": {"nocolon": "x"}}},
        {"Condition": {"StringEquals": {"aws:username": {"a": "b"}}}},
        {"Condition": {"DateLessThan": {"aws:CurrentTime": "soon"}}}, {"Action": {"a": "b"}}, {"Action": "GetObject"},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_a_malformed_statement(stores: Stores, kind: str, change: dict[str, Any]) -> None:
    text = stores.document(kind, change)
    assert refusal(lambda: stores.put(kind, text))[0] == CODES.get(kind, "MalformedPolicyDocument")


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_version(stores: Stores, kind: str) -> None:
    text = stores.document(kind, version="2012-10-18")
    assert refusal(lambda: stores.put(kind, text))[0] == CODES.get(kind, "MalformedPolicyDocument")


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("user", {"Principal": "*"}, "Policy document should not specify a principal."),
        ("managed", {"Resource": "bucket"}, 'Resource bucket must be in ARN format or "*".'),
        ("role", {"Action": "s3:Get:Object"}, "Actions/Condition can contain only one colon."),
        ("group", {"Sid": "a b"}, "Statement IDs (SID) must be alpha-numeric."),
        ("trust", {"Resource": "*"}, "Has prohibited field Resource"),
        ("trust", {"Principal": None}, "Missing required field Principal"),
        ("trust", {"Principal": {"AWS": "nobody"}}, 'Invalid principal in policy: "AWS":"nobody"'),
        ("trust", {"Action": "s3:GetObject"}, "AssumeRole policy may only specify STS AssumeRole actions."),
        ("s3", {"Principal": None}, "Missing required field Principal"),
        ("s3", {"Resource": None}, "Missing required field Resource"),
        ("s3", {"Resource": "arn:aws:s3:::another-bucket/*"}, "Policy has invalid resource"),
        ("s3", {"Resource": "bucket"}, "Policy has invalid resource"),
        ("s3", {"Action": "ec2:RunInstances"}, "Policy has invalid action"),
        ("s3", {"Action": "s3:NoSuchThing"}, "Policy has invalid action"),
        ("s3", {"Action": "s3:ListBucket"}, "Action does not apply to any resource(s) in statement"),
        ("s3", {"Resource": "arn:aws:s3:::{bucket}"}, "Action does not apply to any resource(s) in statement"),
        ("s3", {"Effect": "allow"}, "Invalid effect: allow"),
        ("s3", {"Principal": {"AWS": "nobody"}}, "Invalid principal in policy"),
        ("sqs", {"Action": "s3:GetObject"}, "Invalid value for the parameter Policy."),
        ("sns", {"Action": "s3:GetObject"}, "Invalid parameter: Policy statement action out of service scope!"),
        ("ecr", {"Principal": None}, ECR),
        ("secret", {"Principal": None}, "This resource policy contains a syntax error."),
        ("scp", {"Principal": "*"}, ORGANIZATIONS),
        ("scp", {"Resource": None}, ORGANIZATIONS),
        ("rcp", {"Effect": "Allow"}, ORGANIZATIONS),
        ("rcp", {"Principal": {"AWS": "111122223333"}}, ORGANIZATIONS),
        ("rcp", {"Action": "*"}, ORGANIZATIONS),
    ],
)
def test_the_reason_is_that_of_aws(stores: Stores, kind: str, change: dict[str, Any], message: str) -> None:
    text = stores.document(kind, change)
    code, found = refusal(lambda: stores.put(kind, text))
    assert (code, message in found) == (CODES.get(kind, "MalformedPolicyDocument"), True), found


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("user", "LimitExceeded", "Maximum policy size of 2048 bytes exceeded for user"),
        ("group", "LimitExceeded", "Maximum policy size of 5120 bytes exceeded for group"),
        ("role", "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role"),
        ("managed", "LimitExceeded", "Cannot exceed quota for PolicySize: 6144"),
        ("trust", "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048"),
        ("session", "ValidationError", "less than or equal to 2048"),
        ("s3", "MalformedPolicy", "Policy exceeds the maximum allowed document size."),
        ("kms", "MalformedPolicyDocumentException", "exceeds"),
        ("scp", "ConstraintViolationException", "maximum policy size"),
        ("rcp", "ConstraintViolationException", "maximum policy size"),
    ],
)
def test_a_document_that_is_too_long(stores: Stores, kind: str, code: str, words: str) -> None:
    text = stores.document(kind, {"Condition": {"StringEquals": {"aws:username": ["x" * 100] * 400}}})
    found = refusal(lambda: stores.put(kind, text))
    assert (found[0], words in found[1]) == (code, True), found


def test_statement_ids_are_unique(stores: Stores) -> None:
    statement = {**stores.statement("user"), "Sid": "a"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement, statement]})
    assert "must be unique" in refusal(lambda: stores.put("user", text))[1]


def test_an_empty_bucket_policy(stores: Stores) -> None:
    assert refusal(lambda: stores.put("s3", "")) == ("MalformedPolicy", JSON_FIRST)


def test_a_key_policy_must_leave_its_author_in_control(stores: Stores) -> None:
    kms, text = stores.client("kms"), stores.document("kms", {"Action": "kms:Encrypt"})
    code, message = refusal(lambda: stores.put("kms", text))
    assert code == "MalformedPolicyDocumentException"
    assert message == "The new key policy will not allow you to update the key policy in the future."
    assert refusal(lambda: kms.create_key(Policy=text))[0] == code
    key = kms.create_key(Policy=text, BypassPolicyLockoutSafetyCheck=True)["KeyMetadata"]["KeyId"]
    assert refusal(lambda: kms.describe_key(KeyId=key))[0] == "AccessDeniedException"


def test_a_refused_document_changes_nothing(stores: Stores) -> None:
    stores.put("user", stores.document("user"))
    with pytest.raises(ClientError):
        stores.put("user", "{")
    kept = stores.client("iam").get_user_policy(UserName="u", PolicyName="p")["PolicyDocument"]
    assert kept == json.loads(stores.document("user"))
