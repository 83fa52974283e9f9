"""Policy documents inside calls are checked before an engine stores them, with the error of the service called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.aws.gateway.calls import AwsError, ServiceCall
from labs.aws.iam import MalformedPolicy, validate_policy
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
    if not isinstance(text, str) or (not text and call.service in ("sqs", "sns", "ec2")):
        return  # absent (its own check belongs to the service), or an empty value that removes the policy
    try:
        checked = validate_policy(text, kind, limit=KEY_POLICY_LIMIT if call.service == "kms" else None)
    except MalformedPolicy as problem:
        found = problem.code if code is None or problem.code == "LimitExceeded" else code
        raise AwsError(found, problem.message, 409 if found == "LimitExceeded" else 400) from problem
    if kind == "trust":
        check_shared_issuers(checked)


def _value(params: Mapping[str, Any], path: str) -> Any:
    value: Any = params
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
