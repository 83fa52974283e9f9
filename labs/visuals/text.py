"""The story of a decision as plain text, for terminals, screen readers and GitHub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_SIGNS = {"allow": "[+]", "deny": "[x]", "neutral": "[ ]", "muted": "[-]"}


def as_text(story: Mapping[str, Any]) -> str:
    """The whole trace: who, action, resource, context, each gate, each statement and why, the final message."""
    return "\n".join(_lines(story))


def _lines(story: Mapping[str, Any]) -> Iterator[str]:
    request, outcome = story["request"], story["outcome"]
    yield f"Policy evaluation: {outcome['word'].upper()}"
    yield f"  who       {request['who']} ({request['kind']}, account {request['account'] or 'none'})"
    yield f"  action    {request['action']}"
    yield f"  resource  {request['resource']} (account {request['resource_account'] or 'none'})"
    for key, value in request["context"]:
        yield f"  context   {key} = {value}"
    yield ""
    for n, gate in enumerate(story["gates"], start=1):
        yield from _gate(n, gate)
    yield ""
    yield f"{outcome['word'].upper()}: {outcome['reason']}"
    if outcome["message"]:
        yield outcome["message"]


def _gate(n: int, gate: Mapping[str, Any]) -> Iterator[str]:
    arrow = "   <- decided here" if gate["stops"] else ""
    yield f"{n:>2}. {_SIGNS[gate['tone']]} {gate['name']}: {gate['word'].upper()}{arrow}"
    if gate["sentence"]:
        yield f"        {gate['sentence']}"
    if gate["note"] and gate["reached"] and gate["note"].rstrip(".") not in gate["sentence"]:
        yield f"        {gate['note']}"
    for statement in gate["statements"]:
        state = "decides" if statement["decides"] else "matches" if statement["matched"] else "does not match"
        where = f"{statement['policy']}, " if statement["policy"] else ""
        yield f"        - {where}{statement['label']} ({statement['effect']}) {state}: {statement['why']}".rstrip(": ")
    for document in gate["documents"]:
        if document["decides"] and gate["stops"]:
            yield f"        {document['name']}:"
            yield from (
                f"        {'>' if line['mark'] == 'decides' else ' '} {k:>3}  {line['text']}"
                for k, line in enumerate(document["lines"], start=1)
            )
