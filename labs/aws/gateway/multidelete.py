"""S3's DeleteObjects is decided key by key: what may be deleted is, and each other key comes back with its own error.

S3 API Reference, "DeleteObjects": "For each key, Amazon S3 performs a delete operation and returns the result of that
delete, success or failure, in the response".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

RawHeaders = list[tuple[bytes, bytes]]
_ABOUT_THE_BODY = (
    b"content-md5",
    b"content-length",
    b"content-encoding",
    b"transfer-encoding",
    b"x-amz-content-sha256",
    b"x-amz-decoded-content-length",
    b"x-amz-trailer",
)


def allowed_part(
    params: Mapping[str, Any], refused: Mapping[int, str], headers: RawHeaders
) -> tuple[bytes, RawHeaders]:
    """Body and headers of the request without the refused objects.

    :param refused: index in ``Delete.Objects`` → message
    """
    delete = params["Delete"]
    objects = [entry for index, entry in enumerate(delete["Objects"]) if index not in refused]
    quiet = "<Quiet>true</Quiet>" if delete.get("Quiet") else ""
    listed = "".join(f"<Object>{_object(entry)}</Object>" for entry in objects)
    body = f'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{quiet}{listed}</Delete>'.encode()
    kept = [
        (name, value)
        for name, value in headers
        if name not in _ABOUT_THE_BODY and not name.startswith((b"x-amz-checksum-", b"x-amz-sdk-checksum"))
    ]
    return body, [*kept, (b"content-length", str(len(body)).encode())]


def _object(entry: Mapping[str, Any]) -> str:
    return "".join(f"<{name}>{escape(str(entry[name]))}</{name}>" for name in ("Key", "VersionId") if entry.get(name))


def result(params: Mapping[str, Any], refused: Mapping[int, str], done: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's result of the allowed part, with an error for every refused object."""
    objects = params["Delete"]["Objects"]
    errors = [_error(objects[index], message) for index, message in refused.items()]
    return {**done, "Errors": [*(done.get("Errors") or ()), *errors]}


def _error(entry: Mapping[str, Any], message: str) -> dict[str, Any]:
    version = {"VersionId": entry["VersionId"]} if entry.get("VersionId") else {}
    return {"Key": entry["Key"], **version, "Code": "AccessDenied", "Message": message}


def all_refused(params: Mapping[str, Any], refused: Iterable[int]) -> bool:
    """Whether nothing is left to delete."""
    return len(set(refused)) == len(params["Delete"]["Objects"])
