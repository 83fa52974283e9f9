"""CloudWatch Logs Insights' query language, as a pure function over log records.

Source: Amazon CloudWatch Logs User Guide, "CloudWatch Logs Insights language query syntax" and its pages on each
command and function.  Here are ``fields``, ``display``, ``filter``, ``stats``, ``sort``, ``limit``, ``parse`` and
``dedup``; the commands ``pattern``, ``diff``, ``anomaly``, ``unmask``, ``lookup`` and ``SOURCE`` are refused as
malformed.
"""

from __future__ import annotations

import datetime
import json
import math
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Record = Mapping[str, Any]
Expression = Callable[[Record], Any]

DEFAULT_LIMIT = 10_000  # rows
_LAMBDA_REPORT = re.compile(
    r"REPORT RequestId: (?P<requestId>\S+)\s+Duration: (?P<duration>[\d.]+) ms"
    r"\s+Billed Duration: (?P<billedDuration>\d+) ms"
    r"\s+Memory Size: (?P<memorySize>\d+) MB\s+Max Memory Used: (?P<maxMemoryUsed>\d+) MB"
)


class MalformedQuery(Exception):
    """The text is not a query; the message says why."""


class Moment(int):
    """Milliseconds since 1970, shown as a date."""

    def __str__(self) -> str:
        when = datetime.datetime.fromtimestamp(self // 1000, datetime.UTC)
        return f"{when:%Y-%m-%d %H:%M:%S}.{self % 1000:03d}"


def record(event: Mapping[str, Any], log: str) -> dict[str, Any]:
    """A log event as a query sees it: system fields, and what can be discovered in its message.

    :param event: ``timestamp``, ``ingestionTime`` (milliseconds), ``message``, ``logStreamName``
    :param log: account and group, ``123456789012:/shop/api``
    """
    message = str(event.get("message", ""))
    found: dict[str, Any] = {
        "@timestamp": Moment(event.get("timestamp", 0)),
        "@ingestionTime": Moment(event.get("ingestionTime") or event.get("timestamp", 0)),
        "@message": message,
        "@logStream": event.get("logStreamName", ""),
        "@log": log,
    }
    start = message.find("{")
    if start >= 0:
        try:
            document = json.loads(message[start:])
        except ValueError:
            document = None
        if isinstance(document, dict):
            found.update(_flat(document))
    if report := _LAMBDA_REPORT.search(message):
        found |= {f"@{name}": value for name, value in report.groupdict().items()} | {"@type": "REPORT"}
    return found


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    items: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
    found: dict[str, Any] = {}
    for name, inner in items:
        if isinstance(inner, dict | list):
            found.update(_flat(inner, f"{prefix}{name}."))
        elif inner is not None:
            found[f"{prefix}{name}"] = str(inner).lower() if isinstance(inner, bool) else inner
    return found


# -- tokens ------------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<comment>\#[^\n]*)
  | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<duration>\d+(?:ms|mo|[smhdwqy])\b)
  | (?P<number>\d+(?:\.\d+)?)
  | (?P<name>[@A-Za-z_][\w@.\-]*|`[^`]+`)
  | (?P<operator><=|>=|!=|==|=~|[=<>()\[\],+\-*/%^|])
    )""",
    re.VERBOSE,
)
_REGEX = re.compile(r"\s*/((?:\\.|[^/\\])+)/([a-z]*)")


@dataclass(frozen=True)
class Token:
    """``kind`` is the name of the group that matched; ``regex`` where a pattern stands."""

    kind: str
    text: str


class _Words:
    """The tokens of a query, read one after the other."""

    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.place = 0

    def peek(self) -> Token:
        return self.tokens[self.place] if self.place < len(self.tokens) else Token("end", "")

    def next(self) -> Token:
        token = self.peek()
        self.place += 1
        return token

    def word(self, *texts: str) -> bool:
        """Take the next token if it is one of these words or operators."""
        token = self.peek()
        if token.kind in ("name", "operator") and token.text.lower() in texts:
            self.place += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.word(text):
            raise MalformedQuery(f"unexpected symbol found {self.peek().text or 'end of query'}, expected {text}")

    def at_end(self) -> bool:
        token = self.peek()
        return token.kind == "end" or (token.kind == "operator" and token.text == "|")


def _tokens(text: str) -> Iterable[Token]:
    place, previous = 0, Token("operator", "|")
    while text[place:].strip():
        regex = _REGEX.match(text, place) if _may_be_regex(previous) else None
        if regex:
            flags = "(?i)" if "i" in regex[2] else ""
            previous = Token("regex", flags + regex[1].replace("\\/", "/"))
            place = regex.end()
            yield previous
            continue
        found = _TOKEN.match(text, place)
        if found is None:
            raise MalformedQuery(f"unexpected symbol found {text[place:].strip()[:1]} at character {place}")
        place = found.end()
        if found.lastgroup and found.lastgroup != "comment":
            previous = Token(found.lastgroup, found[found.lastgroup])
            yield previous


def _may_be_regex(previous: Token) -> bool:
    if previous.kind == "name":
        return previous.text.lower() in ("like", "in") or previous.text.startswith("@message")
    return previous.kind == "operator" and previous.text in ("=~", "(", ",", "=", "!=")


# -- expressions -------------------------------------------------------------------------------------------------------


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(str(value))
    except ValueError:
        return None


def _true(value: Any) -> bool:
    return value not in (None, "", False, 0, "false", "0")


def _expression(words: _Words) -> Expression:
    left = _conjunction(words)
    while words.word("or"):
        left = _either(left, _conjunction(words))
    return left


def _either(left: Expression, right: Expression) -> Expression:
    return lambda row: _true(left(row)) or _true(right(row))


def _conjunction(words: _Words) -> Expression:
    left = _negation(words)
    while words.word("and"):
        left = _both(left, _negation(words))
    return left


def _both(left: Expression, right: Expression) -> Expression:
    return lambda row: _true(left(row)) and _true(right(row))


def _negation(words: _Words) -> Expression:
    if words.word("not"):
        inner = _negation(words)
        return lambda row: not _true(inner(row))
    return _comparison(words)


_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _comparison(words: _Words) -> Expression:
    left = _sum(words)
    token = words.peek()
    if token.kind == "operator" and token.text in _ORDER:
        words.next()
        return _compared(left, _ORDER[token.text], _sum(words))
    if words.word("like", "=~"):
        return _like(left, words)
    if words.word("in"):
        return _among(left, words)
    if token.kind == "name" and token.text.lower() == "not":
        words.next()
        inner = _like(left, words) if words.word("like", "=~") else None
        if inner is None:
            words.expect("in")
            inner = _among(left, words)
        return _inverted(left, inner)
    return left


def _inverted(left: Expression, inner: Expression) -> Expression:
    return lambda row: left(row) is not None and not inner(row)


def _compared(left: Expression, order: Callable[[Any, Any], bool], right: Expression) -> Expression:
    def compare(row: Record) -> bool:
        a, b = left(row), right(row)
        if a is None or b is None:
            return False
        x, y = _number(a), _number(b)
        return order(x, y) if x is not None and y is not None else order(str(a), str(b))

    return compare


def _like(left: Expression, words: _Words) -> Expression:
    token = words.next()
    if token.kind == "regex":
        try:
            pattern = re.compile(_python_regex(token.text))
        except re.error as error:
            raise MalformedQuery(f"invalid regular expression: {error}") from error
        return lambda row: left(row) is not None and pattern.search(str(left(row))) is not None
    if token.kind != "string":
        raise MalformedQuery(f"unexpected symbol found {token.text}, expected a string or a regular expression")
    text = _unquoted(token.text)
    return lambda row: left(row) is not None and text in str(left(row))


def _python_regex(pattern: str) -> str:
    return re.sub(r"\(\?<(?![=!])", "(?P<", pattern)


def _among(left: Expression, words: _Words) -> Expression:
    close = "]" if words.word("[") else ")"
    if close == ")":
        words.expect("(")
    options = [_sum(words)]
    while words.word(","):
        options.append(_sum(words))
    words.expect(close)
    tests = [_compared(left, _ORDER["="], option) for option in options]
    return lambda row: any(test(row) for test in tests)


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": math.fmod,
    "^": lambda a, b: a**b,
}


def _sum(words: _Words) -> Expression:
    left = _product(words)
    while words.peek().kind == "operator" and words.peek().text in "+-":
        left = _calculated(left, words.next().text, _product(words))
    return left


def _product(words: _Words) -> Expression:
    left = _atom(words)
    while words.peek().kind == "operator" and words.peek().text in ("*", "/", "%", "^"):
        left = _calculated(left, words.next().text, _atom(words))
    return left


def _calculated(left: Expression, operator: str, right: Expression) -> Expression:
    def calculate(row: Record) -> Any:
        a, b = _number(left(row)), _number(right(row))
        if a is None or b is None:
            return None
        try:
            return _ARITHMETIC[operator](a, b)
        except (ZeroDivisionError, ValueError, OverflowError):
            return None

    return calculate


_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def _duration(text: str) -> int:
    """Milliseconds."""
    number, unit = re.fullmatch(r"(\d+)([a-z]+)", text).groups()  # type: ignore[union-attr]  # the tokens' own form
    if unit not in _UNITS:
        raise MalformedQuery(f"unsupported period {text}")
    return int(number) * _UNITS[unit]


def _atom(words: _Words) -> Expression:
    token = words.next()
    if token.kind == "operator" and token.text == "(":
        inner = _expression(words)
        words.expect(")")
        return inner
    if token.kind == "operator" and token.text == "-":
        inner = _atom(words)
        return _calculated(lambda row: 0, "-", inner)
    if token.kind == "string":
        text = _unquoted(token.text)
        return lambda row: text
    if token.kind == "number":
        number = float(token.text) if "." in token.text else int(token.text)
        return lambda row: number
    if token.kind == "duration":
        span = _duration(token.text)
        return lambda row: span
    if token.kind != "name":
        raise MalformedQuery(f"unexpected symbol found {token.text or 'end of query'}")
    if words.peek().kind == "operator" and words.peek().text == "(":
        return _call(token.text, words)
    name = token.text.strip("`")
    return lambda row: row.get(name)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _call(name: str, words: _Words) -> Expression:
    function = _FUNCTIONS.get(name.lower())
    if function is None:
        raise MalformedQuery(f"unknown function {name}")
    arguments = _arguments(words)
    if name.lower() == "bin":
        arguments.append(lambda row: row.get("@timestamp"))
    return lambda row: function([argument(row) for argument in arguments])


def _arguments(words: _Words) -> list[Expression]:
    words.expect("(")
    found: list[Expression] = []
    while not words.word(")"):
        if words.word("*"):
            found.append(lambda row: 1)
        elif words.peek().kind == "regex":
            pattern = words.next().text
            found.append(lambda row, pattern=pattern: pattern)  # type: ignore[misc]  # bound per loop
        else:
            found.append(_expression(words))
        if not words.word(","):
            words.expect(")")
            break
    return found


def _floor(values: Sequence[Any]) -> Any:
    """``bin(period)`` and ``datefloor(time, period)``; the span and the moment may come in either order."""
    moment = next((value for value in values if isinstance(value, Moment)), None)
    span = next((value for value in values if not isinstance(value, Moment) and value), None)
    if moment is None or not span:
        return None
    return Moment(int(moment) - int(moment) % int(span))


def _text(call: Callable[..., Any]) -> Callable[[Sequence[Any]], Any]:
    return lambda values: None if values[0] is None else call(*[_shown(value) for value in values])


def _math(call: Callable[[float], float]) -> Callable[[Sequence[Any]], Any]:
    def calculate(values: Sequence[Any]) -> Any:
        number = _number(values[0])
        try:
            return None if number is None else call(number)
        except ValueError:
            return None

    return calculate


def _substr(text: str, start: str, length: str = "") -> str:
    begin = int(float(start))
    return text[begin : begin + int(float(length))] if length else text[begin:]


_FUNCTIONS: dict[str, Callable[[Sequence[Any]], Any]] = {
    "ispresent": lambda v: v[0] is not None,
    "isempty": lambda v: v[0] is None or v[0] == "",
    "isblank": lambda v: v[0] is None or not str(v[0]).strip(),
    "coalesce": lambda v: next((value for value in v if value is not None), None),
    "concat": lambda v: "".join(_shown(value) for value in v),
    "strlen": _text(len),
    "toupper": _text(str.upper),
    "tolower": _text(str.lower),
    "trim": _text(str.strip),
    "ltrim": _text(str.lstrip),
    "rtrim": _text(str.rstrip),
    "substr": _text(_substr),
    "replace": _text(str.replace),
    "strcontains": lambda v: int(v[0] is not None and _shown(v[1]) in _shown(v[0])),
    "abs": _math(abs),
    "ceil": _math(math.ceil),
    "floor": _math(math.floor),
    "sqrt": _math(math.sqrt),
    "log": _math(math.log),
    "greatest": lambda v: max((n for n in map(_number, v) if n is not None), default=None),
    "least": lambda v: min((n for n in map(_number, v) if n is not None), default=None),
    "bin": _floor,
    "datefloor": _floor,
    "dateceil": lambda v: (
        None if _floor(v) is None else Moment(_floor(v) + max(int(x) for x in v if not isinstance(x, Moment)))
    ),
    "frommillis": lambda v: None if _number(v[0]) is None else Moment(int(_number(v[0]) or 0)),
    "tomillis": lambda v: None if v[0] is None else int(_number(v[0]) or 0),
    "now": lambda v: int(datetime.datetime.now(datetime.UTC).timestamp()),
}


# -- aggregation -------------------------------------------------------------------------------------------------------


def _percentile(values: list[float], share: float) -> float | None:
    """Linear interpolation between the closest ranks."""
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * share / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _numbers(values: Sequence[Any]) -> list[float]:
    return [number for number in map(_number, values) if number is not None]


Aggregate = Callable[[list[Record], list[Expression]], Any]


def _over(call: Callable[[list[float]], Any]) -> Aggregate:
    def aggregate(rows: list[Record], arguments: list[Expression]) -> Any:
        numbers = _numbers([arguments[0](row) for row in rows])
        return call(numbers) if numbers else None

    return aggregate


def _at(best: Callable[..., Any], key: str | None) -> Aggregate:
    def aggregate(rows: list[Record], arguments: list[Expression]) -> Any:
        having = [row for row in rows if arguments[0](row) is not None]
        if not having:
            return None
        if key is None:
            return best(_shown(arguments[0](row)) for row in having)
        return arguments[0](best(having, key=lambda row: row.get(key, 0)))

    return aggregate


_AGGREGATES: dict[str, Aggregate] = {
    "count": lambda rows, a: sum(not a or a[0](row) is not None for row in rows),
    "count_distinct": lambda rows, a: len({_shown(v) for v in (a[0](row) for row in rows) if v is not None}),
    "sum": _over(sum),
    "avg": _over(statistics.fmean),
    "min": _over(min),
    "max": _over(max),
    "median": _over(statistics.median),
    "stddev": _over(statistics.pstdev),
    "pct": lambda rows, a: _percentile(_numbers([a[0](row) for row in rows]), _number(a[1]({})) or 0),
    "earliest": _at(min, "@timestamp"),
    "latest": _at(max, "@timestamp"),
    "sortsfirst": _at(min, None),
    "sortslast": _at(max, None),
}
_AGGREGATES["percentile"] = _AGGREGATES["pct"]


# -- commands ----------------------------------------------------------------------------------------------------------


@dataclass
class State:
    """Rows on their way through the pipeline, and the columns that will be shown."""

    rows: list[dict[str, Any]]
    columns: list[str] = field(default_factory=list)
    sorted: bool = False
    grouped: bool = False
    limited: bool = False
    matched: int = 0


Command = Callable[[State], None]


def compile_query(text: str) -> list[Command]:
    """The commands of a query.

    :raises MalformedQuery: it is not one, or uses a command that is not known here
    """
    words = _Words(text)
    if words.peek().kind == "end":
        raise MalformedQuery("the query is empty")
    commands: list[Command] = []
    words.word("|")
    while True:
        name = words.next()
        command = _COMMANDS.get(name.text.lower()) if name.kind == "name" else None
        if command is None:
            raise MalformedQuery(f"unexpected symbol found {name.text or 'end of query'} at a command's place")
        commands.append(command(words))
        if words.peek().kind == "end":
            return commands
        words.expect("|")


def _named(words: _Words, source: _Words, start: int) -> str:
    """The name after ``as``, or the text of the expression itself."""
    if words.word("as"):
        token = words.next()
        if token.kind not in ("name", "string"):
            raise MalformedQuery(f"unexpected symbol found {token.text}, expected a name")
        return token.text.strip("`\"'")
    stop = words.place
    texts = [token.text for token in source.tokens[start:stop]]
    return texts[0].strip("`") if len(texts) == 1 else "".join(texts).replace(",", ", ")


def _columns(words: _Words) -> list[tuple[str, Expression]]:
    found: list[tuple[str, Expression]] = []
    while True:
        start = words.place
        expression = _expression(words)
        found.append((_named(words, words, start), expression))
        if not words.word(","):
            return found


def _fields(words: _Words) -> Command:
    columns = _columns(words)

    def apply(state: State) -> None:
        for row in state.rows:
            for name, expression in columns:
                row[name] = expression(row)
        state.columns += [name for name, _ in columns if name not in state.columns]

    return apply


def _display(words: _Words) -> Command:
    show = _fields(words)

    def apply(state: State) -> None:
        state.columns = []
        show(state)

    return apply


def _filter(words: _Words) -> Command:
    test = _expression(words)

    def apply(state: State) -> None:
        state.rows = [row for row in state.rows if _true(test(row))]
        if not state.grouped:
            state.matched = len(state.rows)

    return apply


def _sort(words: _Words) -> Command:
    keys: list[tuple[Expression, bool]] = []
    while True:
        expression = _sum(words)
        descending = not words.word("asc")
        if descending and not words.word("desc"):
            descending = False
        keys.append((expression, descending))
        if not words.word(","):
            break

    def apply(state: State) -> None:
        for expression, descending in reversed(keys):
            state.rows.sort(key=lambda row, e=expression: _rank(e(row)), reverse=descending)  # type: ignore[misc]
        state.sorted = True

    return apply


def _rank(value: Any) -> tuple[int, float, str]:
    """Missing values first, then numbers, then texts."""
    if value is None:
        return (0, 0.0, "")
    number = _number(value)
    return (2, 0.0, str(value)) if number is None else (1, number, "")


def _limit(words: _Words) -> Command:
    token = words.next()
    if token.kind != "number" or not 1 <= float(token.text) <= DEFAULT_LIMIT:
        raise MalformedQuery(f"limit takes a number from 1 to {DEFAULT_LIMIT}, not {token.text or 'nothing'}")
    count = int(token.text)

    def apply(state: State) -> None:
        _by_default(state)
        state.rows = state.rows[:count]
        state.limited = True

    return apply


def _by_default(state: State) -> None:
    """Newest first, unless the query sorts or groups."""
    if not state.sorted and not state.grouped:
        state.rows.sort(key=lambda row: -int(row.get("@timestamp", 0)))
        state.sorted = True


def _dedup(words: _Words) -> Command:
    columns = _columns(words)

    def apply(state: State) -> None:
        _by_default(state)
        seen: set[tuple[str, ...]] = set()
        kept = []
        for row in state.rows:
            key = tuple(_shown(expression(row)) for _, expression in columns)
            if key not in seen:
                seen.add(key)
                kept.append(row)
        state.rows = kept

    return apply


def _parse(words: _Words) -> Command:
    source: Expression = lambda row: row.get("@message")  # noqa: E731 - the default of an optional argument
    if words.peek().kind == "name":
        name = words.next().text.strip("`")
        source = lambda row: row.get(name)  # noqa: E731
    token = words.next()
    if token.kind not in ("string", "regex"):
        raise MalformedQuery(f"unexpected symbol found {token.text}, expected a pattern")
    names: list[str] = []
    if words.word("as"):
        names.append(words.next().text)
        while words.word(","):
            names.append(words.next().text)
    try:
        if token.kind == "regex":
            pattern = re.compile(_python_regex(token.text))
            names = names or list(pattern.groupindex)
        else:
            pieces = [re.escape(piece) for piece in _unquoted(token.text).split("*")]
            pattern = re.compile("(.*?)".join(pieces) + ("$" if not pieces[-1] else ""), re.DOTALL)
    except re.error as error:
        raise MalformedQuery(f"invalid regular expression: {error}") from error
    if pattern.groups < len(names) or not names:
        raise MalformedQuery("parse needs a name for every * or group of its pattern")

    def apply(state: State) -> None:
        for row in state.rows:
            text = source(row)
            found = pattern.search(str(text)) if text is not None else None
            if found:
                row.update(zip(names, found.groups(), strict=False))

    return apply


def _stats(words: _Words) -> Command:
    aggregates: list[tuple[str, Callable[[list[Record]], Any]]] = []
    while True:
        start = words.place
        value = _aggregation(words)
        aggregates.append((_named(words, words, start), value))
        if not words.word(","):
            break
    keys = _columns(words) if words.word("by") else []

    def apply(state: State) -> None:
        groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        values: dict[tuple[str, ...], list[Any]] = {}
        for row in state.rows:
            found = [expression(row) for _, expression in keys]
            key = tuple(_shown(value) for value in found)
            groups.setdefault(key, []).append(row)
            values[key] = found
        if not keys and not groups:
            groups[()], values[()] = [], []
        state.rows = [
            dict(zip((name for name, _ in keys), values[key], strict=True))
            | {name: call(list(rows)) for name, call in aggregates}
            for key, rows in groups.items()
        ]
        state.columns = [name for name, _ in keys] + [name for name, _ in aggregates]
        state.grouped, state.sorted = True, False

    return apply


def _aggregation(words: _Words) -> Callable[[list[Record]], Any]:
    """An aggregate function, or arithmetic on several of them."""
    left = _aggregate(words)
    while words.peek().kind == "operator" and words.peek().text in _ARITHMETIC:
        left = _combined(left, words.next().text, _aggregate(words))
    return left


def _combined(
    left: Callable[[list[Record]], Any], operator: str, right: Callable[[list[Record]], Any]
) -> Callable[[list[Record]], Any]:
    return lambda rows: _calculated(lambda row: left(rows), operator, lambda row: right(rows))({})


def _aggregate(words: _Words) -> Callable[[list[Record]], Any]:
    token = words.next()
    if token.kind == "number":
        number = float(token.text)
        return lambda rows: number
    if token.kind == "operator" and token.text == "(":
        inner = _aggregation(words)
        words.expect(")")
        return inner
    function = _AGGREGATES.get(token.text.lower()) if token.kind == "name" else None
    if function is None:
        raise MalformedQuery(f"unexpected symbol found {token.text or 'end of query'}, expected an aggregate function")
    arguments = _arguments(words)
    if not arguments and token.text.lower() != "count":
        raise MalformedQuery(f"{token.text} needs a field")
    return lambda rows: function(rows, arguments)


_COMMANDS: dict[str, Callable[[_Words], Command]] = {
    "fields": _fields,
    "display": _display,
    "filter": _filter,
    "stats": _stats,
    "sort": _sort,
    "limit": _limit,
    "parse": _parse,
    "dedup": _dedup,
}


# -- running -----------------------------------------------------------------------------------------------------------


def _shown(value: Any) -> str:
    """A value as a result has it: whole numbers without a fraction, others with four places at most."""
    if isinstance(value, Moment):
        return str(value)
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return str(int(value)) if value == int(value) else f"{value:.4f}".rstrip("0").rstrip(".")
    return "" if value is None else str(value)


def run(
    commands: Sequence[Command], records: Iterable[Mapping[str, Any]], limit: int | None
) -> tuple[list[dict[str, str]], int]:
    """Rows of a query's result (fields without a value are left out), and how many records it matched."""
    state = State([dict(row) for row in records])
    state.matched = len(state.rows)
    for command in commands:
        command(state)
    _by_default(state)
    columns = state.columns or ["@timestamp", "@message"]
    shown = [
        {name: _shown(row[name]) for name in columns if row.get(name) is not None}
        | ({} if state.grouped else {"@ptr": str(row.get("@ptr", ""))})
        for row in state.rows[: limit or DEFAULT_LIMIT]
    ]
    return shown, state.matched
