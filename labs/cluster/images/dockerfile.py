"""A Dockerfile as instructions: continued lines, comments, the ``escape`` directive, flags, JSON forms, ``$VARIABLES``.

"Dockerfile reference" (Docker documentation).  A parser of our own: ``dockerfile`` is buildkit's, but has no wheel for
aarch64; ``dockerfile-parse`` was last released in 2023 and passes over what it does not understand.  Here-documents and
parser directives other than ``syntax`` and ``escape`` are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from labs.errors import PermanentError

INSTRUCTIONS = ("FROM", "ARG", "ENV", "LABEL", "COPY", "ADD", "RUN", "WORKDIR", "USER", "ENTRYPOINT", "CMD", "EXPOSE",
                "VOLUME", "STOPSIGNAL", "SHELL", "MAINTAINER", "HEALTHCHECK")
"""Those that a build here knows; HEALTHCHECK is passed over with a note, Kubernetes does not look at it either."""

_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S+)\s*")
_FLAG = re.compile(r"--([a-z-]+)(?:=(\S*))?(?:\s+|$)")
_HEREDOC = re.compile(r"<<-?[\"']?[A-Za-z_]")
_VARIABLE = re.compile(r"\\(.)|\$(?:(\w+)|\{(\w+)(?:(:?[-+])((?:[^{}]|\{[^{}]*\})*))?\})|(')")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    :param line: number of its first line, from 1
    :param text: what follows name and flags
    :param words: the words of its JSON form; None in the shell form
    """

    name: str
    line: int
    text: str
    flags: tuple[tuple[str, str], ...]
    words: tuple[str, ...] | None

    def error(self, why: str) -> PermanentError:
        """An error that names the instruction and its line."""
        return PermanentError(f"Dockerfile line {self.line}: {self.name}: {why}")


def parse(text: str) -> list[Instruction]:
    """The instructions in order; raises PermanentError with the line of one that is not known here."""
    escape, made = "\\", []
    lines = text.splitlines()
    at = 0
    while at < len(lines) and (found := _DIRECTIVE.fullmatch(lines[at].strip())):
        if found[1].lower() == "escape":
            escape = found[2]
        elif found[1].lower() not in ("syntax", "check"):
            break
        at += 1
    while at < len(lines):
        first, whole, goes_on = at + 1, "", True
        while at < len(lines) and goes_on:
            line = lines[at]
            at += 1
            if line.lstrip().startswith("#") or (whole and not line.strip()):
                goes_on = bool(whole)
                continue
            stripped = line.rstrip()
            goes_on = stripped.endswith(escape)
            line = stripped[:-1] if goes_on else line
            whole += line if whole else line.lstrip()
        if whole.strip():
            made.append(_instruction(whole.strip(), first))
    if not any(each.name == "FROM" for each in made):
        raise PermanentError("The Dockerfile has no FROM.", "Begin with FROM scratch, or FROM another image.")
    return made


def _instruction(whole: str, line: int) -> Instruction:
    name, _, rest = whole.partition(" ") if " " in whole.split("\t")[0] else whole.partition("\t")
    name, rest = name.upper(), rest.strip()
    if name not in INSTRUCTIONS:
        raise PermanentError(f"Dockerfile line {line}: {name} is not an instruction that can be built here.",
                             f"There are {', '.join(INSTRUCTIONS)}.")
    flags = []
    if name in ("FROM", "COPY", "ADD", "RUN", "HEALTHCHECK"):
        while found := _FLAG.match(rest):
            flags.append((found[1], found[2] or ""))
            rest = rest[found.end():]
    made = Instruction(name, line, rest, tuple(flags), _json(rest) if name not in ("ENV", "ARG", "LABEL") else None)
    if name in ("RUN", "COPY", "ADD") and made.words is None and _HEREDOC.search(rest):
        raise made.error("here-documents are not known here; put the text into a file")
    if not rest and name not in ("CMD", "ENTRYPOINT", "HEALTHCHECK"):
        raise made.error("it says nothing")
    return made


def _json(text: str) -> tuple[str, ...] | None:
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return tuple(found) if isinstance(found, list) and all(isinstance(each, str) for each in found) else None


def expand(text: str, known: Mapping[str, str]) -> str:
    """``$NAME``, ``${NAME}``, ``${NAME:-word}``, ``${NAME:+word}`` (and without the colon); ``\\$`` is a dollar.

    Nothing is replaced between single quotes.
    """
    quoted = False

    def replaced(match: re.Match[str]) -> str:
        nonlocal quoted
        if match[6]:
            quoted = not quoted
            return "'"
        if quoted:
            return match[0]
        if match[1] is not None:
            return "$" if match[1] == "$" else match[0]
        value, sign, word = known.get(match[2] or match[3]), match[4] or "", match[5] or ""
        there = bool(value) if sign.startswith(":") else value is not None
        if sign.endswith("-"):
            return value or "" if there else expand(word, known)
        if sign.endswith("+"):
            return expand(word, known) if there else ""
        return value or ""

    return _VARIABLE.sub(replaced, text)


def words(instruction: Instruction, text: str) -> list[str]:
    """Words as a shell splits them: quotes and backslashes hold together and go."""
    made: list[str] = []
    current, started, quote, skipped = "", False, "", False
    for sign in text:
        if skipped:
            current += sign if not quote or sign in "\"\\$" else f"\\{sign}"
            skipped = False
        elif sign == "\\" and quote != "'":
            skipped = started = True
        elif quote:
            current, quote = (current, "") if sign == quote else (current + sign, quote)
        elif sign in "'\"":
            quote, started = sign, True
        elif sign.isspace():
            if started:
                made.append(current)
            current, started = "", False
        else:
            current, started = current + sign, True
    if quote:
        raise instruction.error(f"the quote {quote} is not closed")
    return [*made, current] if started else made


def pairs(instruction: Instruction, known: Mapping[str, str]) -> dict[str, str]:
    """``NAME=VALUE …`` of ENV and LABEL, and their old form ``NAME VALUE``."""
    text = expand(instruction.text, known)
    found = words(instruction, text)
    if "=" not in found[0]:
        name, _, value = text.partition(" ")
        if not value.strip():
            raise instruction.error(f"{name} has no value")
        return {name: " ".join(words(instruction, value))}
    made = {}
    for each in found:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise instruction.error(f"{each!r} is not NAME=VALUE")
        made[name] = value
    return made
