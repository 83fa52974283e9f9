"""The wildcard budget: how much of a policy is left open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.exercise import Finding

PATTERNS = 2  # ARNs with an asterisk: the folders of the builds and of the reports
WITHOUT_RESOURCE = frozenset({"lambda:listfunctions"})  # of the job's actions, those that know no resource


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [one for one in value or () if isinstance(one, str)]


def _allows(policy: dict[str, Any]) -> Iterator[dict[str, Any]]:
    statements = policy.get("Statement", [])
    for statement in [statements] if isinstance(statements, dict) else statements:
        if isinstance(statement, dict) and statement.get("Effect") == "Allow":
            yield statement


def overspent(policy: dict[str, Any]) -> list[str]:
    """What goes beyond the budget, a line each; empty when it is kept."""
    said: list[str] = []
    patterns: set[str] = set()
    for statement in _allows(policy):
        said += [f"{name} in an Allow" for name in ("NotAction", "NotResource") if name in statement]
        actions = _listed(statement.get("Action"))
        said += [f"action {action}" for action in actions if set(action) & set("*?")]
        for arn in _listed(statement.get("Resource")):
            if arn != "*":
                patterns |= {arn} if set(arn) & set("*?") else set()
                continue
            wide = [action for action in actions if action.lower() not in WITHOUT_RESOURCE]
            said += [f"Resource * for {action}" for action in wide]
    if len(patterns) > PATTERNS:
        said.append(f"{len(patterns)} ARNs with a wildcard: {', '.join(sorted(patterns))}")
    return said


def finding(policy: dict[str, Any], points: float, working: bool) -> Finding:
    """The budget's finding; counts only while the work succeeds."""
    name = "wildcards"
    expected = f"no action with one, at most {PATTERNS} ARNs with one, Resource * only where nothing else fits"
    if not working:
        return Finding(name, points, False, "not counted yet: the work above is still refused", expected,
                       "First make the work succeed; then narrow.")  # fmt: skip
    said = overspent(policy)
    hint = "Write out the action, or the ARN. The Service Authorization Reference says which actions know no resource."
    return Finding(name, points, not said, "; ".join(said) or "within the budget", expected, hint)
