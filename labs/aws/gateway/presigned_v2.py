"""S3 URLs presigned with Signature Version 2, which boto3 still makes by default for S3.

Only a query string with ``AWSAccessKeyId``, ``Expires`` and ``Signature``; botocore builds the string to sign.
Page: "Signing and authenticating REST requests (AWS signature version 2)" (S3 User Guide).
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

from botocore.auth import HmacV1Auth
from botocore.compat import HTTPHeaders

from labs.aws.gateway.calls import AwsError

ALGORITHM = "AWS"  # what the scheme calls itself


def read(parameters: dict[str, str]) -> tuple[str, str, int]:
    """Access key id, signature and expiry (Unix seconds).

    :raises AwsError: a parameter is missing or not a number
    """
    if not parameters.get("Signature") or not parameters.get("Expires", "").isdigit():
        raise AwsError(
            "AccessDenied",
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
            403,
        )
    return parameters["AWSAccessKeyId"], parameters["Signature"], min(int(parameters["Expires"]), 2**40)


def verify(
    signature: str,
    expires: int,
    secret: str,
    method: str,
    path: str,
    query: str,
    headers: Sequence[tuple[bytes, bytes]],
    now: datetime,
) -> None:
    """Return if the URL was presigned with ``secret`` and is still good.

    :param path: percent-encoded; with virtual-host style the bucket is taken from the ``Host`` header
    :raises AwsError: ``AccessDenied`` (expired) or ``SignatureDoesNotMatch``
    """
    if now.timestamp() > expires:
        moment = datetime.fromtimestamp(min(expires, 2**31), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        raise AwsError("AccessDenied", "Request has expired", 403, {"Expires": moment})
    sent = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
    signed = {name: value for name, value in sent.items() if name.startswith("x-amz-")}
    # A presigned URL carries such headers as parameters.
    signed.update({n.lower(): v for n, v in parse_qsl(query) if n.lower().startswith("x-amz-")})
    lines = [method, sent.get("content-md5", ""), sent.get("content-type", ""), str(expires)]
    signer = HmacV1Auth(SimpleNamespace(secret_key=secret, token=None))
    custom = signer.canonical_custom_headers(HTTPHeaders.from_dict(signed))
    lines += [custom] if custom else []
    bucket = sent.get("host", "").partition(".")[0]
    for full_path in (path, f"/{bucket}{path}"):
        resource = signer.canonical_resource(urlsplit(f"http://h{path}?{query}"), auth_path=full_path)
        digest = hmac.digest(secret.encode(), "\n".join([*lines, resource]).encode(), "sha1")
        if hmac.compare_digest(base64.b64encode(digest), signature.encode("latin-1", "replace")):
            return
    raise AwsError(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided."
        " Check your key and signing method.",
        403,
    )
