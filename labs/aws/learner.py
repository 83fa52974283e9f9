"""Who the learner is: a seed, a member account of the organisation, and an access key that survives every reset."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from base64 import b32encode, urlsafe_b64encode
from pathlib import Path
from typing import Any

COURSE = "phase-4-production"
"""The public course id: the key of every learner's seed."""


def seed(student: str) -> bytes:
    """32 bytes that differ from learner to learner: HMAC-SHA256(course id, nbgrader student id)."""
    return hmac.new(COURSE.encode(), student.encode(), hashlib.sha256).digest()


def account_of(student: str) -> str:
    """The learner's fixed 12-digit account number; never the management account, never a repeated digit."""
    number = int.from_bytes(hmac.new(seed(student), b"account", hashlib.sha256).digest()[:8], "big")
    return str(200_000_000_000 + number % 700_000_000_000)


def master_key(home: Path) -> bytes:
    """The secret of this installation, from which every key's secret is derived; made on first use, mode 0600."""
    path = home / "aws" / "master.key"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(32))
    return path.read_bytes()


def long_term_secret(master: bytes, access_key_id: str) -> str:
    """The secret of a long-term key: 40 characters, derived and therefore never stored."""
    digest = hmac.new(master, b"secret:" + access_key_id.encode(), hashlib.sha256).digest()
    return urlsafe_b64encode(digest).decode()[:40]


def enroll(home: Path, student: str | None = None) -> dict[str, Any]:
    """Write ``HOME/learner.json`` if it is missing or names another student, and return its content.

    :param student: nbgrader student id; ``None`` keeps the one on file, or takes ``"learner"``
    :returns: ``student``, ``seed`` (hex), ``account``, ``access_key_id``, ``secret_access_key``
    """
    path = home / "learner.json"
    known = json.loads(path.read_text()) if path.exists() else None
    if known and student in (None, known["student"]):
        return known
    student = student or "learner"
    master = master_key(home)
    key_digest = hmac.new(master, b"learner:" + student.encode(), hashlib.sha256).digest()
    access_key_id = "AKIA" + b32encode(key_digest).decode()[:16]
    record = {
        "student": student,
        "seed": seed(student).hex(),
        "account": account_of(student),
        "access_key_id": access_key_id,
        "secret_access_key": long_term_secret(master, access_key_id),
    }
    temporary = path.with_suffix(".tmp")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(record, indent=1) + "\n")
    temporary.replace(path)
    return record
