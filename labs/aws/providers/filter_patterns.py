"""CloudWatch Logs' filter patterns (CloudWatch Logs User Guide, "Filter pattern syntax for metric filters").

Terms, optional and excluded terms, phrases, ``%regular expressions%``, JSON selectors with ``&&`` and ``||``, and
space-delimited patterns.  Matching is case-sensitive.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable
from typing import Any

Match = dict[str, str]  # what the pattern extracted: "$.status" or "$name" → value


class InvalidPattern(Exception):
    """The text is not a filter pattern."""


Pattern = Callable[[str], Match | None]

_TERM = re.compile(r'\s*([?-]?)(?:"((?:\\.|[^"\\])*)"|%([^%]+)%|(\S+))')


def compile_pattern(text: str) -> Pattern:
    """A function from a message to what the pattern extracts from it, ``None`` where it does not match.

    :raises InvalidPattern: unbalanced brackets, or a condition that cannot be read
    """
    text = text.strip()
    if text.startswith("{"):
        return _json_pattern(text)
    if text.startswith("["):
        return _fields_pattern(text)
    return _terms_pattern(text)


def _terms_pattern(text: str) -> Pattern:
    needed, optional, excluded = [], [], []
    place = 0
    while place < len(text):
        found = _TERM.match(text, place)
        if found is None:
            raise InvalidPattern(f"Invalid character(s) in term '{text[place:]}'")
        sign, phrase, regex, term = found.groups()
        test = _regex(regex) if regex else _contains(re.sub(r"\\(.)", r"\1", phrase) if phrase is not None else term)
        (optional if sign == "?" else excluded if sign == "-" else needed).append(test)
        place = found.end()

    def match(message: str) -> Match | None:
        if not all(test(message) for test in needed) or any(test(message) for test in excluded):
            return None
        return {} if needed or not optional or any(test(message) for test in optional) else None

    return match


def _contains(term: str) -> Callable[[str], bool]:
    return lambda message: term in message


def _regex(pattern: str) -> Callable[[str], bool]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InvalidPattern(f"Invalid regular expression: {error}") from error
    return lambda message: compiled.search(message) is not None


# -- conditions --------------------------------------------------------------------------------------------------------

_CONDITION = re.compile(
    r"\s*(?P<left>\$\.[\w.\[\]\-\"']+|[\w@]+)\s*(?P<operator>!=|>=|<=|=|>|<|IS NOT|IS|NOT EXISTS)\s*"
    r"(?P<right>\"(?:\\.|[^\"\\])*\"|%[^%]+%|NULL|TRUE|FALSE|[^\s&|(){}\[\],]+)?",
    re.IGNORECASE,
)
Values = Callable[[str], Any]
Condition = Callable[[Values], bool]
_NOTHING = object()


class _Conditions:
    """Conditions joined by ``&&``, ``||`` and parentheses."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self.selectors: list[str] = []

    def whole(self) -> Condition:
        condition = self._either()
        if self._text[self._place :].strip():
            raise InvalidPattern(f"Invalid condition '{self._text[self._place :].strip()}'")
        return condition

    def _skip(self, text: str) -> bool:
        while self._text[self._place : self._place + 1].isspace():
            self._place += 1
        if self._text.startswith(text, self._place):
            self._place += len(text)
            return True
        return False

    def _either(self) -> Condition:
        options = [self._both()]
        while self._skip("||"):
            options.append(self._both())
        return lambda values: any(option(values) for option in options)

    def _both(self) -> Condition:
        needed = [self._one()]
        while self._skip("&&"):
            needed.append(self._one())
        return lambda values: all(condition(values) for condition in needed)

    def _one(self) -> Condition:
        if self._skip("("):
            inner = self._either()
            if not self._skip(")"):
                raise InvalidPattern("Missing closing parenthesis")
            return inner
        found = _CONDITION.match(self._text, self._place)
        if found is None:
            raise InvalidPattern(f"Invalid condition '{self._text[self._place :].strip()}'")
        self._place = found.end()
        left, operator, right = found["left"], found["operator"].upper(), found["right"]
        self.selectors.append(left)
        if operator == "NOT EXISTS":
            return lambda values: values(left) is _NOTHING
        if right is None:
            raise InvalidPattern(f"Missing value after '{operator}'")
        if operator in ("IS", "IS NOT"):
            wanted = {"NULL": None, "TRUE": True, "FALSE": False}.get(right.upper(), right)
            same = operator == "IS"
            return lambda values: (values(left) is wanted) == same and values(left) is not _NOTHING
        return _compared(left, operator, right)


def _compared(left: str, operator: str, right: str) -> Condition:
    if right.startswith("%"):
        test = _regex(right[1:-1])
        return lambda values: values(left) is not _NOTHING and test(_plain(values(left))) == (operator == "=")
    text = re.sub(r"\\(.)", r"\1", right[1:-1]) if right.startswith('"') else right

    def compare(values: Values) -> bool:
        value = values(left)
        if value is _NOTHING or value is None:
            return False
        x, y = _number(value), _number(text)
        if operator in ("=", "!="):
            equal = x == y if x is not None and y is not None else fnmatch.fnmatchcase(_plain(value), text)
            return equal == (operator == "=")
        if x is None or y is None:
            return False
        return {">": x > y, ">=": x >= y, "<": x < y, "<=": x <= y}[operator]

    return compare


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _json_pattern(text: str) -> Pattern:
    if not text.endswith("}"):
        raise InvalidPattern("Missing closing brace")
    conditions = _Conditions(text[1:-1])
    condition = conditions.whole()

    def match(message: str) -> Match | None:
        try:
            document = json.loads(message)
        except ValueError:
            return None

        def values(selector: str) -> Any:
            return select(document, selector)

        if not isinstance(document, dict | list) or not condition(values):
            return None
        found = {name: values(name) for name in conditions.selectors}
        return {name: _plain(value) for name, value in found.items() if value is not _NOTHING and value is not None}

    return match


def select(document: Any, selector: str) -> Any:
    """The value at ``$.a.b[0]``, or a value that equals nothing where there is none."""
    value = document
    for name, index in re.findall(r"\.([\w\-]+)|\[(\d+|\"[^\"]+\"|'[^']+')\]", selector.removeprefix("$")):
        key: Any = name or index.strip("\"'")
        if isinstance(value, list) and str(key).isdigit():
            key = int(key)
            if key >= len(value):
                return _NOTHING
        elif not isinstance(value, dict) or key not in value:
            return _NOTHING
        value = value[key]
    return value


def _fields_pattern(text: str) -> Pattern:
    """``[ip, user, ..., status = 4*, bytes]``: words of a line, of which brackets and quotes hold several together."""
    if not text.endswith("]"):
        raise InvalidPattern("Missing closing bracket")
    names: list[str] = []
    tests: list[tuple[str, Condition]] = []
    for part in text[1:-1].split(","):
        name = re.match(r"\s*(\.\.\.|[\w@$]*)", part)[1]  # type: ignore[index]  # matches the empty text, too
        names.append(name)
        if part.strip() not in (name, ""):
            tests.append((name, _Conditions(part).whole()))

    def match(message: str) -> Match | None:
        words = [a or b or c for a, b, c in re.findall(r'"([^"]*)"|\[([^\]]*)\]|(\S+)', message)]
        shape = list(names)
        if "..." in shape:
            place = shape.index("...")
            shape[place : place + 1] = [""] * max(0, len(words) - len(names) + 1)
        if len(words) != len(shape):
            return None
        found = {name: word for name, word in zip(shape, words, strict=True) if name}
        if not all(test(lambda name: found.get(name, _NOTHING)) for _, test in tests):
            return None
        return {f"${name}": word for name, word in found.items()}

    return match
