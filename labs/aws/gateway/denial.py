"""How each service says that access is denied (each service's API Reference, "Common errors")."""

from __future__ import annotations

import datetime

from labs.aws.gateway.calls import AwsError, ServiceCall
from labs.aws.gateway.credentials import Credential, Credentials
from labs.aws.iam import Decision, decision_to_dict, denial_message
from labs.aws.providers.sts import encode_authorization_message

# Code and status per service, where they differ from the protocol's usual ones.
_BY_SERVICE = {
    "ec2": ("UnauthorizedOperation", 403),
    "sns": ("AuthorizationError", 403),
    "sqs": ("AccessDenied", 403),
    "cloudfront": ("AccessDenied", 403),
}
_BY_PROTOCOL = {
    "query": ("AccessDenied", 403),
    "rest-xml": ("AccessDenied", 403),
    "s3": ("AccessDenied", 403),
    "ec2": ("UnauthorizedOperation", 403),
    "rest-json": ("AccessDeniedException", 403),
    "json": ("AccessDeniedException", 400),
    "smithy-rpc-v2-cbor": ("AccessDeniedException", 400),
}


def denied(
    call: ServiceCall,
    decision: Decision,
    credential: Credential | None,
    credentials: Credentials,
    now: datetime.datetime,
) -> AwsError:
    """The error for a denied call.

    EC2 adds the encoded authorization failure message, which ``DecodeAuthorizationMessage`` opens.  An anonymous caller
    of S3 learns nothing but "Access Denied".
    """
    code, status = _BY_SERVICE.get(call.service) or _BY_PROTOCOL.get(call.protocol, ("AccessDenied", 403))
    message = denial_message(decision)
    if call.operation == "AssumeRoleWithWebIdentity":  # STS tells the bearer of a token nothing about the trust policy
        return AwsError(code, "Not authorized to perform sts:AssumeRoleWithWebIdentity", status)
    if credential is None:
        return AwsError(code, "Access Denied" if call.service == "s3" else message, status)
    if call.service == "ec2":
        sealed = encode_authorization_message(decision_to_dict(decision), credentials, now)
        message = (
            f"You are not authorized to perform this operation. {message}."
            f" Encoded authorization failure message: {sealed}"
        )
    return AwsError(code, message, status)
