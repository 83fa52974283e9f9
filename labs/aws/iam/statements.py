"""Policy documents compiled to statements that can be tried against a request many times.

Compilation is cached by the document's content, so a caller may pass the same object again and again, and may also
change it in place between two calls.
"""

from __future__ import annotations

import json
import marshal
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from labs.aws.iam.conditions import compile_conditions
from labs.aws.iam.matching import (
    VARIABLES_SINCE,
    Context,
    Grant,
    PrincipalElement,
    Variable,
    action_matcher,
    resource_matcher,
    tokens_of,
)
from labs.aws.iam.model import Effect, Policy, Principal, PrincipalType, StatementTrace

CACHED_DOCUMENTS = 4096
_cache: OrderedDict[bytes, tuple[Statement, ...]] = OrderedDict()
_LIMITED_BY_BOUNDARY = (PrincipalType.USER, PrincipalType.ROLE)


class Subject:
    """A request prepared for many statements: lower-case action and context keys."""

    __slots__ = ("action", "bounded", "context", "lowered", "principal", "resource")

    def __init__(
        self, principal: Principal, action: str, resource: str, context: Mapping[str, Any], bounded: bool
    ) -> None:
        self.principal, self.action, self.resource = principal, action, resource
        self.lowered = action.lower()
        self.context: Context = {key.lower(): value for key, value in context.items()}
        self.bounded = bounded and principal.type in _LIMITED_BY_BOUNDARY


def strings(value: Any) -> tuple[str, ...]:
    """A JSON string, or the strings of a JSON list, as a tuple."""
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, (list, tuple)) else ()


def _listing(words: tuple[str, ...]) -> str:
    return ", ".join(words[:3]) + (" …" if len(words) > 3 else "")


class Statement:
    """One compiled statement."""

    __slots__ = (
        "_actions", "_actions_negated", "_actions_text", "_conditions", "_not_principal", "_principal",
        "_resources", "_resources_negated", "_resources_text", "effect", "index", "sid",
    )  # fmt: skip

    def __init__(self, index: int, document: Mapping[str, Any], variables: bool) -> None:
        self.index = index
        self.sid = str(document.get("Sid") or "")
        self.effect = Effect.DENY if document.get("Effect") == "Deny" else Effect.ALLOW
        self._principal = PrincipalElement(document["Principal"]) if "Principal" in document else None
        self._not_principal = PrincipalElement(document["NotPrincipal"]) if "NotPrincipal" in document else None
        self._actions_negated = "NotAction" in document
        actions = strings(document.get("NotAction" if self._actions_negated else "Action"))
        self._actions, self._actions_text = action_matcher(actions), _listing(actions)
        self._resources_negated = "NotResource" in document
        key = "NotResource" if self._resources_negated else "Resource"
        resources = strings(document.get(key))
        # A trust policy has no Resource: the role is meant.
        self._resources = tuple(resource_matcher(word, variables) for word in resources) if key in document else None
        self._resources_text = _listing(resources)
        self._conditions = compile_conditions(document.get("Condition"), variables)

    def grants(self, subject: Subject) -> Grant:
        """How the statement's Principal or NotPrincipal names the caller (for resource-based policies)."""
        if self._principal is not None:
            return self._principal.grants(subject.principal)
        if self._not_principal is None or not self._other_than(subject):
            return Grant.NONE
        return Grant.ROLE if subject.principal.type in (PrincipalType.ROLE, PrincipalType.FEDERATED) else Grant.DIRECT

    def _other_than(self, subject: Subject) -> bool:
        assert self._not_principal is not None
        if self.effect is Effect.DENY:
            # "NotPrincipal": with Deny it always denies a principal that has a permissions boundary.
            return subject.bounded or not self._not_principal.exempts(subject.principal)
        return self._not_principal.grants(subject.principal) is Grant.NONE

    def trace(self, subject: Subject, policy: str, with_principal: bool) -> StatementTrace:
        """Try the statement; parts after the first one that fails stay ``None``."""
        index, sid, effect = self.index, self.sid, self.effect
        principal: bool | None = None
        if with_principal:
            principal = self.grants(subject) is not Grant.NONE
            if not principal:
                return StatementTrace(policy, sid, index, effect, False, False, why=self._why_principal(subject))
        if self._actions(subject.lowered) is self._actions_negated:
            element = "in NotAction" if self._actions_negated else "not in Action"
            why = f"{subject.action} is {element}: {self._actions_text}"
            return StatementTrace(policy, sid, index, effect, False, principal, False, why=why)
        if not self._resource_matches(subject, with_principal):
            element = "in NotResource" if self._resources_negated else "not in Resource"
            why = f"{subject.resource} is {element}: {self._resources_text}"
            return StatementTrace(policy, sid, index, effect, False, principal, True, False, why=why)
        for condition in self._conditions:
            if not condition.holds(subject.context):
                why = condition.why(subject.context)
                return StatementTrace(policy, sid, index, effect, False, principal, True, True, False, why)
        why = "Every part of the statement matches"
        return StatementTrace(policy, sid, index, effect, True, principal, True, True, True, why)

    def _resource_matches(self, subject: Subject, with_principal: bool) -> bool:
        if self._resources is None:
            return with_principal
        for matcher in self._resources:
            if matcher(subject.resource, subject.context):
                return not self._resources_negated
        return self._resources_negated

    def _why_principal(self, subject: Subject) -> str:
        if self._principal is not None:
            return f"{subject.principal.arn} is not the Principal: {self._principal.text}"
        if self._not_principal is not None:
            return f"{subject.principal.arn} is spared by NotPrincipal: {self._not_principal.text}"
        return "The statement has no Principal"


def statements_of(policy: Policy) -> tuple[Statement, ...]:
    """The compiled statements of a policy.  Whatever is not a statement is left out, as if it were not there."""
    document = policy.document
    try:
        key = marshal.dumps(document, 2)  # type: ignore[arg-type]  # another kind of mapping is the ValueError below
    except ValueError:  # a mapping of another type
        key = b"json" + json.dumps(document, default=_plain).encode()
    known = _cache.get(key)
    if known is None:
        known = _cache[key] = _compile(document)
        if len(_cache) > CACHED_DOCUMENTS:
            _cache.popitem(last=False)
    return known


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value)


def _compile(document: Mapping[str, Any]) -> tuple[Statement, ...]:
    listed = document.get("Statement", ())
    if isinstance(listed, Mapping):
        listed = [listed]
    if not isinstance(listed, (list, tuple)):
        return ()
    variables = document.get("Version") == VARIABLES_SINCE
    return tuple(
        Statement(index, statement, variables)
        for index, statement in enumerate(listed)
        if isinstance(statement, Mapping) and statement.get("Effect") in ("Allow", "Deny")
    )


def condition_keys_in(policy_document: Mapping[str, Any]) -> set[str]:
    """The condition keys a policy document looks at, in lower case: in conditions and in policy variables."""
    found: set[str] = set()
    listed = policy_document.get("Statement", ())
    variables = policy_document.get("Version") == VARIABLES_SINCE
    if not isinstance(listed, (list, tuple)):
        listed = [listed]
    for statement in listed:
        if not isinstance(statement, Mapping):
            continue
        texts = [*strings(statement.get("Resource")), *strings(statement.get("NotResource"))]
        for condition in compile_conditions(statement.get("Condition"), variables):
            found.add(condition.lowered)
            texts += condition.values
        if variables:
            found |= {token.key for text in texts for token in tokens_of(text, True) if isinstance(token, Variable)}
    return found
