"""Signature Version 4: who signed this request, and is the signature right?

Header authentication and presigned query strings with AWS4-HMAC-SHA256, for every service.  Refused by name:
Signature Version 2 in a header, SigV4A (AWS4-ECDSA-P256-SHA256) and S3's browser POST policies (signed in the form).
Bodies in chunks are ``chunked.py``; whose secret to verify against is ``credentials.py``.  Any region is accepted.

Pages: "Create a signed AWS API request" and "Troubleshoot Signature Version 4 signing" (IAM User Guide),
"Authenticating Requests: Using Query Parameters" and "Error responses" (S3 API Reference), "Common errors" (each
service's API Reference), "Error codes for the Amazon EC2 API" (EC2 API Reference).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

from labs.aws.gateway import presigned_v2
from labs.aws.gateway.calls import AwsError

Headers = Sequence[tuple[bytes, bytes]]  # lower-case names, in the order of the wire

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
STREAMING = (
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
)
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
MAX_SKEW = timedelta(minutes=15)
MAX_EXPIRES = 604_800  # seconds; seven days

_ISO_BASIC = "%Y%m%dT%H%M%SZ"
_ISO = "%Y-%m-%dT%H:%M:%SZ"
_HEX64 = re.compile(r"[0-9a-f]{64}")
_S3 = frozenset({"s3", "s3-object-lambda", "s3-outposts", "s3express"})
_QUERY = frozenset({"", "sts", "iam", "sns", "elasticloadbalancing", "cloudformation", "rds", "autoscaling"})
_ONCE = frozenset({b"authorization", b"host", b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256"})
_QUERY_PARAMETERS = ("Algorithm", "Credential", "Signature", "Date", "SignedHeaders", "Expires")
# Outside S3: the string to sign holds the date, and a token must belong to the key.
_MAY_STAY_UNSIGNED = frozenset({b"x-amz-date", b"x-amz-security-token"})


# --- errors -------------------------------------------------------------------------------------------------------

_NO_MATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_NO_MATCH_S3 = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)
_BAD_TOKEN = "The security token included in the request is invalid."
_OLD_TOKEN = "The security token included in the request is expired"
_EC2_AUTH = "AWS was not able to validate the provided access credentials"

# kind -> family -> (code, HTTP status, message).  Families: s3 ("Error responses", S3 API Reference), ec2 ("Error codes
# for the Amazon EC2 API"), query (query and REST-XML services: "Common errors", STS API Reference), json (JSON 1.0/1.1
# and CBOR: "Common Error Types", DynamoDB API Reference), rest-json ("Common errors", Lambda API Reference).
_ERRORS: Mapping[str, Mapping[str, tuple[str, int, str]]] = {
    "missing": {
        "s3": ("AccessDenied", 403, "Access Denied"),
        "ec2": ("MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
        "query": ("MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
        "json": ("MissingAuthenticationTokenException", 400, "Missing Authentication Token"),
        "rest-json": ("MissingAuthenticationTokenException", 403, "Missing Authentication Token"),
    },
    "malformed": {
        "s3": ("AuthorizationHeaderMalformed", 400, "The authorization header that you provided is not valid."),
        "ec2": ("IncompleteSignature", 400, "The request signature does not conform to AWS standards."),
        "query": ("IncompleteSignature", 400, "The request signature does not conform to AWS standards."),
        "json": ("IncompleteSignatureException", 400, "The request signature does not conform to AWS standards."),
        "rest-json": ("IncompleteSignatureException", 403, "The request signature does not conform to AWS standards."),
    },
    "malformed-query": {
        "s3": ("AuthorizationQueryParametersError", 400, "The authorization query parameters are not valid."),
    },
    "unsupported": {
        "s3": (
            "InvalidRequest",
            400,
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
        ),
    },
    "unknown-key": {
        "s3": ("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."),
        "ec2": ("AuthFailure", 401, _EC2_AUTH),
        "query": ("InvalidClientTokenId", 403, _BAD_TOKEN),
        "json": ("UnrecognizedClientException", 400, _BAD_TOKEN),
        "rest-json": ("UnrecognizedClientException", 403, _BAD_TOKEN),
    },
    "invalid-token": {
        "s3": ("InvalidToken", 400, "The provided token is malformed or otherwise invalid."),
    },
    "expired-token": {
        "s3": ("ExpiredToken", 400, "The provided token has expired."),
        "ec2": ("RequestExpired", 400, "Request has expired."),
        "query": ("ExpiredToken", 403, _OLD_TOKEN),
        "json": ("ExpiredTokenException", 400, _OLD_TOKEN),
        "rest-json": ("ExpiredTokenException", 403, _OLD_TOKEN),
    },
    "mismatch": {
        "s3": ("SignatureDoesNotMatch", 403, _NO_MATCH_S3),
        "ec2": ("AuthFailure", 401, _EC2_AUTH),
        "query": ("SignatureDoesNotMatch", 403, _NO_MATCH),
        "json": ("InvalidSignatureException", 400, _NO_MATCH),
        "rest-json": ("InvalidSignatureException", 403, _NO_MATCH),
    },
    "skewed": {
        "s3": (
            "RequestTimeTooSkewed",
            403,
            "The difference between the request time and the current time is too large.",
        ),
        "ec2": ("RequestExpired", 400, "Request has expired."),
        "query": ("SignatureDoesNotMatch", 403, "Signature expired"),
        "json": ("InvalidSignatureException", 400, "Signature expired"),
        "rest-json": ("InvalidSignatureException", 403, "Signature expired"),
    },
    "expired-url": {
        "s3": ("AccessDenied", 403, "Request has expired"),
    },
    "unsigned-header": {
        "s3": ("AccessDenied", 403, "There were headers present in the request which were not signed"),
    },
    "payload": {
        "s3": (
            "XAmzContentSHA256Mismatch",
            400,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ),
    },
    "payload-header": {
        "s3": ("InvalidRequest", 400, "Missing required header for this request: x-amz-content-sha256"),
    },
}
# What a family answers for a kind that only S3 (or no other family) tells apart.
_SAME_AS = {
    "malformed-query": "malformed",
    "unsupported": "malformed",
    "invalid-token": "unknown-key",
    "expired-url": "skewed",
    "unsigned-header": "mismatch",
    "payload": "mismatch",
    "payload-header": "mismatch",
}
KINDS = tuple(_ERRORS)


def error_family(service: str, protocol: str) -> str:
    """Which column of the error table answers: ``s3``, ``ec2``, ``query``, ``json`` or ``rest-json``."""
    if service in _S3 or protocol == "s3":
        return "s3"
    if service == "ec2" or protocol == "ec2":
        return "ec2"
    if protocol == "rest-json":
        return "rest-json"
    if protocol == "json" or "cbor" in protocol:
        return "json"
    return "query"  # query and rest-xml


def authentication_error(kind: str, service: str, protocol: str, message: str = "", **extra: Any) -> AwsError:
    """The :class:`AwsError` that ``service`` answers in ``protocol`` for an authentication failure.

    :param kind: one of :data:`KINDS`
    :param message: AWS's text with its particulars; the table's text when empty.  EC2 keeps to its own texts.
    :param extra: elements that S3 adds to its error document
    """
    family = error_family(service, protocol)
    row = _ERRORS[kind]
    if family not in row:
        row = _ERRORS[_SAME_AS[kind]]
    code, status, text = row[family]
    if message and not (family == "ec2" and code in {"AuthFailure", "RequestExpired"}):
        text = message
    error = AwsError(code, text, status)
    if extra and family == "s3":
        error.extra = extra
    return error


def guess_protocol(headers: Headers, service: str) -> str:
    """The protocol a request seems to speak, good enough to shape an authentication error before it is understood."""
    if service in _S3:
        return "s3"
    if service == "ec2":
        return "ec2"
    for name, value in headers:
        if name == b"x-amz-target":
            return "json"
        if name == b"smithy-protocol":
            return "smithy-rpc-v2-cbor"
        if name == b"content-type" and value.startswith(b"application/x-www-form-urlencoded"):
            return "query"
    return "query" if service in _QUERY else "rest-json"


# --- reading ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Signature:
    """What a request claims about its signer.  Nothing in it is proven before :func:`verify` returns.

    ``date`` is the scope's ``YYYYMMDD``, ``timestamp`` the ``X-Amz-Date`` in the string to sign, ``time`` the same as
    an aware datetime.  ``expires`` is in seconds (presigned only).  ``payload_hash`` is what the client declares:
    64 hex digits, ``UNSIGNED-PAYLOAD``, a ``STREAMING-…`` word, or ``None`` when it declares nothing.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    session_token: str | None = field(repr=False)
    presigned: bool
    expires: int | None
    payload_hash: str | None
    algorithm: str
    timestamp: str
    time: datetime
    signature: str
    protocol: str

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"

    @property
    def streaming(self) -> bool:
        """Whether the body comes in ``aws-chunked`` framing."""
        return self.payload_hash in STREAMING


def read_signature(
    method: str, path: str | bytes, raw_query: bytes | str, headers: Headers, protocol: str = ""
) -> Signature | None:
    """Read the signature of a request; ``None`` when it has none (anonymous, or another scheme such as ``Bearer``).

    :param protocol: of the service when already known; otherwise guessed, only to shape errors
    :raises AwsError: malformed or incomplete, Signature Version 2, SigV4A
    """
    fields = _single_headers(headers)
    parameters = _auth_parameters(_bytes(raw_query))
    authorization = fields.get(b"authorization")
    claims_header = authorization is not None and authorization[:3] == b"AWS"
    if claims_header and parameters:
        raise AwsError(
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
            "parameter or the Authorization header should be specified",
            400,
        )
    if not claims_header and not parameters:
        return None
    for name, count in _repeated(headers):
        raise _Malformed(headers, protocol, False).error(f"The header {name} is given {count} times.")
    if claims_header:
        return _read_header(authorization or b"", fields, headers, protocol)
    return _read_query(parameters, fields, headers, protocol)


def _read_header(authorization: bytes, fields: Mapping[bytes, bytes], headers: Headers, protocol: str) -> Signature:
    text = authorization.decode("latin-1")
    algorithm, _, rest = text.partition(" ")
    parts: dict[str, str] = {}
    for piece in rest.split(","):
        key, _, value = piece.strip().partition("=")
        parts.setdefault(key, value)
    service = _service_of(parts.get("Credential", "")) or _service_by_host(fields)
    malformed = _Malformed(headers, protocol, False, service, authorization)
    _refuse_other_algorithms(algorithm, malformed)
    timestamp, time = _request_time(fields, malformed)
    missing = [key for key in ("Credential", "Signature", "SignedHeaders") if not parts.get(key)]
    if missing:
        raise malformed.error(" ".join(f"Authorization header requires '{key}' parameter." for key in missing))
    return _signature(parts, timestamp, time, malformed, session_token=_text(fields.get(b"x-amz-security-token")),
                      payload_hash=_text(fields.get(b"x-amz-content-sha256")))


def _read_query(
    parameters: Mapping[str, list[str]], fields: Mapping[bytes, bytes], headers: Headers, protocol: str
) -> Signature:
    parts = {key: values[0] for key, values in parameters.items()}
    service = _service_of(parts.get("X-Amz-Credential", "")) or _service_by_host(fields)
    malformed = _Malformed(headers, protocol, True, service)
    if "AWSAccessKeyId" in parts:
        return _presigned_v2(parts)
    repeated = [key for key, values in parameters.items() if len(values) > 1]
    if repeated:
        raise malformed.error(f"The query parameter {repeated[0]} is given more than once.")
    if any(f"X-Amz-{name}" not in parts for name in _QUERY_PARAMETERS):
        raise malformed.error(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
            "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
    _refuse_other_algorithms(parts["X-Amz-Algorithm"], malformed)
    expires = _expires(parts["X-Amz-Expires"], malformed)
    timestamp = parts["X-Amz-Date"]
    time = _parse_basic(timestamp)
    if time is None:
        raise malformed.error("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    declared = parts.get("X-Amz-Content-Sha256") or _text(fields.get(b"x-amz-content-sha256"))
    named = {name: parts[f"X-Amz-{name}"] for name in ("Credential", "Signature", "SignedHeaders")}
    return _signature(named, timestamp, time, malformed, session_token=parts.get("X-Amz-Security-Token"),
                      payload_hash=declared, expires=expires)


def _presigned_v2(parts: dict[str, str]) -> Signature:
    access_key_id, signature, expires = presigned_v2.read(parts)
    time = datetime.fromtimestamp(min(expires, 2**31), UTC)
    return Signature(
        access_key_id=access_key_id, date=time.strftime("%Y%m%d"), region="us-east-1", service="s3", signed_headers=(),
        session_token=parts.get("x-amz-security-token"), presigned=True, expires=expires,
        payload_hash=UNSIGNED_PAYLOAD, algorithm=presigned_v2.ALGORITHM, timestamp="", time=time, signature=signature,
        protocol="s3",
    )


def _signature(
    parts: Mapping[str, str],
    timestamp: str,
    time: datetime,
    malformed: _Malformed,
    *,
    session_token: str | None,
    payload_hash: str | None,
    expires: int | None = None,
) -> Signature:
    """Check the pieces common to both forms and put them together."""
    elements = parts["Credential"].split("/")
    if len(elements) != 5 or not all(elements) or elements[4] != "aws4_request":
        raise malformed.credential(parts["Credential"])
    access_key_id, date, region, service, _ = elements
    if timestamp[:8] != date:
        raise malformed.date(date, timestamp)
    signed = tuple(parts["SignedHeaders"].lower().split(";"))
    if "host" not in signed:
        raise authentication_error(
            "unsigned-header", service, malformed.protocol,
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.", HeadersNotSigned="host",
        )
    if service in _S3:
        _check_declared_payload(payload_hash, malformed)
    return Signature(
        access_key_id=access_key_id, date=date, region=region, service=service, signed_headers=signed,
        session_token=session_token, presigned=malformed.query, expires=expires, payload_hash=payload_hash,
        algorithm=ALGORITHM, timestamp=timestamp, time=time, signature=parts["Signature"], protocol=malformed.protocol,
    )


class _Malformed:
    """Builds the errors of one request that cannot be read, in the words of its service."""

    def __init__(
        self, headers: Headers, protocol: str, query: bool, service: str = "", authorization: bytes = b""
    ) -> None:
        self.service = service
        self.protocol = protocol or guess_protocol(headers, service)
        self.query = query
        self.authorization = authorization

    @property
    def s3(self) -> bool:
        return self.service in _S3

    def error(self, message: str) -> AwsError:
        if self.query:
            return authentication_error("malformed-query", self.service, self.protocol, message)
        if self.s3:
            message = f"The authorization header is malformed; {message}"
        else:
            digest = base64.b64encode(hashlib.sha256(self.authorization).digest()).decode()
            message = f"{message} (Hashed with SHA-256 and encoded with Base64) Authorization={digest}"
        return authentication_error("malformed", self.service, self.protocol, message)

    def unsupported(self, message: str) -> AwsError:
        return authentication_error("unsupported", self.service, self.protocol, message)

    def credential(self, value: str) -> AwsError:
        expecting = 'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
        if self.s3:
            return self.error(f"Error parsing the X-Amz-Credential parameter; {expecting}" if self.query else expecting)
        return self.error(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{value[:200]}'."
        )

    def date(self, scope: str, timestamp: str) -> AwsError:
        if self.s3:
            return self.error(
                f'Invalid credential date "{scope[:20]}". This date is not the same as X-Amz-Date: "{timestamp[:8]}".'
            )
        return authentication_error(
            "mismatch", self.service, self.protocol,
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{scope[:20]}' != '{timestamp[:8]}', from '{timestamp}'.",
        )


def _refuse_other_algorithms(algorithm: str, malformed: _Malformed) -> None:
    if algorithm == ALGORITHM:
        return
    if algorithm == "AWS4-ECDSA-P256-SHA256":
        raise malformed.unsupported(
            "SigV4A (AWS4-ECDSA-P256-SHA256) is not supported by this endpoint. Please use AWS4-HMAC-SHA256."
        )
    if algorithm in {"AWS", "AWS3", "AWS3-HTTPS"}:
        raise malformed.unsupported(
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        )
    raise malformed.unsupported(f"Unsupported AWS 'algorithm': '{algorithm[:60]}'. Please use AWS4-HMAC-SHA256.")


def _request_time(fields: Mapping[bytes, bytes], malformed: _Malformed) -> tuple[str, datetime]:
    """The time of a header-signed request: ``X-Amz-Date``, else ``Date`` (ISO basic or RFC 1123)."""
    for name in (b"x-amz-date", b"date"):
        if name not in fields:
            continue
        text = fields[name].decode("latin-1").strip()
        time = _parse_basic(text) or _parse_http_date(text)
        if time is not None:
            return time.strftime(_ISO_BASIC), time
    if malformed.s3:
        raise AwsError("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header", 403)
    raise malformed.error("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")


def _parse_basic(text: str) -> datetime | None:
    if len(text) != 16 or not text.isascii():
        return None
    try:
        return datetime.strptime(text, _ISO_BASIC).replace(tzinfo=UTC)
    except ValueError:
        return None


def _parse_http_date(text: str) -> datetime | None:
    try:
        time = parsedate_to_datetime(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _expires(text: str, malformed: _Malformed) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise malformed.error("X-Amz-Expires should be a number")
    seconds = int(text)
    if seconds < 1:
        raise malformed.error("X-Amz-Expires must be non-negative" if seconds else "X-Amz-Expires must be positive")
    if seconds > MAX_EXPIRES:
        raise malformed.error(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
            f"{MAX_EXPIRES} seconds"
        )
    return seconds


def _check_declared_payload(declared: str | None, malformed: _Malformed) -> None:
    """S3 alone demands ``x-amz-content-sha256`` ("Using the Authorization Header", S3 API Reference)."""
    if declared is None:
        if malformed.query:
            return
        raise authentication_error("payload-header", malformed.service, malformed.protocol)
    if declared.startswith("STREAMING-AWS4-ECDSA-P256-SHA256"):
        raise malformed.unsupported("SigV4A (AWS4-ECDSA-P256-SHA256) is not supported by this endpoint.")
    if declared != UNSIGNED_PAYLOAD and declared not in STREAMING and not _HEX64.fullmatch(declared):
        raise AwsError(
            "InvalidArgument",
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, " + ", ".join(STREAMING) + ", or a valid sha256 value.",
            400,
        )


_V2_PARAMETERS = (b"AWSAccessKeyId", b"Signature", b"Expires", b"x-amz-security-token")


def _auth_parameters(raw_query: bytes) -> dict[str, list[str]]:
    """The authentication parameters in a query string, decoded; empty when it is not presigned."""
    if b"X-Amz-" not in raw_query and b"AWSAccessKeyId=" not in raw_query:
        return {}
    found: dict[str, list[str]] = {}
    for pair in raw_query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if name.startswith(b"X-Amz-") or name in _V2_PARAMETERS:
            found.setdefault(name.decode("latin-1"), []).append(unquote_to_bytes(value).decode("latin-1"))
    if not found.keys() & {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "AWSAccessKeyId"}:
        return {}
    return found


def _single_headers(headers: Headers) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        fields.setdefault(name, value)
    return fields


def _repeated(headers: Headers) -> Iterable[tuple[str, int]]:
    seen: dict[bytes, int] = {}
    for name, _ in headers:
        if name in _ONCE:
            seen[name] = seen.get(name, 0) + 1
    return ((name.decode("latin-1"), count) for name, count in seen.items() if count > 1)


def _service_of(credential: str) -> str:
    elements = credential.split("/")
    return elements[-2] if len(elements) >= 5 else ""


def _service_by_host(fields: Mapping[bytes, bytes]) -> str:
    if b"x-amz-content-sha256" in fields and b"x-amz-target" not in fields:
        return "s3"
    host = fields.get(b"host", b"")
    return "s3" if host.startswith(b"s3.") or b".s3." in host else ""


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1").strip()


def _bytes(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")


# --- verifying ----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The derived key of a credential scope ("Derive a signing key", IAM User Guide)."""
    key = ("AWS4" + secret).encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode("latin-1", "replace"), "sha256")
    return key


def verify(
    signature: Signature,
    secret: str,
    method: str,
    raw_path: bytes | str,
    raw_query: bytes | str,
    headers: Headers,
    payload_hash_of_body: str | None,
    now: datetime,
    protocol: str = "",
) -> None:
    """Return if the request was signed with ``secret`` and is fresh; constant-time comparison.

    :param raw_path: as on the wire, still percent-encoded, without the query
    :param payload_hash_of_body: hex SHA-256 of the body; ``None`` when the body is still to come, then pass it through
        :func:`labs.aws.gateway.chunked.body_check` afterwards
    :param now: aware datetime
    :raises AwsError: stale, not signed as needed, signature or payload hash does not match
    """
    protocol = protocol or signature.protocol
    if signature.algorithm == presigned_v2.ALGORITHM:
        path, query = _bytes(raw_path).decode("latin-1"), _bytes(raw_query).decode("latin-1")
        expires = signature.expires or 0
        presigned_v2.verify(signature.signature, expires, secret, method, path, query, headers, now)
        return
    _check_time(signature, protocol, now)
    _check_signed_headers(signature, protocol, headers)
    payload = _payload_line(signature, payload_hash_of_body, protocol)
    key = signing_key(secret, signature.date, signature.region, signature.service)
    head = f"{ALGORITHM}\n{signature.timestamp}\n{signature.scope}\n".encode("latin-1", "replace")
    claimed = signature.signature.encode("latin-1", "replace")
    first: tuple[bytes, bytes] | None = None
    for canonical in _canonical_requests(signature, method, _bytes(raw_path), _bytes(raw_query), headers, payload):
        to_sign = head + hashlib.sha256(canonical).hexdigest().encode()
        if hmac.compare_digest(hmac.digest(key, to_sign, "sha256").hex().encode(), claimed):
            break
        first = first or (canonical, to_sign)
    else:
        raise _mismatch(signature, protocol, first)
    if payload_hash_of_body is not None and signature.payload_hash is not None:
        check_payload_hash(signature, payload_hash_of_body, protocol)


def check_payload_hash(signature: Signature, computed: str, protocol: str = "") -> None:
    """Compare the declared hash with the hex SHA-256 of the body that came.

    Outside S3 a request that declares nothing, and whose body was not there to be hashed into the signature, was signed
    as one without a body.
    """
    declared = signature.payload_hash
    if declared is None and signature.service not in _S3:
        declared = EMPTY_SHA256
    if declared is None or declared == UNSIGNED_PAYLOAD or declared in STREAMING:
        return
    if not hmac.compare_digest(declared.encode("latin-1", "replace"), computed.encode()):
        raise authentication_error(
            "payload", signature.service, protocol or signature.protocol,
            ClientComputedContentSHA256=declared, S3ComputedContentSHA256=computed,
        )


def _mismatch(signature: Signature, protocol: str, tried: tuple[bytes, bytes] | None) -> AwsError:
    canonical, to_sign = tried or (b"", b"")
    return authentication_error(
        "mismatch", signature.service, protocol,
        AWSAccessKeyId=signature.access_key_id, StringToSign=to_sign.decode("utf-8", "replace"),
        SignatureProvided=signature.signature, CanonicalRequest=canonical.decode("utf-8", "replace"),
    )


def _check_time(signature: Signature, protocol: str, now: datetime) -> None:
    if signature.presigned:
        _check_url_time(signature, protocol, now)
    elif now - signature.time > MAX_SKEW:
        raise _stale(signature, protocol, now, MAX_SKEW)
    elif signature.time - now > MAX_SKEW:
        raise _early(signature, protocol, now)


def _check_url_time(signature: Signature, protocol: str, now: datetime) -> None:
    lifetime = timedelta(seconds=signature.expires or 0)
    if signature.time - now > MAX_SKEW:
        raise _early(signature, protocol, now)
    if now > signature.time + lifetime:
        if signature.service not in _S3:
            raise _stale(signature, protocol, now, lifetime)
        raise authentication_error(
            "expired-url", signature.service, protocol,
            **{"X-Amz-Expires": str(signature.expires)},
            Expires=(signature.time + lifetime).strftime(_ISO), ServerTime=now.strftime(_ISO),
        )


def _stale(signature: Signature, protocol: str, now: datetime, allowed: timedelta) -> AwsError:
    if signature.service in _S3:
        return _skewed(signature, protocol, now)
    earliest = (now - allowed).strftime(_ISO_BASIC)
    minutes = int(allowed.total_seconds() // 60)
    return authentication_error(
        "skewed", signature.service, protocol,
        f"Signature expired: {signature.timestamp} is now earlier than {earliest} "
        f"({now.strftime(_ISO_BASIC)} - {minutes} min.)",
    )


def _early(signature: Signature, protocol: str, now: datetime) -> AwsError:
    if signature.service in _S3:
        if signature.presigned:
            return AwsError("AccessDenied", "Request is not yet valid", 403)
        return _skewed(signature, protocol, now)
    latest = (now + MAX_SKEW).strftime(_ISO_BASIC)
    return authentication_error(
        "skewed", signature.service, protocol,
        f"Signature not yet current: {signature.timestamp} is still later than {latest} "
        f"({now.strftime(_ISO_BASIC)} + 15 min.)",
    )


def _skewed(signature: Signature, protocol: str, now: datetime) -> AwsError:
    return authentication_error(
        "skewed", signature.service, protocol, RequestTime=signature.timestamp, ServerTime=now.strftime(_ISO),
        MaxAllowedSkewMilliseconds=str(int(MAX_SKEW.total_seconds() * 1000)),
    )


def _check_signed_headers(signature: Signature, protocol: str, headers: Headers) -> None:
    """Every ``x-amz-*`` header that came must be signed, or a replay could add some."""
    s3 = signature.service in _S3
    unsigned = [
        text
        for name, _ in headers
        if name.startswith(b"x-amz-")
        and (text := name.decode("latin-1")) not in signature.signed_headers
        and (s3 or name not in _MAY_STAY_UNSIGNED)
    ]
    if unsigned:
        message = "" if s3 else f"'{unsigned[0].title()}' must be a 'SignedHeader' in the AWS Authorization."
        raise authentication_error(
            "unsigned-header", signature.service, protocol, message, HeadersNotSigned=", ".join(unsigned)
        )


def _payload_line(signature: Signature, computed: str | None, protocol: str) -> str:
    """The last line of the canonical request."""
    declared = signature.payload_hash
    if signature.service in _S3:
        return declared or UNSIGNED_PAYLOAD
    if declared is not None:
        if not _HEX64.fullmatch(declared):
            raise authentication_error("mismatch", signature.service, protocol)  # only S3 takes unsigned payloads
        return declared
    return EMPTY_SHA256 if computed is None else computed


def _canonical_requests(
    signature: Signature, method: str, raw_path: bytes, raw_query: bytes, headers: Headers, payload: str
) -> Iterable[bytes]:
    """The canonical request as botocore writes it, then other spellings of the same path and query.

    Some clients sign the decoded-and-encoded form of what they send (``+`` for a space in a query, a literal ``:`` in
    an S3 key); AWS decodes and encodes again, so both are the same request.
    """
    middle = _canonical_headers(signature, headers)
    tail = f"\n{';'.join(signature.signed_headers)}\n{payload}".encode("latin-1", "replace")
    head = method.upper().encode("latin-1", "replace")
    seen = set()
    for path in _canonical_paths(signature.service, raw_path):
        for query in _canonical_queries(raw_query):
            if (path, query) not in seen:
                seen.add((path, query))
                yield b"\n".join((head, path, query, middle)) + tail


def _canonical_headers(signature: Signature, headers: Headers) -> bytes:
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(b" ".join(value.split()))
    lines = []
    for text in signature.signed_headers:
        name = text.encode("latin-1", "replace")
        lines.append(name + b":" + b",".join(values.get(name, [])) + b"\n")
    return b"".join(lines)


def _canonical_paths(service: str, raw_path: bytes) -> Iterable[bytes]:
    path = raw_path or b"/"
    if service in _S3:  # encoded once, not normalised
        yield path
        yield quote_from_bytes(unquote_to_bytes(path), safe="/-_.~").encode()
        return
    yield quote(_remove_dot_segments(path), safe="/~").encode()
    yield quote(path, safe="/~").encode()  # a signer that encodes twice but does not normalise


def _remove_dot_segments(path: bytes) -> bytes:
    """RFC 3986 §5.2.4, and AWS's rule that consecutive slashes are one."""
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment and segment != b".":
            kept.append(segment)
    first = b"/" if path.startswith(b"/") else b""
    last = b"/" if path.endswith(b"/") and kept else b""
    return first + b"/".join(kept) + last


def _canonical_queries(raw_query: bytes) -> Iterable[bytes]:
    if not raw_query:
        yield b""
        return
    pairs = []
    for pair in raw_query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if name != b"X-Amz-Signature":
            pairs.append((name, value))
    yield b"&".join(name + b"=" + value for name, value in sorted(pairs))
    again = sorted((_encode_again(name), _encode_again(value)) for name, value in pairs if name or value)
    yield b"&".join(name + b"=" + value for name, value in again)


def _encode_again(text: bytes) -> bytes:
    return quote_from_bytes(unquote_to_bytes(text.replace(b"+", b" ")), safe="-_.~").encode()
