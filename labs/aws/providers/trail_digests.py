"""Digest files: what ``aws cloudtrail validate-logs`` reads to tell an untouched log file from a forged one.

CloudTrail User Guide, "CloudTrail digest file structure" and "Custom implementations of CloudTrail log file integrity
validation".  One key pair for all Regions; AWS has one for each, and replaces it from time to time.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ALGORITHM = "SHA256withRSA"
VALID_DAYS = 365


def moment(seconds: float) -> str:
    """``2026-11-25T03:00:00Z``."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class SigningKey:
    """The key pair that signs digests, made on first use (0.1 s) and kept in ``path`` with mode 0600."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key: rsa.RSAPrivateKey | None = None
        self._since = 0.0

    def load(self) -> None:
        """Read or make the key; blocks."""
        if self._key is not None:
            return
        if not self._path.exists():
            made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            pem = made.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}")
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(pem)
            temporary.replace(self._path)
        found = serialization.load_pem_private_key(self._path.read_bytes(), None)
        assert isinstance(found, rsa.RSAPrivateKey)
        self._since = self._path.stat().st_mtime // 3600 * 3600 - 3600
        self._key = found

    @property
    def _public(self) -> bytes:
        assert self._key is not None, "load() comes first"
        return self._key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits by which a digest names its key."""
        return hashlib.md5(self._public, usedforsecurity=False).hexdigest()

    def public_keys(self, start: float | None, end: float | None) -> list[dict[str, Any]]:
        """``ListPublicKeys``' entries whose validity touches the range (seconds); without one, the current key."""
        until = self._since + VALID_DAYS * 86_400
        if (start is not None and start > until) or (end is not None and end < self._since):
            return []
        entry = {"Value": self._public, "Fingerprint": self.fingerprint}
        return [{**entry, "ValidityStartTime": self._since, "ValidityEndTime": until}]

    def sign(self, text: str) -> str:
        """Hexadecimal RSA signature (PKCS #1 v1.5, SHA-256)."""
        assert self._key is not None, "load() comes first"
        return self._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()).hex()


def digest(
    *,
    account: str,
    bucket: str,
    key: str,
    start: float,
    end: float,
    files: list[dict[str, Any]],
    previous: Mapping[str, str] | None,
    fingerprint: str,
) -> bytes:
    """The content of one digest file, not yet compressed.

    :param previous: ``{"bucket", "key", "hash", "signature"}`` of the digest before, ``None`` at the start of a chain
    """
    content = {
        "awsAccountId": account,
        "digestStartTime": moment(start),
        "digestEndTime": moment(end),
        "digestS3Bucket": bucket,
        "digestS3Object": key,
        "digestPublicKeyFingerprint": fingerprint,
        "digestSignatureAlgorithm": ALGORITHM,
        "newestEventTime": max((one["newestEventTime"] for one in files), default=None),
        "oldestEventTime": min((one["oldestEventTime"] for one in files), default=None),
        "previousDigestS3Bucket": previous["bucket"] if previous else None,
        "previousDigestS3Object": previous["key"] if previous else None,
        "previousDigestHashValue": previous["hash"] if previous else None,
        "previousDigestHashAlgorithm": "SHA-256" if previous else None,
        "previousDigestSignature": previous["signature"] if previous else None,
        "logFiles": files,
    }
    return json.dumps(content, separators=(",", ":")).encode()


def string_to_sign(end: float, bucket: str, key: str, content: bytes, previous: Mapping[str, str] | None) -> str:
    """End time, place, hash of the content and the previous signature ("null" where there is none), line by line."""
    before = previous["signature"] if previous else "null"
    return f"{moment(end)}\n{bucket}/{key}\n{hashlib.sha256(content).hexdigest()}\n{before}"
