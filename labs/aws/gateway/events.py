"""CloudTrail records (CloudTrail User Guide, "CloudTrail record contents" and "CloudTrail userIdentity element")."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from typing import Any

from labs.aws.gateway.credentials import Credential
from labs.aws.iam import PrincipalType
from labs.aws.models import service_model

# Data events are recorded only where a trail asks for them (CloudTrail User Guide, "Logging data events").
_DATA_EVENTS: dict[str, frozenset[str]] = {
    service: frozenset(operations.split())
    for service, operations in {
        "s3": """GetObject HeadObject PutObject DeleteObject DeleteObjects CopyObject UploadPart UploadPartCopy
            CreateMultipartUpload CompleteMultipartUpload AbortMultipartUpload ListParts ListMultipartUploads
            ListObjects ListObjectsV2 HeadBucket ListObjectVersions GetObjectAcl PutObjectAcl GetObjectTagging
            PutObjectTagging DeleteObjectTagging RestoreObject SelectObjectContent GetObjectAttributes
            GetObjectRetention PutObjectRetention GetObjectLegalHold PutObjectLegalHold""",
        "dynamodb": """GetItem PutItem UpdateItem DeleteItem Query Scan BatchGetItem BatchWriteItem TransactGetItems
            TransactWriteItems ExecuteStatement BatchExecuteStatement ExecuteTransaction""",
        "dynamodbstreams": "GetRecords GetShardIterator",
        "lambda": "Invoke InvokeAsync InvokeWithResponseStream",
        "sqs": """SendMessage SendMessageBatch ReceiveMessage DeleteMessage DeleteMessageBatch ChangeMessageVisibility
            ChangeMessageVisibilityBatch""",
        "sns": "Publish PublishBatch",
        "logs": "PutLogEvents",
        "cloudwatch": "PutMetricData GetMetricData ListMetrics",
        "kinesis": "PutRecord PutRecords GetRecords GetShardIterator",
    }.items()
}
_READ_PREFIXES = (
    "Get",
    "List",
    "Describe",
    "Head",
    "Lookup",
    "Search",
    "BatchGet",
    "Simulate",
    "Validate",
    "Scan",
    "Query",
)
_READ_ONLY = {
    "sts:AssumeRole",
    "sts:AssumeRoleWithWebIdentity",
    "sts:AssumeRoleWithSAML",
    "sts:DecodeAuthorizationMessage",
} | {
    f"kms:{operation}"
    for operation in ("Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "Sign", "Verify")
}
_HIDDEN = {
    "secretstring",
    "secretbinary",
    "plaintext",
    "password",
    "oldpassword",
    "newpassword",
    "masteruserpassword",
    "sessiontoken",
    "secretaccesskey",
    "privatekey",
    "ciphertextblob",
    "userdata",
    "tokencode",
}
_TOKENS = {("sts", "WebIdentityToken"), ("eks-auth", "token")}  # left out of the record
_HIDDEN_TEXT = "HIDDEN_DUE_TO_SECURITY_REASONS"
_EVENT_SOURCE = {
    "cloudwatch": "monitoring",
    "elbv2": "elasticloadbalancing",
    "elb": "elasticloadbalancing",
    "s3control": "s3",
}
# Parameters that name the resource of a call, and the CloudFormation type that CloudTrail shows for it.
_RESOURCE_TYPES = {
    "Bucket": "AWS::S3::Bucket",
    "UserName": "AWS::IAM::User",
    "RoleName": "AWS::IAM::Role",
    "RoleArn": "AWS::IAM::Role",
    "PolicyArn": "AWS::IAM::Policy",
    "PolicyName": "AWS::IAM::Policy",
    "GroupName": "AWS::IAM::Group",
    "AccessKeyId": "AWS::IAM::AccessKey",
    "KeyId": "AWS::KMS::Key",
    "SecretId": "AWS::SecretsManager::Secret",
    "TableName": "AWS::DynamoDB::Table",
    "FunctionName": "AWS::Lambda::Function",
    "QueueUrl": "AWS::SQS::Queue",
    "TopicArn": "AWS::SNS::Topic",
    "repositoryName": "AWS::ECR::Repository",
    "InstanceIds": "AWS::EC2::Instance",
    "VpcId": "AWS::EC2::VPC",
    "SubnetId": "AWS::EC2::Subnet",
    "GroupId": "AWS::EC2::SecurityGroup",
}


def is_data_event(service: str, operation: str) -> bool:
    """Whether CloudTrail calls this a data event, which the event history leaves out."""
    return operation in _DATA_EVENTS.get(service, ())


def is_read_only(service: str, operation: str) -> bool:
    """CloudTrail's ``readOnly`` flag."""
    return operation.startswith(_READ_PREFIXES) or f"{service}:{operation}" in _READ_ONLY


def identity_element(credential: Credential | None) -> dict[str, Any]:
    """CloudTrail's ``userIdentity``."""
    if credential is None or credential.principal.type is PrincipalType.ANONYMOUS:
        return {"type": "AWSAccount", "principalId": "", "accountId": "anonymous"}
    principal = credential.principal
    element: dict[str, Any] = {
        "type": {PrincipalType.ROOT: "Root", PrincipalType.USER: "IAMUser"}.get(principal.type, principal.type.value),
        "principalId": principal.user_id,
        "arn": principal.arn,
        "accountId": principal.account,
        "accessKeyId": credential.access_key_id,
    }
    if principal.type is PrincipalType.USER:
        element["userName"] = principal.arn.rpartition("/")[2]
    if credential.session_token:
        session: dict[str, Any] = {
            "attributes": {
                "creationDate": credential.issued.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "mfaAuthenticated": "true" if credential.mfa else "false",
            }
        }
        if principal.role_arn:
            session["sessionIssuer"] = {
                "type": "Role",
                "principalId": principal.user_id.partition(":")[0],
                "arn": principal.role_arn,
                "accountId": principal.account,
                "userName": principal.role_arn.rpartition("/")[2],
            }
        if credential.federated_provider:
            session["webIdFederationData"] = {"federatedProvider": credential.federated_provider, "attributes": {}}
        element["sessionContext"] = session
    return element


def event(
    *,
    credential: Credential | None,
    service: str,
    operation: str,
    params: Mapping[str, Any],
    region: str,
    account: str,
    source_ip: str,
    user_agent: str,
    request_id: str,
    now: datetime.datetime,
    result: Mapping[str, Any] | None = None,
    error: tuple[str, str] | None = None,
    vpc_endpoint: str = "",
    secure: bool = False,
    identity: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One record.

    :param account: the account that receives the event (the caller's; of a denied anonymous call, the resource's)
    :param result: botocore-shaped answer of a call that changes something, else ``None``
    :param error: AWS error code and message of a call that failed
    :param identity: ``userIdentity`` of a caller without AWS credentials, e.g. the bearer of a web identity token
    """
    read_only = is_read_only(service, operation)
    source = _EVENT_SOURCE.get(service) or service_model(service).endpoint_prefix.rpartition(".")[2]
    record: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": dict(identity or identity_element(credential)),
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": f"{source}.amazonaws.com",
        "eventName": _event_name(service, operation, params),
        "awsRegion": region,
        "sourceIPAddress": source_ip,
        "userAgent": user_agent,
    }
    if error:
        record["errorCode"], record["errorMessage"] = error
        if operation == "AssumeRoleWithWebIdentity" and error[0] == "AccessDenied":
            record["errorMessage"] = "An unknown error occurred"  # all that AWS's own records say
    record["requestParameters"] = _lowered({k: v for k, v in params.items() if (service, k) not in _TOKENS}) or None
    if service == "s3" and params.get("Bucket"):  # S3's events name the bucket so
        record["requestParameters"] = {"bucketName": params["Bucket"], **record["requestParameters"]}
        del record["requestParameters"]["bucket"]
    # AssumeRole and its companions count as reads, yet their answers are recorded: they tie a session to its caller.
    answered = result and not error and (not read_only or operation.startswith("AssumeRole"))
    record["responseElements"] = _lowered(result) or None if answered else None
    record.update(
        requestID=request_id,
        eventID=str(uuid.uuid4()),
        readOnly=read_only,
        resources=resources(params),
        eventType="AwsApiCall",
        managementEvent=True,
        recipientAccountId=account,
        eventCategory="Management",
    )
    if vpc_endpoint:
        record["vpcEndpointId"] = vpc_endpoint
    if secure:
        record["tlsDetails"] = {"tlsVersion": "TLSv1.3"}
    return record


def resources(params: Mapping[str, Any]) -> list[dict[str, str]]:
    """``[{"type": …, "ARN" or "name": …}]`` of the resources that the request names."""
    found: list[dict[str, str]] = []
    for name, kind in _RESOURCE_TYPES.items():
        value = params.get(name)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str):
                found.append({"type": kind, "ARN" if item.startswith("arn:") else "name": item})
    return found


def _event_name(service: str, operation: str, params: Mapping[str, Any]) -> str:
    # S3's event history uses the REST operation's name (S3 User Guide, "Amazon S3 CloudTrail events").
    if service == "s3":
        return {"ListObjectsV2": "ListObjects", "PutBucketLifecycleConfiguration": "PutBucketLifecycle"}.get(
            operation, operation
        )
    if service == "lambda" and operation != "Invoke":
        return f"{operation}20150331" + ("v2" if operation in ("AddPermission", "UpdateFunctionConfiguration") else "")
    return operation


def _lowered(value: Any, depth: int = 0) -> Any:
    """Parameters as CloudTrail writes them: first letter lower case, secrets hidden, long or binary values cut."""
    if isinstance(value, Mapping):
        if depth > 12:
            return "..."
        lowered: dict[str, Any] = {}
        for key, item in value.items():
            if key == "ResponseMetadata":
                continue
            name = key[:1].lower() + key[1:] if not key[:2].isupper() else key
            hidden = name.lower() in _HIDDEN and isinstance(item, str | bytes)
            lowered[name] = _HIDDEN_TEXT if hidden else _lowered(item, depth + 1)
        return lowered
    if isinstance(value, list | tuple):
        return [_lowered(item, depth + 1) for item in value[:100]]
    if isinstance(value, datetime.datetime):
        return value.strftime("%b %d, %Y, %I:%M:%S %p")
    if isinstance(value, bytes):
        return "..."
    if isinstance(value, str) and len(value) > 16_384:
        return value[:16_384]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
