"""Request bodies as a stream: decode ``aws-chunked`` framing, verify chunk signatures, trailers and payload hashes.

Memory stays flat whatever the size: bytes are passed on as they come, and a chunk that proves wrong raises at its end,
so whoever consumes the bytes must discard what it has when ``feed`` or ``finish`` raises.  CRC32, SHA1 and SHA256
trailers are compared; CRC32C and CRC64NVME trailers are passed without comparing (the standard library has neither).

Pages: "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" and "Signature
calculations for trailing headers (chunked uploads)", "Error responses" (S3 API Reference).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import zlib
from collections.abc import Mapping
from typing import Protocol

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.signing import (
    EMPTY_SHA256,
    Headers,
    Signature,
    authentication_error,
    check_payload_hash,
    signing_key,
)

MIN_CHUNK = 8192  # bytes; every chunk but the last
MAX_BODY = 5 * 1024**3  # bytes; S3's limit for one PUT or part
_MAX_LINE = 4096  # bytes of one chunk header or trailer line
_MAX_TRAILERS = 16
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?\r\n")


class BodyCheck(Protocol):
    """A body on its way through: feed it what arrives, pass on what comes out, finish at the end."""

    def feed(self, data: bytes) -> list[bytes]: ...

    def finish(self) -> list[bytes]: ...


def body_check(signature: Signature | None, secret: str, headers: Headers) -> BodyCheck:
    """The right check for a body that was not read before :func:`~labs.aws.gateway.signing.verify`.

    :param signature: ``None`` for an anonymous request, which may use ``STREAMING-UNSIGNED-PAYLOAD-TRAILER``
    """
    fields = {name: value.decode("latin-1").strip() for name, value in headers}
    declared = signature.payload_hash if signature else fields.get(b"x-amz-content-sha256")
    anonymous = signature is None and declared == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    if anonymous or (signature is not None and signature.streaming):
        return ChunkedBody(declared or "", fields, signature, secret)
    return HashedBody(signature)


class HashedBody:
    """A plain body: passes bytes through and compares the declared SHA-256, if there is one, at the end."""

    def __init__(self, signature: Signature | None) -> None:
        self._signature = signature
        self._hash = hashlib.sha256()

    def feed(self, data: bytes) -> list[bytes]:
        """:returns: the same bytes"""
        self._hash.update(data)
        return [data] if data else []

    def finish(self) -> list[bytes]:
        """:raises AwsError: XAmzContentSHA256Mismatch, or the mismatch of the protocol"""
        if self._signature is not None:
            check_payload_hash(self._signature, self._hash.hexdigest())
        return []


class ChunkedBody:
    """Decoder of one ``aws-chunked`` body.

    :param mode: the ``STREAMING-…`` word of ``x-amz-content-sha256``
    :param fields: request headers by lower-case name
    :param signature: of the request: its signature seeds the chain of chunk signatures
    """

    def __init__(self, mode: str, fields: Mapping[bytes, str], signature: Signature | None, secret: str) -> None:
        self._signature = signature
        self._signed = mode.startswith("STREAMING-AWS4-HMAC")
        self._expected = _decoded_length(fields)
        declared = fields.get(b"x-amz-trailer", "") if mode.endswith("-TRAILER") else ""
        self._awaited = {name.strip().lower() for name in declared.split(",") if name.strip()}
        self._trailing = mode.endswith("-TRAILER")
        self._checksums = {name: checksum for name in self._awaited if (checksum := _checksum(name)) is not None}
        self._key = b""
        self._previous = ""
        if self._signed:
            if signature is None:
                raise authentication_error("missing", "s3", "s3")
            self._key = signing_key(secret, signature.date, signature.region, signature.service)
            self._previous = signature.signature
        self._line = bytearray()
        self._state = "size"
        self._remaining = 0
        self._received = 0
        self._small = False  # a chunk below the minimum has been seen; only the last may be
        self._chunk_signature = ""
        self._chunk_hash = hashlib.sha256()
        self._trailers: list[tuple[str, str]] = []
        self._trailer_signature = ""

    def feed(self, data: bytes) -> list[bytes]:
        """Decode what arrived.

        :returns: decoded pieces, possibly none
        :raises AwsError: SignatureDoesNotMatch, InvalidChunkSizeError, IncompleteBody, MalformedTrailerError, BadDigest
        """
        pieces: list[bytes] = []
        position, end = 0, len(data)
        while position < end:
            if self._state == "data":
                piece = data[position : position + self._remaining]
                position += len(piece)
                self._take(piece)
                pieces.append(piece)
                continue
            newline = data.find(b"\n", position)
            stop = end if newline < 0 else newline + 1
            if len(self._line) + stop - position > _MAX_LINE:
                raise self._bad_framing()
            self._line += data[position:stop]
            position = stop
            if newline >= 0:
                line = bytes(self._line)
                self._line.clear()
                self._handle(line)
        return pieces

    def finish(self) -> list[bytes]:
        """Check that the body is complete.

        :returns: nothing more (an empty list)
        :raises AwsError: IncompleteBody, MalformedTrailerError, SignatureDoesNotMatch, BadDigest
        """
        if self._state == "trailer":
            if self._line:
                line = bytes(self._line)
                self._line.clear()
                self._trailer(line)
            if self._state == "trailer":
                self._end_of_trailers()
        if self._state != "done" or self._line:
            raise _incomplete()
        return []

    def _handle(self, line: bytes) -> None:
        if self._state == "size":
            self._size(line)
        elif self._state == "after":
            if line != b"\r\n":
                raise self._bad_framing()
            self._state = "size"
        elif self._state == "trailer":
            self._trailer(line)
        elif line.strip():
            raise self._bad_framing()

    def _size(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None or (self._signed and match[2] is None):
            raise self._bad_framing()
        size = int(match[1], 16)
        if size and self._small:
            raise AwsError(
                "InvalidChunkSizeError", "Only the last chunk is allowed to have a size less than 8192 bytes", 403
            )
        self._small = size < MIN_CHUNK
        if self._received + size > min(self._expected, MAX_BODY):
            raise _incomplete()
        self._chunk_signature = (match[2] or b"").decode()
        self._remaining = size
        if size:
            self._chunk_hash = hashlib.sha256()
            self._state = "data"
        else:
            self._end_of_data()

    def _take(self, piece: bytes) -> None:
        for checksum in self._checksums.values():
            checksum.update(piece)
        if self._signed:
            self._chunk_hash.update(piece)
        self._received += len(piece)
        self._remaining -= len(piece)
        if self._remaining == 0:
            self._verify_chunk(self._chunk_hash.hexdigest())
            self._state = "after"

    def _end_of_data(self) -> None:
        self._verify_chunk(EMPTY_SHA256)
        if self._received != self._expected:
            raise _incomplete()
        self._state = "trailer"

    def _verify_chunk(self, digest: str) -> None:
        if self._signed:
            self._previous = self._verify(self._chunk_signature, "PAYLOAD", f"{EMPTY_SHA256}\n{digest}")

    def _verify(self, claimed: str, kind: str, last_lines: str) -> str:
        """Check one link of the chain; returns the signature that the next link starts from."""
        signature = self._signature
        if signature is None:  # the constructor refuses signed modes without a signature
            raise authentication_error("missing", "s3", "s3")
        text = f"AWS4-HMAC-SHA256-{kind}\n{signature.timestamp}\n{signature.scope}\n{self._previous}\n{last_lines}"
        computed = hmac.digest(self._key, text.encode("latin-1", "replace"), "sha256").hex()
        if not hmac.compare_digest(computed.encode(), claimed.encode("latin-1", "replace")):
            raise authentication_error(
                "mismatch", signature.service, signature.protocol,
                AWSAccessKeyId=signature.access_key_id, StringToSign=text, SignatureProvided=claimed,
            )
        return computed

    def _trailer(self, line: bytes) -> None:
        text = line.decode("latin-1").strip()
        if not text:
            if self._awaited - {name for name, _ in self._trailers} and not self._trailers:
                return  # some clients end the last chunk with an empty line as well
            self._end_of_trailers()
            return
        name, colon, value = text.partition(":")
        name = name.strip().lower()
        if not colon or not self._trailing or len(self._trailers) >= _MAX_TRAILERS:
            raise _malformed_trailer()
        if name == "x-amz-trailer-signature":
            self._trailer_signature = value.strip()
        elif name in self._awaited and name not in dict(self._trailers):
            self._trailers.append((name, value.strip()))
        else:
            raise _malformed_trailer()

    def _end_of_trailers(self) -> None:
        if self._awaited != {name for name, _ in self._trailers}:
            raise _malformed_trailer()
        if self._signed and self._trailing:
            lines = "".join(f"{name}:{value}\n" for name, value in self._trailers)
            self._verify(self._trailer_signature, "TRAILER", hashlib.sha256(lines.encode("latin-1")).hexdigest())
        for name, value in self._trailers:
            checksum = self._checksums.get(name)
            if checksum is not None and not hmac.compare_digest(checksum.base64(), value.encode("latin-1")):
                word = name.rpartition("-")[2].upper()
                raise AwsError("BadDigest", f"The {word} you specified did not match the calculated checksum.", 400)
        self._state = "done"

    def _bad_framing(self) -> AwsError:
        if self._state in {"trailer", "done"}:
            return _malformed_trailer()
        return AwsError(
            "InvalidChunkSizeError" if self._state == "size" else "IncompleteBody",
            "The request body is not in aws-chunked framing.",
            403 if self._state == "size" else 400,
        )


class _Checksum:
    """A running checksum of one trailer."""

    def __init__(self, algorithm: str) -> None:
        self._crc = 0
        self._hash = None if algorithm == "crc32" else hashlib.new(algorithm)

    def update(self, data: bytes) -> None:
        if self._hash is None:
            self._crc = zlib.crc32(data, self._crc)
        else:
            self._hash.update(data)

    def base64(self) -> bytes:
        digest = self._crc.to_bytes(4, "big") if self._hash is None else self._hash.digest()
        return base64.b64encode(digest)


def _checksum(trailer: str) -> _Checksum | None:
    algorithm = trailer.removeprefix("x-amz-checksum-")
    return _Checksum(algorithm) if algorithm in {"crc32", "sha1", "sha256"} and algorithm != trailer else None


def _decoded_length(fields: Mapping[bytes, str]) -> int:
    text = fields.get(b"x-amz-decoded-content-length")
    if text is None:
        raise AwsError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise AwsError("InvalidArgument", "x-amz-decoded-content-length is not a number of bytes.", 400)
    if int(text) > MAX_BODY:
        raise AwsError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400)
    return int(text)


def _incomplete() -> AwsError:
    return AwsError(
        "IncompleteBody",
        "You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header",
        400,
    )


def _malformed_trailer() -> AwsError:
    return AwsError(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
        400,
    )
