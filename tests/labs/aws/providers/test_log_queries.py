"""Insights queries, filter patterns and metric math without a server: tables of what AWS documents."""

from __future__ import annotations

import pytest

from labs.aws.providers import insights
from labs.aws.providers.filter_patterns import InvalidPattern, compile_pattern
from labs.aws.providers.metric_math import BadExpression, evaluate

MINUTE = 60_000
MESSAGES = [
    '{"level": "error", "ms": 120, "user": {"name": "ann"}, "tags": ["a", "b"]}',
    '{"level": "info", "ms": 8, "user": {"name": "bob"}}',
    "GET /cart 200 12ms",
]


def rows(query: str) -> list[dict[str, str]]:
    """The rows of a query over MESSAGES, a minute apart, without pointers."""
    records = [
        insights.record({"timestamp": n * MINUTE, "message": text, "logStreamName": "s"}, "1:g")
        for n, text in enumerate(MESSAGES)
    ]
    found, _ = insights.run(insights.compile_query(query), records, None)
    return [{name: value for name, value in row.items() if name != "@ptr"} for row in found]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("fields user.name as who | filter ispresent(ms) | sort ms", [{"who": "bob"}, {"who": "ann"}]),
        ("filter tags.1 = 'b' | fields level", [{"level": "error"}]),
        ("filter level not like 'err' | fields level", [{"level": "info"}]),
        ("filter level not in ['error', 'warn'] | fields level", [{"level": "info"}]),
        ("filter not ispresent(level) | fields @logStream", [{"@logStream": "s"}]),
        ("filter (ms > 100 or ms < 10) and user.name != 'bob' | fields ms * 2 + 1 as x", [{"x": "241"}]),
        ("filter @message like /(?i)get \\/CART/ | fields strlen(@message) as n", [{"n": "18"}]),
        ("parse @message /(?<code>\\d{3}) (?<took>\\d+)ms/ | filter took > 10 | fields code", [{"code": "200"}]),
        ("stats count(*) as n by bin(2m) as t | sort t", [
            {"t": "1970-01-01 00:00:00.000", "n": "2"}, {"t": "1970-01-01 00:02:00.000", "n": "1"},
        ]),
        ("stats sum(ms) / count(ms) as mean, pct(ms, 50) as p", [{"mean": "64", "p": "64"}]),
        ("stats count_distinct(level) as n, latest(level) as l", [{"n": "2", "l": "info"}]),
        ("fields @timestamp | limit 1", [{"@timestamp": "1970-01-01 00:02:00.000"}]),
        ("# a comment\nfields toupper(level) as l | filter ispresent(level) | limit 1", [{"l": "INFO"}]),
        ("stats max(ms)", [{"max(ms)": "120"}]),
    ],
)  # fmt: skip
def test_a_query_gives_these_rows(query: str, expected: list[dict[str, str]]) -> None:
    assert rows(query) == expected


@pytest.mark.parametrize(
    "query",
    ["", "fields", "fields a |", "filter a =", "stats", "stats frobnicate(a)", "sort", "limit x", "limit 0",
     "parse 'x'", "pattern @message", "fields nope(a)", "filter a like", "fields 'unclosed", "filter (a = 1"],
)  # fmt: skip
def test_what_is_no_query_is_refused(query: str) -> None:
    with pytest.raises(insights.MalformedQuery):
        insights.compile_query(query)


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("", "anything", True),
        ("ERROR", "an ERROR", True),
        ("ERROR", "an error", False),
        ("ERROR timeout", "timeout ERROR", True),
        ("ERROR timeout", "ERROR", False),
        ("?ERROR ?WARN", "WARN x", True),
        ("?ERROR ?WARN", "INFO x", False),
        ("ERROR -retry", "ERROR retry", False),
        ('"two words"', "the two words", True),
        ("%5\\d\\d%", "status 503", True),
        ('{ $.code = "AccessDenied*" }', '{"code": "AccessDeniedException"}', True),
        ("{ ($.a > 1 && $.b.c = 2) || $.d IS TRUE }", '{"a": 2, "b": {"c": 2}}', True),
        ("{ $.a > 1 }", '{"a": 1}', False),
        ("{ $.a NOT EXISTS }", '{"b": 1}', True),
        ("{ $.a IS NULL }", '{"a": null}', True),
        ("{ $.list[1] = 7 }", '{"list": [1, 7]}', True),
        ("{ $.a = 1 }", "no JSON", False),
        ("[ip, user, status = 4*, size]", "1.2.3.4 ann 404 17", True),
        ("[ip, user, status = 4*, size]", "1.2.3.4 ann 200 17", False),
        ("[ip, ..., size > 10]", '1.2.3.4 - "GET /" 17', True),
    ],
)
def test_a_filter_pattern_matches(pattern: str, message: str, matches: bool) -> None:
    assert (compile_pattern(pattern)(message) is not None) is matches


@pytest.mark.parametrize("pattern", ["{ $.a = 1", "{ $.a }", "[a, b", "{ ($.a = 1 }", "%(%"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPattern):
        compile_pattern(pattern)


ONE, TWO = {0.0: 1.0, 60.0: 3.0}, {0.0: 2.0, 60.0: 0.0}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a + b", {0.0: 3.0, 60.0: 3.0}),
        ("100 * a / b", {0.0: 50.0}),  # no value where it would divide by zero
        ("SUM([a, b])", {0.0: 3.0, 60.0: 3.0}),
        ("SUM(METRICS())", {0.0: 3.0, 60.0: 3.0}),
        ("MAX(a)", {0.0: 3.0, 60.0: 3.0}),
        ("IF(a > 2, 1, 0)", {0.0: 0.0, 60.0: 1.0}),
        ("RATE(a) * 60", {60.0: 2.0}),
        ("-a", {0.0: -1.0, 60.0: -3.0}),
        ("a > 2 AND b < 1", {0.0: 0.0, 60.0: 1.0}),
    ],
)
def test_metric_math(expression: str, expected: dict[float, float]) -> None:
    assert evaluate(expression, {"a": ONE, "b": TWO}, 60) == expected


@pytest.mark.parametrize("expression", ["", "a +", "c", "SUM()", "open('x')", "a.b", "METRICS()", "SEARCH('x', 'Sum')"])
def test_bad_metric_math_is_refused(expression: str) -> None:
    with pytest.raises(BadExpression):
        evaluate(expression, {"a": ONE}, 60)
