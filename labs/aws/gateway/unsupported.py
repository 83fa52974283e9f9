"""Engine answers that no AWS service gives: an operation that the engine lacks, and a crash of the engine.

Both become errors in the shape of the protocol that the request spoke, below 500 where the request is to blame, so that
clients neither retry them nor wait.
"""

from __future__ import annotations

import re
from typing import Any

from botocore.model import Shape
from botocore.validate import ParamValidator

from labs.aws.gateway.protocols import AwsError, ServiceCall, query_model

_UNKNOWN_CODES = frozenset(["InvalidAction", "UnknownOperationException", "UnknownOperation", "NotImplemented"])
# How engines say that they have no such operation, behind a code that AWS uses for something else.
_UNKNOWN_TEXT = re.compile(
    r"(?i)unknown (?:\S+ )?(?:action|operation|endpoint)\b|unsupported (?:service|action)\b|not (?:yet )?implemented"
    r"|no route for [A-Z]+ /|function not found: /\d{4}-|\S+ \S+ is not valid for this (?:endpoint|web service)"
)
# What each protocol says to an operation that a service does not have.
_CODES = {"query": "InvalidAction", "ec2": "UnsupportedOperation", "rest-xml": "UnsupportedOperation"}
_VALIDATION = {"query": "ValidationError", "ec2": "InvalidParameterValue", "rest-xml": "InvalidInput"}


def not_an_answer(call: ServiceCall, engine: str, status: int, body: bytes, code: str, message: str) -> AwsError | None:
    """The error to send instead of the engine's answer, or ``None`` where that answer is one AWS could give.

    :param engine: the name of the engine that answered
    :param code: the error code that the answer could be parsed to (its status, where it has none)
    """
    if status < 400:
        return None
    if status == 501 or _names_an_unknown(status, body, code, message):
        return unsupported(call, engine)
    return failed(call, engine) if status in (500, 502) else None


def _names_an_unknown(status: int, body: bytes, code: str, message: str) -> bool:
    if status == 400 and body.startswith(b'{"error": "Unsupported service'):
        return True
    if code in _UNKNOWN_CODES:
        return True
    return status < 500 and _UNKNOWN_TEXT.match(message) is not None


def unsupported(call: ServiceCall, engine: str) -> AwsError:
    """The operation exists on AWS, and not here."""
    text = f"The operation {call.operation} of {call.service} is not available in this lab (engine: {engine})."
    if call.service == "s3":
        return AwsError("NotImplemented", text, 501)  # S3's own code (S3 API Reference, "Error responses")
    return AwsError(_CODES.get(call.protocol, "UnknownOperationException"), text, 400)


def failed(call: ServiceCall, engine: str) -> AwsError:
    """The engine crashed: over parameters that AWS would have refused, or by a defect of its own."""
    report = ParamValidator().validate(call.params, _input(call)).generate_report()
    if report:
        code = "InvalidArgument" if call.service == "s3" else _VALIDATION.get(call.protocol, "ValidationException")
        return AwsError(code, report.replace("\n", "; "), 400)
    return AwsError("ServiceUnavailable", f"{call.operation} failed inside the engine ({engine}); see its log.", 503)


def _input(call: ServiceCall) -> Any:
    shape = query_model(call.service).operation_model(call.operation).input_shape
    return shape or Shape("Nothing", {"type": "structure", "members": {}})
