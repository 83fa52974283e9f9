"""Receipts: what a mark rests on, signed with the instructor's key, so that it can be scored again and checked later.

A receipt is one JSON file per submitted notebook, ``receipts/STUDENT/SECTION/NOTEBOOK.json`` in the course folder:

    {"format": 1, "section", "student", "notebook", "account", "course", "graded", "grader": digest of the code,
     "python", "engine", "repairs": […],
     "exercises": {id: {"sources": {cell: text}, "answer": {…}, "weaker": […], "seconds", "verdict": {…}}},
     "mac": HMAC-SHA256 of all the rest, hexadecimal}

The findings of a verdict are the recorded evidence: what each check looked at, observed, expected, and whether it
passed.  The score is a pure function of them (:func:`graders.verdict.score`), so replaying a receipt always gives its
marks.  The key lies beside the gradebook (``grading.key``) or where ``LABS_GRADING_KEY`` says; learners never have it.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import os
import platform
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graders.verdict import Verdict, score
from labs.errors import PermanentError

FORMAT = 1
KEY_BYTES = 32
REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict with what it was reached from: the answer cells' sources and the data they gave."""

    verdict: Verdict
    sources: Mapping[str, str | None]
    answer: Mapping[str, Any]
    weaker: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)  # it took to judge

    def to_json(self) -> dict[str, Any]:
        """A JSON object; ``from_json`` turns it back."""
        return {
            "sources": dict(self.sources),
            "answer": dict(self.answer),
            "weaker": list(self.weaker),
            "seconds": round(self.seconds, 3),
            "verdict": self.verdict.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Judged:
        """What ``to_json`` wrote; raises TypeError or KeyError for anything else."""
        verdict = Verdict.from_json(data["verdict"])
        return cls(verdict, data["sources"], data["answer"], tuple(data["weaker"]), data["seconds"])


def path_of(root: Path, section: str, student: str, notebook: str) -> Path:
    """Where the receipt of a submitted notebook lies."""
    return root / "receipts" / student / section / f"{notebook}.json"


def write(
    root: Path, section: str, student: str, notebook: str, judged: Mapping[str, Judged], repairs: list[str]
) -> Path:
    """Sign and keep a receipt; returns where.  One that says the same already is left alone."""
    from labs.aws import learner

    path = path_of(root, section, student, notebook)
    said = {
        "format": FORMAT,
        "section": section,
        "student": student,
        "notebook": notebook,
        "account": learner.account_of(student),
        "course": learner.COURSE,
        "grader": grader_version(),
        "python": platform.python_version(),
        "engine": os.environ.get("LABS_AWS_ENGINE", "ministack"),
        "repairs": repairs,
        "exercises": {name: each.to_json() for name, each in sorted(judged.items())},
    }
    if path.exists() and _timeless(_loaded(path)) == _timeless(_plain(said)):
        return path
    said["graded"] = datetime.now(UTC).isoformat(timespec="seconds")
    said["mac"] = _mac(key(root), said)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.new")
    fresh.write_text(json.dumps(said, indent=1, ensure_ascii=False), encoding="utf-8")
    fresh.replace(path)  # whole or not at all, whenever this process dies
    return path


def read(path: Path, root: Path) -> dict[str, Any]:
    """A receipt whose signature is right.

    :raises PermanentError: it is none, or was changed after it was signed, or was signed with another key
    """
    said = _loaded(path)
    if said.get("format") != FORMAT or not isinstance(said.get("mac"), str):
        raise PermanentError(f"{path} is no receipt of format {FORMAT}.", "Name a file below receipts/.")
    if not hmac.compare_digest(said["mac"], _mac(key(root), said)):
        raise PermanentError(
            f"The signature of {path} is wrong: it was changed, or signed with another key.",
            "Grade the submission again; LABS_GRADING_KEY names another key file.",
        )
    return said


def kept(root: Path, section: str, student: str, notebook: str) -> dict[str, Judged]:
    """What an earlier run of this same grader judged, by exercise; empty where there is no such receipt."""
    try:
        said = read(path_of(root, section, student, notebook), root)
        if said["grader"] != grader_version() or said["student"] != student:
            return {}
        return {name: Judged.from_json(each) for name, each in said["exercises"].items()}
    except (PermanentError, KeyError, TypeError):
        return {}


def replay(path: Path, root: Path) -> list[tuple[str, float, float]]:
    """(exercise, recorded points, points scored again from the recorded findings) of each exercise in a receipt."""
    said = read(path, root)
    verdicts = {name: Judged.from_json(each).verdict for name, each in said["exercises"].items()}
    return [(name, one.points, score(one.findings, one.max)) for name, one in verdicts.items()]


def key(root: Path) -> bytes:
    """The signing key; made where there is none yet, readable by its owner only.

    :raises PermanentError: ``LABS_GRADING_KEY`` names no key file
    """
    named = os.environ.get("LABS_GRADING_KEY")
    path = Path(named) if named else root / "grading.key"
    if not named and not path.exists():
        fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES))
        try:
            os.link(fresh, path)  # the first of several that start at once
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    wanted = f"It must hold {2 * KEY_BYTES} hexadecimal digits."
    try:
        found = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise PermanentError(f"{path} holds no grading key: {error}", wanted) from None
    if len(found) < KEY_BYTES:
        raise PermanentError(f"The key in {path} is too short.", wanted)
    return found


@functools.cache
def grader_version() -> str:
    """A digest of the code that judges: graders and labs, every Python and data file of theirs."""
    found = hashlib.sha256()
    for folder in ("graders", "labs"):
        for path in sorted((REPOSITORY / folder).rglob("*")):
            if path.suffix in (".py", ".json", ".toml", ".zip") and path.is_file():
                found.update(str(path.relative_to(REPOSITORY)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def _loaded(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PermanentError(f"{path} cannot be read: {error}", "Name a file below receipts/.") from None
    return said if isinstance(said, dict) else {}


def _timeless(said: Mapping[str, Any]) -> dict[str, Any]:
    """A receipt without when it was written, how long judging took, and the signature over both."""
    rest = {name: value for name, value in said.items() if name not in ("graded", "mac")}
    exercises = said.get("exercises") or {}
    return rest | {"exercises": {name: {**each, "seconds": 0} for name, each in exercises.items()}}


def _plain(said: Mapping[str, Any]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(said)))


def _mac(secret: bytes, said: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in said.items() if name != "mac"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hmac.new(secret, text.encode("ascii"), hashlib.sha256).hexdigest()
