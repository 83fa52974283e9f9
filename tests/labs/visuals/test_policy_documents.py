"""Which lines of a printed policy belong to which statement and element."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.visuals.documents import element_span, lay_out

ALLOW = {"Sid": "A", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}
DENY = {"Effect": "Deny", "NotAction": ["iam:*", "sts:*"], "NotResource": "*", "Condition": {"Bool": {"k": "true"}}}
LONG = {"Effect": "Allow", "Action": [f"service:VeryLongOperationName{n}" for n in range(9)], "Resource": "*"}


def shown(layout, span) -> str:
    return "\n".join(layout.lines[span.first : span.last + 1]).strip().rstrip(",")


@pytest.mark.parametrize(
    "document",
    [
        {"Version": "2012-10-17", "Statement": [ALLOW, DENY, LONG]},
        {"Statement": [DENY, ALLOW], "Version": "2012-10-17", "Id": "after"},
        {"Version": "2012-10-17", "Statement": ALLOW},
        {"Statement": DENY},
        {"Statement": [LONG]},
    ],
    ids=["list", "list first", "one object", "one object only", "long lists"],
)
def test_each_statement_is_found_where_it_is_printed(document):
    layout = lay_out(document)
    body = document["Statement"]
    statements = body if isinstance(body, list) else [body]
    assert json.loads("\n".join(layout.lines)) == document
    assert len(layout.statements) == len(statements)
    for statement, span in zip(statements, layout.statements, strict=True):
        text = shown(layout, span)
        assert json.loads(text.removeprefix('"Statement": ')) == statement


@pytest.mark.parametrize(
    ("index", "part", "expected"),
    [
        (0, "action", '"Action": "s3:*"'),
        (0, "resource", '"Resource": "*"'),
        (1, "action", '"NotAction": ["iam:*", "sts:*"]'),
        (1, "resource", '"NotResource": "*"'),
        (1, "condition", '"Condition": {\n        "Bool": {"k": "true"}\n      }'),
    ],
)
def test_an_element_is_found_also_as_its_negation(index, part, expected):
    layout = lay_out({"Statement": [ALLOW, DENY]})
    assert shown(layout, element_span(layout, index, part)) == expected


@pytest.mark.parametrize("part", ["principal", "condition", "", "unheard-of"])
def test_an_element_that_is_not_there_has_no_lines(part):
    assert element_span(lay_out({"Statement": [ALLOW]}), 0, part) is None


@pytest.mark.parametrize("index", [-1, 1, 99])
def test_a_statement_that_is_not_there_has_no_lines(index):
    assert element_span(lay_out({"Statement": [ALLOW]}), index, "action") is None


@pytest.mark.parametrize(
    "document", [None, [], {}, "text", 7, {"Statement": []}, {"Statement": None}, {"Statement": "x"}]
)
def test_a_malformed_document_is_printed_and_never_raises(document):
    layout = lay_out(document)
    assert json.loads("\n".join(layout.lines)) == document
    assert element_span(layout, 0, "action") is None


def test_wide_characters_and_quotes_survive():
    document = {"Statement": [{"Sid": 'Ünï "q"\n', "Effect": "Allow"}]}
    assert json.loads("\n".join(lay_out(document).lines)) == document


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(JSON | st.builds(lambda s: {"Statement": s}, JSON))
@settings(max_examples=150, deadline=None)
def test_any_json_is_printed_as_itself_and_statements_follow_each_other(document):
    layout = lay_out(document)
    assert json.loads("\n".join(layout.lines)) == document
    for one, other in pairwise(layout.statements):
        assert one.last < other.first
