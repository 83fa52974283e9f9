"""A decision told as steps: the one account of it that the widget, the SVG and the text all show.

Pure: takes the JSON form of a decision (``labs.aws.iam.decision_to_dict``) and gives JSON.  The order is the
decision's own, after the explicit-deny check that AWS makes over all policies first (IAM User Guide, "Policy evaluation
logic": "How AWS enforcement code logic evaluates requests to allow or deny access").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labs.visuals.documents import Layout, Span, element_span, lay_out

#: policy type → (name on the gate, what the gate asks)
GATES = {
    "resource control policy": (
        "Resource control policies", "Does every level of the resource's organisation allow it?"
    ),
    "service control policy": ("Service control policies", "Does every level of the caller's organisation allow it?"),
    "VPC endpoint policy": ("VPC endpoint policy", "Does the endpoint the call came through let it pass?"),
    "resource-based policy": ("Resource-based policy", "Does the resource's own policy allow this caller?"),
    "identity-based policy": ("Identity-based policies", "Does a policy attached to the caller allow it?"),
    "permissions boundary": ("Permissions boundary", "Is it within the boundary set for the caller?"),
    "session policy": ("Session policies", "Did the session keep this permission when it was made?"),
}
DENY_CHECK = "explicit deny check"

#: how a gate ended → (word, shape, tone).  No verdict is told by colour alone.
VERDICTS = {
    "allow": ("Allow", "check", "allow"),
    "final-allow": ("Final allow", "star", "allow"),
    "pass": ("No deny", "check", "allow"),
    "explicit-deny": ("Explicit deny", "octagon", "deny"),
    "implicit-deny": ("Implicit deny", "diamond", "deny"),
    "no-allow": ("No allow here", "ring", "neutral"),
    "skipped": ("Skipped", "dash", "muted"),
    "unreached": ("Not reached", "dots", "muted"),
}
_PARTS = ("principal", "action", "resource", "condition")
_PRINCIPALS = {
    "Account": "root user",
    "User": "IAM user",
    "AssumedRole": "assumed role",
    "FederatedUser": "federated user",
    "Anonymous": "anonymous",
    "Service": "AWS service",
}


def tell(decision: Mapping[str, Any]) -> dict[str, Any]:
    """The steps of ``decision``: ``request``, ``outcome``, ``gates`` in order, and ``stop``, the gate that decided.

    Each gate has ``name``, ``question``, ``word``, ``shape``, ``tone``, ``reached``, ``stops``, ``sentence``,
    ``statements``, ``documents`` and ``announcement``, the words a screen reader hears.  A document has ``lines`` of
    ``{"text", "mark", "starts"}``: mark is ``decides``, ``matches``, ``fails`` or ``""``, and ``starts`` begins a run.
    """
    request, allowed = decision["request"], bool(decision["allowed"])
    gates = [_gate(gate, request) for gate in decision["gates"]]
    check = _deny_check(decision["gates"], gates)
    gates = [check, *gates]
    stop = _stop(decision, gates)
    for n, gate in enumerate(gates):
        gate["reached"] = stop is None or n <= stop
        gate["stops"] = n == stop
        gate["holds"] = not gate["reached"] and stop == 0 and gate["verdict"] == "explicit-deny"
        if not gate["reached"]:
            _undecide(gate)
        _word(gate)
        gate["sentence"] = _sentence(gate, request, gates[stop] if stop is not None else None)
        gate["announcement"] = f"Gate {n + 1} of {len(gates)}, {gate['name']}: {gate['word']}. {gate['sentence']}"
    outcome = {
        "word": "Allowed" if allowed else "Denied",
        "tone": "allow" if allowed else "deny",
        "shape": "check" if allowed else "octagon",
        "reason": _reason(decision),
        "message": decision.get("message") or "",
        "policy_arn": decision.get("policy_arn") or "",
    }
    outcome["announcement"] = f"{outcome['word']}. {outcome['reason']}"
    return {"request": _request(request), "gates": gates, "stop": stop, "outcome": outcome}


def _request(request: Mapping[str, Any]) -> dict[str, Any]:
    principal = request["principal"]
    arn = principal["arn"]
    kind = _PRINCIPALS.get(principal.get("type", ""), principal.get("type", ""))
    if principal.get("type") == "Anonymous" and principal.get("federated_provider"):
        kind = "bearer of a web identity token"
    context = request.get("context") or {}
    return {
        "who": arn,
        "short": _short(arn),
        "kind": kind,
        "account": principal.get("account", ""),
        "action": request["action"],
        "resource": request["resource"],
        "resource_account": request.get("resource_account") or principal.get("account", ""),
        "context": [[key, _plain(value)] for key, value in sorted(context.items())],
    }


def _short(arn: str) -> str:
    """The name a person would say: ``alice``, ``deploy/ci`` for a role session, ``root user``, ``anybody``."""
    kind, _, name = arn.rsplit(":", 1)[-1].partition("/")
    if kind in ("root", "*"):
        return {"root": "root user", "*": "anybody"}[kind]
    return name if kind == "assumed-role" else name.rsplit("/", 1)[-1] or kind


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _gate(gate: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    name, question = GATES.get(gate["type"], (gate["type"], ""))
    decided = gate.get("decided_by")
    statements = [_statement(s, n == decided) for n, s in enumerate(gate.get("statements") or ())]
    documents = [dict(document) for document in gate.get("documents") or ()]
    return {
        "type": gate["type"],
        "name": name,
        "question": question,
        "verdict": gate["verdict"],
        "note": gate.get("note") or "",
        "statements": statements,
        "documents": _documents(documents, statements),
    }


def _statement(trace: Mapping[str, Any], decides: bool) -> dict[str, Any]:
    sid, index = trace.get("sid") or "", trace.get("index") or 0
    return {
        "policy": trace.get("policy") or "",
        "sid": sid,
        "index": index,
        "label": sid or f"statement {index + 1}",
        "effect": trace["effect"],
        "matched": bool(trace["matched"]),
        "decides": decides,
        "parts": [[part, trace[part]] for part in _PARTS if trace.get(part) is not None],
        "why": trace.get("why") or "",
    }


def _documents(documents: Sequence[Mapping[str, Any]], statements: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    layouts = [lay_out(document.get("document")) for document in documents]
    marks: list[dict[int, str]] = [{} for _ in documents]
    starts: list[set[int]] = [set() for _ in documents]
    for statement, which in zip(statements, _homes(documents, statements), strict=True):
        if which is not None:
            statement["document"] = which
            span, mark = _mark(layouts[which], statement)
            if span:
                starts[which].add(span.first)
                marks[which].update(dict.fromkeys(range(span.first, span.last + 1), mark))
    return [
        {
            "name": document.get("name") or document.get("arn") or "policy",
            "arn": document.get("arn") or "",
            "lines": [
                {"text": text, "mark": marks[n].get(k, ""), "starts": k in starts[n]}
                for k, text in enumerate(layouts[n].lines)
            ],
            "decides": "decides" in marks[n].values(),
        }
        for n, document in enumerate(documents)
    ]


def _homes(documents: Sequence[Mapping[str, Any]], statements: Sequence[Mapping[str, Any]]) -> Iterator[int | None]:
    """Which document each statement stands in.  A policy attached at several levels appears several times, in order."""
    seen: dict[tuple[str, int], int] = {}
    for statement in statements:
        policy, key = statement["policy"], (statement["policy"], statement["index"])
        named = [n for n, d in enumerate(documents) if policy and policy in (d.get("name"), d.get("arn"))]
        named = named or ([0] if len(documents) == 1 else [])
        turn = seen[key] = seen.get(key, -1) + 1
        yield named[min(turn, len(named) - 1)] if named else None


def _mark(layout: Layout, statement: Mapping[str, Any]) -> tuple[Span | None, str]:
    """The lines to mark for a statement: all of one that matches, of another the element that failed."""
    index = statement["index"]
    if not 0 <= index < len(layout.statements):
        return None, ""
    if statement["matched"]:
        return layout.statements[index], "decides" if statement["decides"] else "matches"
    failed = next((part for part, good in statement["parts"] if good is False), "")
    return element_span(layout, index, failed), "fails"


def _deny_check(raw: Sequence[Mapping[str, Any]], gates: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The first step of AWS's logic: one matching Deny in any policy ends the matter."""
    statements: list[dict[str, Any]] = []
    documents: list[dict[str, Any]] = []
    for source, gate in zip(raw, gates, strict=True):
        kept = [dict(s, of=gate["name"]) for s in gate["statements"] if s["effect"] == "Deny"]
        used = sorted({s["document"] for s in kept if "document" in s})
        for s in kept:
            s["decides"] = s["decides"] and source["verdict"] == "explicit-deny"
        documents += [source["documents"][n] for n in used]
        statements += kept
    first = next((s for s in statements if s["matched"]), None)
    if first and not any(s["decides"] for s in statements):
        first["decides"] = True
    return {
        "type": DENY_CHECK,
        "name": "Explicit deny check",
        "question": "Does any policy that applies hold a Deny statement that matches?",
        "verdict": "explicit-deny" if first else "pass",
        "note": "",
        "statements": statements,
        "documents": _documents(documents, statements),
    }


def _stop(decision: Mapping[str, Any], gates: Sequence[Mapping[str, Any]]) -> int | None:
    """Index of the gate at which the walk ends; ``None`` when the request passes them all."""
    if decision["allowed"]:
        return next((n for n, gate in enumerate(gates) if gate["verdict"] == "final-allow"), None)
    if gates[0]["verdict"] == "explicit-deny":
        return 0
    blamed = [n for n, gate in enumerate(gates) if gate["type"] == decision.get("denied_by")]
    denying = [n for n, gate in enumerate(gates) if gate["verdict"] in ("explicit-deny", "implicit-deny")]
    return next((n for n in denying if n in blamed), (blamed or denying or [len(gates) - 1])[0])


def _undecide(gate: dict[str, Any]) -> None:
    """Nothing in a gate that was not reached decides; what matched there still shows as matching."""
    for statement in gate["statements"]:
        statement["decides"] = False
    for document in gate["documents"]:
        document["decides"] = False
        for line in document["lines"]:
            line["mark"] = "matches" if line["mark"] == "decides" else line["mark"]


def _word(gate: dict[str, Any]) -> None:
    verdict = gate["verdict"]
    if not gate["reached"]:
        verdict = "unreached"
    elif verdict == "implicit-deny" and not gate["stops"]:
        verdict = "no-allow"
    gate["shown"] = verdict
    gate["word"], gate["shape"], gate["tone"] = VERDICTS.get(verdict, (verdict, "ring", "neutral"))


def _sentence(gate: Mapping[str, Any], request: Mapping[str, Any], stopped: Mapping[str, Any] | None) -> str:
    """One sentence a gate: what was found, in the terms of the statement that decided."""
    if gate["shown"] == "unreached":
        if gate["holds"]:
            return "The statement that decided stands in this gate's policies; the deny check had found it already."
        return f"Decided already, by the {stopped['name'].lower()}." if stopped else ""
    decided = next((s for s in gate["statements"] if s["decides"]), None)
    if gate["type"] == DENY_CHECK:
        return _deny_sentence(gate, decided)
    if decided:
        verb = "denies" if decided["effect"] == "Deny" else "allows"
        return f"{_quote(decided)} {verb} {request['action']}."
    if gate["note"]:
        return gate["note"][0].upper() + gate["note"][1:].rstrip(".") + "."
    if gate["shown"] == "skipped":
        return "No policy of this type applies, so the request goes on."
    if gate["shown"] in ("implicit-deny", "no-allow"):
        tail = " The next gate may still allow it." if gate["shown"] == "no-allow" else ""
        return f"No statement here allows {request['action']} on this resource.{tail}"
    return "Passed."


def _deny_sentence(gate: Mapping[str, Any], decided: Mapping[str, Any] | None) -> str:
    if decided:
        return f"{_quote(decided)} denies it ({decided['of'].lower()}). Nothing can overrule that."
    count = len(gate["statements"])
    if not count:
        return "No policy that applies holds a Deny statement."
    return "One Deny statement was read and it does not match." if count == 1 else (
        f"{count} Deny statements were read and none matches."
    )


def _quote(statement: Mapping[str, Any]) -> str:
    label = f"“{statement['sid']}”" if statement["sid"] else statement["label"]
    policy = statement["policy"].rsplit("/", 1)[-1] if statement["policy"].startswith("arn:") else statement["policy"]
    return f"Statement {label} of {policy}" if statement["sid"] else f"{label.capitalize()} of {policy or 'the policy'}"


def _reason(decision: Mapping[str, Any]) -> str:
    if decision["allowed"]:
        final = next((g for g in decision["gates"] if g["verdict"] == "final-allow"), None)
        if final:
            return f"The {final['type']} allows it by itself."
        return "No policy denies it, and every gate lets it pass."
    kind = decision.get("denied_by") or "policy"
    article = "an" if kind[0] in "aeiou" else "a"
    return f"Explicit deny in {article} {kind}." if decision.get("explicit") else f"Implicit deny: no {kind} allows it."
