"""Policy documents inside calls are checked before an engine stores them, with the error of the service called."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from labs.aws.gateway.actions import reference
from labs.aws.gateway.calls import AwsError, ServiceCall
from labs.aws.iam import MalformedPolicy, validate_policy
from labs.aws.iam.statements import strings
from labs.aws.providers.oidc import check_shared_issuers

# (service, operation) -> (parameter path, kind of policy, error code; None = the validator's own code)
_DOCUMENTS: dict[tuple[str, str], tuple[str, str, str | None]] = {
    ("iam", "PutUserPolicy"): ("PolicyDocument", "user", None),
    ("iam", "PutRolePolicy"): ("PolicyDocument", "role", None),
    ("iam", "PutGroupPolicy"): ("PolicyDocument", "group", None),
    ("iam", "CreatePolicy"): ("PolicyDocument", "managed", None),
    ("iam", "CreatePolicyVersion"): ("PolicyDocument", "managed", None),
    ("iam", "CreateRole"): ("AssumeRolePolicyDocument", "trust", None),
    ("iam", "UpdateAssumeRolePolicy"): ("PolicyDocument", "trust", None),
    ("s3", "PutBucketPolicy"): ("Policy", "resource", "MalformedPolicy"),
    ("sqs", "CreateQueue"): ("Attributes.Policy", "resource", "InvalidAttributeValue"),
    ("sqs", "SetQueueAttributes"): ("Attributes.Policy", "resource", "InvalidAttributeValue"),
    ("sns", "CreateTopic"): ("Attributes.Policy", "resource", "InvalidParameter"),
    ("sns", "SetTopicAttributes"): ("AttributeValue", "resource", "InvalidParameter"),
    ("kms", "CreateKey"): ("Policy", "resource", "MalformedPolicyDocumentException"),
    ("kms", "PutKeyPolicy"): ("Policy", "resource", "MalformedPolicyDocumentException"),
    ("secretsmanager", "PutResourcePolicy"): ("ResourcePolicy", "resource", "MalformedPolicyDocumentException"),
    ("ecr", "SetRepositoryPolicy"): ("policyText", "resource", "InvalidParameterException"),
    ("dynamodb", "PutResourcePolicy"): ("Policy", "resource", "ValidationException"),
    ("ec2", "CreateVpcEndpoint"): ("PolicyDocument", "resource", "InvalidPolicyDocument"),
}


KEY_POLICY_LIMIT = 32_768  # bytes (AWS KMS Developer Guide, "Resource quotas")


def check_documents(call: ServiceCall) -> None:
    """Refuse a malformed policy document.

    :raises AwsError: in the words of the service, e.g. IAM's ``MalformedPolicyDocument`` or S3's ``MalformedPolicy``
    """
    where = _DOCUMENTS.get((call.service, call.operation))
    if where is None:
        return
    path, kind, code = where
    if (call.service, call.operation) == ("sns", "SetTopicAttributes") and call.params.get("AttributeName") != "Policy":
        return
    text = _value(call.params, path)
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if (call.service, call.operation) == ("s3", "PutBucketPolicy"):
        text = text or ""
    if not isinstance(text, str) or (not text and call.service in ("sqs", "sns", "ec2")):
        return  # absent (its own check belongs to the service), or an empty value that removes the policy
    try:
        document = validate_policy(text, kind, limit=KEY_POLICY_LIMIT if call.service == "kms" else None)
        _check_scope(call, document)
    except MalformedPolicy as problem:
        found = problem.code if code is None or problem.code == "LimitExceeded" else code
        words = _WORDS.get(call.service, "{}").format(problem.message)
        raise AwsError(found, words, 409 if found == "LimitExceeded" else 400) from problem
    if kind == "trust":
        check_shared_issuers(document)


# How services that do not pass on the reason put it.
_WORDS = {
    "sqs": "Invalid value for the parameter Policy.",
    "sns": "Invalid parameter: {}",
    "ecr": "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'",
    "secretsmanager": "This resource policy contains a syntax error.",
}


def _check_scope(call: ServiceCall, document: Mapping[str, Any]) -> None:
    """A resource's policy speaks of its own service, and S3's of its own bucket.

    Amazon S3 User Guide, "Policies and permissions in Amazon S3", with the reasons S3 gives; Amazon SNS Developer
    Guide, "Overview of managing access in Amazon SNS".

    :raises MalformedPolicy: it speaks of something else
    """
    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        if call.service in ("sqs", "sns"):
            prefixes = {word.partition(":")[0].lower() for word in strings(statement.get("Action")) if word != "*"}
            if prefixes - {call.service}:
                raise MalformedPolicy("MalformedPolicy", "Policy statement action out of service scope!")
        if call.service == "s3":
            _check_bucket_statement(statement, str(call.params["Bucket"]))


def _check_bucket_statement(statement: Mapping[str, Any], bucket: str) -> None:
    resources = [*strings(statement.get("Resource")), *strings(statement.get("NotResource"))]
    if not resources:
        raise MalformedPolicy("MalformedPolicy", "Missing required field Resource")
    for word in resources:
        name = word.removeprefix("arn:aws:s3:::").partition("/")[0]
        if word != "*" and (not word.startswith("arn:aws:s3:::") or not fnmatchcase(bucket, name.replace("[", "[[]"))):
            raise MalformedPolicy("MalformedPolicy", "Policy has invalid resource")
    known = reference.service("s3").actions
    for word in [*strings(statement.get("Action")), *strings(statement.get("NotAction"))]:
        prefix, _, name = word.partition(":")
        if word == "*" or (prefix.lower() == "s3" and "*" in name) or "?" in name:
            continue
        action = known.get(name.lower())
        if prefix.lower() != "s3" or action is None:
            raise MalformedPolicy("MalformedPolicy", "Policy has invalid action")
        if "Action" in statement and "Resource" in statement and not _applies(action.types, resources):
            raise MalformedPolicy("MalformedPolicy", "Action does not apply to any resource(s) in statement")


def _applies(types: Mapping[str, bool], resources: list[str]) -> bool:
    """Whether an action on buckets or on objects finds one of either among the resources."""
    if not {"bucket", "object"} & set(types):
        return True
    objects = any("/" in word or word.endswith("*") for word in resources)
    buckets = any("/" not in word for word in resources)
    return ("object" in types and objects) or ("bucket" in types and buckets)


def _value(params: Mapping[str, Any], path: str) -> Any:
    value: Any = params
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
