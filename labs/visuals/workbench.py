"""What if: the same picture over a request and policies that the learner edits.  Nothing is sent to AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import ipywidgets as widgets

from labs.aws.iam import (
    Decision,
    MalformedPolicy,
    Policy,
    PolicySet,
    Principal,
    PrincipalType,
    Request,
    decision_to_dict,
    evaluate,
    validate_policy,
)
from labs.errors import PermanentError
from labs.visuals.picture import PolicyEvaluation, with_static_forms

ACCOUNT = "111122223333"
_ARNS = {
    PrincipalType.USER: f"arn:aws:iam::{ACCOUNT}:user/alice",
    PrincipalType.ROLE: f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/alice",
    PrincipalType.FEDERATED: f"arn:aws:sts::{ACCOUNT}:federated-user/alice",
    PrincipalType.ROOT: f"arn:aws:iam::{ACCOUNT}:root",
    PrincipalType.SERVICE: "sns.amazonaws.com",
    PrincipalType.ANONYMOUS: "*",
}
_LABELS = {
    PrincipalType.USER: "IAM user",
    PrincipalType.ROLE: "Assumed role",
    PrincipalType.FEDERATED: "Federated user",
    PrincipalType.ROOT: "Root user",
    PrincipalType.SERVICE: "AWS service",
    PrincipalType.ANONYMOUS: "Anonymous",
}
_EXAMPLE = Request(
    Principal(_ARNS[PrincipalType.USER], ACCOUNT, PrincipalType.USER),
    "s3:GetObject",
    "arn:aws:s3:::shop/orders/1.json",
    ACCOUNT,
    {"aws:SourceIp": "203.0.113.7"},
)
_EXAMPLE_POLICIES = PolicySet(
    identity=(
        Policy(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Sid": "ReadShop", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*"}
                ],
            },
            "identity policy",
        ),
    )
)


class Problem(Exception):
    """Why a field cannot be used; ``where`` names the field, ``message`` is for the learner."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where}: {message}")
        self.where, self.message = where, message


@dataclass(frozen=True, slots=True)
class _Kind:
    """A policy field: its attribute in ``PolicySet``, title, ``validate_policy`` kind, and whether it has levels."""

    name: str
    title: str
    grammar: str
    shape: str  # "one", "many", "levels"

    @property
    def field(self) -> str:
        """Its name among the controls, where ``resource`` is the ARN."""
        return "resource_policy" if self.name == "resource" else self.name


_KINDS = (
    _Kind("identity", "Identity", "identity", "many"),
    _Kind("boundary", "Boundary", "boundary", "one"),
    _Kind("session", "Session", "session", "many"),
    _Kind("scps", "SCP", "scp", "levels"),
    _Kind("rcps", "RCP", "rcp", "levels"),
    _Kind("resource", "Resource", "resource", "one"),
    _Kind("vpc_endpoint", "VPC endpoint", "resource", "one"),
)
_TITLES = {
    "identity": "Identity-based policies",
    "boundary": "Permissions boundary",
    "session": "Session policies",
    "scps": "Service control policies",
    "rcps": "Resource control policies",
    "resource_policy": "Resource-based policy",
    "vpc_endpoint": "VPC endpoint policy",
}
_HINTS = {
    "one": "One policy document, or empty for none.",
    "many": "One policy document, or a list of them; empty for none.",
    "levels": "One document, or a list with one entry a level, from the root down (an entry may itself be a list). "
    "Empty: none applies.",
}


def what_if(
    request: Request | Mapping[str, Any] | None = None, policies: PolicySet | Mapping[str, Any] | None = None
) -> WhatIf:
    """Controls for a request and its policies, with the picture of the decision below them.

    :param request: a ``labs.aws.iam.Request`` or its JSON form; else an example
    :param policies: a ``PolicySet``, or a mapping from ``identity``, ``boundary``, ``session``, ``scps``, ``rcps``,
        ``resource``, ``vpc_endpoint`` to policy documents (parsed JSON or text); else an example
    :raises PermanentError: either has another shape
    """
    return WhatIf(_as_request(request), policies)


class WhatIf(widgets.VBox):
    """The workbench: every change evaluates again at once.

    ``fields`` maps a name to its control: ``principal_type``, ``principal_arn``, ``account``, ``action``, ``resource``,
    ``resource_account``, and the policies ``identity``, ``boundary``, ``session``, ``scps``, ``rcps``,
    ``resource_policy``, ``vpc_endpoint``.  ``decision`` is the last that could be made and ``picture`` shows it;
    ``problems`` maps a field's name (or ``context``) to what is wrong with it.
    """

    def __init__(self, request: Request, policies: PolicySet | Mapping[str, Any] | None) -> None:
        self.problems: dict[str, str] = {}
        self.decision: Decision
        self._given = policies if isinstance(policies, PolicySet) else PolicySet()
        self._principal = request.principal
        self.fields: dict[str, Any] = _request_fields(request)
        self._rows = widgets.VBox([])
        self._messages = {kind.field: widgets.HTML() for kind in _KINDS}
        self._status = widgets.HTML()
        for kind in _KINDS:
            self.fields[kind.field] = _policy_field(kind, _given_text(kind, policies))
        for field in self.fields.values():
            field.observe(self._changed, names="value")
        self.fields["principal_type"].observe(self._principal_changed, names="value")
        for key, value in request.context.items():
            self._put_row(key, value if isinstance(value, str) else json.dumps(list(value)))
        self.decision = evaluate(request, PolicySet())
        self.picture = PolicyEvaluation(decision_to_dict(self.decision))
        self._evaluate()
        self.picture.step = len(self.picture.story["gates"]) + 1
        super().__init__([*self._controls(), self._status, self.picture])

    # -- what the learner has entered --------------------------------------------------------------------------------

    @property
    def request(self) -> Request:
        """The request as entered.

        :raises Problem: a context value that is no text and no JSON list
        """
        value = {name: field.value.strip() for name, field in self.fields.items() if isinstance(field, widgets.Text)}
        kind = PrincipalType(self.fields["principal_type"].value)
        arn = value["principal_arn"]
        known = self._principal if arn == self._principal.arn else Principal(arn, value["account"], kind)
        role = known.role_arn or _role_of(arn)
        principal = replace(known, account=value["account"], type=kind, role_arn=role)
        return Request(principal, value["action"], value["resource"], value["resource_account"], self._context())

    @property
    def policies(self) -> PolicySet:
        """The policies as entered.

        :raises Problem: the first field that AWS would refuse
        """
        read = {kind.name: self._read(kind) for kind in _KINDS}
        action = self.fields["action"].value.strip().lower()
        alone = self._given.resource_must_allow or action.startswith(("sts:assumerole", "kms:"))
        return PolicySet(**read, resource_must_allow=alone, grant=self._given.grant)

    def set_context(self, key: str, value: str) -> None:
        """Put a condition key into the request; an empty value takes it out."""
        for row in self._rows.children:
            if row.children[0].value == key:
                if value:
                    row.children[1].value = value
                else:
                    self._drop_row(row)
                return
        if value:
            self._put_row(key, value)
            self._evaluate()

    def _context(self) -> dict[str, str | tuple[str, ...]]:
        context: dict[str, str | tuple[str, ...]] = {}
        for row in self._rows.children:
            key, text = row.children[0].value.strip(), row.children[1].value.strip()
            if not key:
                continue
            if text.startswith("["):
                values = _parsed("context", text, key)
                if not all(isinstance(value, str) for value in values):
                    raise Problem("context", f"{key}: a list may hold texts only, e.g. [\"a\", \"b\"].")
                context[key] = tuple(values)
            else:
                context[key] = text
        return context

    def _read(self, kind: _Kind) -> Any:
        text = self.fields[kind.field].value.strip()
        if not text:
            return () if kind.name == "identity" else None
        parsed = _parsed(kind.field, text)
        grammar = "trust" if kind.name == "resource" and self._is_trust() else kind.grammar
        if kind.shape == "one":
            return self._policy(kind, grammar, parsed, 0)
        entries = parsed if isinstance(parsed, list) else [parsed]
        if kind.shape == "many":
            return tuple(self._policy(kind, grammar, entry, n) for n, entry in enumerate(entries))
        levels = [entry if isinstance(entry, list) else [entry] for entry in entries]
        return tuple(
            tuple(self._policy(kind, grammar, entry, k, f"level {n + 1}") for k, entry in enumerate(level))
            for n, level in enumerate(levels)
        )

    def _is_trust(self) -> bool:
        return self.fields["action"].value.strip().lower().startswith("sts:assumerole")

    def _policy(self, kind: _Kind, grammar: str, document: Any, n: int, level: str = "") -> Policy:
        if not isinstance(document, dict):
            raise Problem(kind.field, f"A policy document is a JSON object; this one is {_json_type(document)}.")
        try:
            validate_policy(json.dumps(document), grammar)
        except MalformedPolicy as refused:
            raise Problem(kind.field, f"AWS would refuse this policy. {refused.code}: {refused.message}") from refused
        known = next((p for p in _flat(getattr(self._given, kind.name)) if p.document == document), None)
        name = f"{kind.title} policy" + (f" {n + 1}" if n else "") + (f", {level}" if level else "")
        return known or Policy(document, name)

    # -- reactions ---------------------------------------------------------------------------------------------------

    def _changed(self, _change: Any) -> None:
        self._evaluate()

    def _principal_changed(self, change: Any) -> None:
        """Another type of principal brings its own ARN, unless the learner wrote one."""
        if self.fields["principal_arn"].value == _ARNS[PrincipalType(change["old"])]:
            self.fields["principal_arn"].value = _ARNS[PrincipalType(change["new"])]
        self._evaluate()

    def _evaluate(self) -> None:
        self.problems = {}
        for kind in _KINDS:
            self._judge(kind.field, lambda kind=kind: self._read(kind))
        self._judge("context", self._context)
        for name, message in self._messages.items():
            message.value = _alert(self.problems[name]) if name in self.problems else ""
        if self.problems:
            wrong = ", ".join(_TITLES.get(name, "Context") for name in self.problems)
            detail = f" {self.problems['context']}" if "context" in self.problems else ""
            self._status.value = _alert(f"The picture shows what could be evaluated last. To mend: {wrong}.{detail}")
            return
        self.decision = evaluate(self.request, self.policies)
        self.picture.decision = decision_to_dict(self.decision)
        self._status.value = ""

    def _judge(self, name: str, read: Callable[[], Any]) -> None:
        try:
            read()
        except Problem as problem:
            self.problems[name] = problem.message

    # -- context rows ------------------------------------------------------------------------------------------------

    def _put_row(self, key: str = "", value: str = "") -> None:
        name = _text("Condition key", key, "aws:SourceIp")
        content = _text("Value", value, "a text, or a JSON list")
        remove = widgets.Button(description="Remove", tooltip="Remove this condition key", layout=_narrow())
        row = widgets.HBox([name, content, remove], layout=widgets.Layout(flex_flow="row wrap"))
        remove.on_click(lambda _: self._drop_row(row))
        for field in (name, content):
            field.observe(self._changed, names="value")
        self._rows.children = (*self._rows.children, row)

    def _drop_row(self, row: Any) -> None:
        self._rows.children = tuple(other for other in self._rows.children if other is not row)
        self._evaluate()

    # -- layout ------------------------------------------------------------------------------------------------------

    def _controls(self) -> list[Any]:
        add = widgets.Button(description="Add a condition key", icon="plus", layout=_narrow())
        add.layout.align_self = "flex-start"
        add.on_click(lambda _: self._put_row())
        names = ("principal_type", "principal_arn", "account", "action", "resource", "resource_account")
        grid = widgets.GridBox(
            [self.fields[name] for name in names],
            layout=widgets.Layout(grid_template_columns="repeat(auto-fit, minmax(330px, 1fr))", grid_gap="2px 16px"),
        )
        tabs = widgets.Tab(
            [
                widgets.VBox([widgets.HTML(_HINTS[kind.shape]), self.fields[kind.field], self._messages[kind.field]])
                for kind in _KINDS
            ]
        )
        for n, kind in enumerate(_KINDS):
            tabs.set_title(n, kind.title)
        return [grid, self._rows, add, tabs]

    def __str__(self) -> str:
        return self.picture.text

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return with_static_forms(super()._repr_mimebundle_(**kwargs), self.picture)


def _parsed(where: str, text: str, key: str = "") -> Any:
    """``text`` as JSON, or a Problem that says at which line and column it ends to be JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        prefix = f"{key}: " if key else ""
        raise Problem(where, f"{prefix}Not JSON at line {error.lineno}, column {error.colno}: {error.msg}.") from error
    except RecursionError as error:
        raise Problem(where, "Not a policy: nested too deeply.") from error


def _as_request(request: Request | Mapping[str, Any] | None) -> Request:
    if request is None:
        return _EXAMPLE
    if isinstance(request, Request):
        return request
    try:
        who = dict(request["principal"])
        principal = Principal(**{**who, "type": PrincipalType(who["type"])})
        context = {k: v if isinstance(v, str) else tuple(v) for k, v in (request.get("context") or {}).items()}
        owner = request.get("resource_account") or ""
        return Request(principal, request["action"], request["resource"], owner, context)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PermanentError(
            f"this is no request: {error!r}", "Pass a labs.aws.iam.Request, or a decision's \"request\"."
        ) from error


def _given_text(kind: _Kind, policies: PolicySet | Mapping[str, Any] | None) -> str:
    """The first content of a policy field."""
    if policies is None:
        policies = _EXAMPLE_POLICIES
    if isinstance(policies, PolicySet):
        value = getattr(policies, kind.name)
        if value is None or (kind.name == "identity" and not value):
            return ""
        return _pretty(_documents_of(value))
    unknown = set(policies) - {known.name for known in _KINDS}
    if unknown:
        raise PermanentError(
            f"unknown policy types: {', '.join(sorted(unknown))}",
            f"They are: {', '.join(known.name for known in _KINDS)}.",
        )
    value = policies.get(kind.name)
    return "" if value is None else value if isinstance(value, str) else _pretty(value)


def _documents_of(value: Any) -> Any:
    """A policy, or (nested) tuples of them, as documents; a tuple of one becomes the one."""
    if isinstance(value, Policy):
        return dict(value.document)
    inner = [_documents_of(entry) for entry in value]
    return inner[0] if len(inner) == 1 and isinstance(inner[0], dict) else inner


def _flat(value: Any) -> list[Policy]:
    if value is None:
        return []
    return [value] if isinstance(value, Policy) else [policy for entry in value for policy in _flat(entry)]


def _pretty(value: Any) -> str:
    from labs.visuals.documents import lay_out

    if isinstance(value, Mapping):
        return "\n".join(lay_out(value).lines)
    return json.dumps(value, indent=2, ensure_ascii=False)


def _role_of(arn: str) -> str:
    """The role behind an assumed-role session ARN, without the path that such an ARN leaves out."""
    head, _, name = arn.partition(":assumed-role/")
    return f"{head.replace(':sts:', ':iam:')}:role/{name.split('/')[0]}" if name else ""


def _json_type(value: Any) -> str:
    return {list: "a list", str: "a text", bool: "true or false", type(None): "null"}.get(type(value), "a number")


def _alert(message: str) -> str:
    return (
        '<div role="alert" style="border-left:4px solid #a33f00;padding:2px 10px;margin:4px 0;'
        'background:#fdebdf;color:#6b2900">'
        f"<b>Not evaluated.</b> {escape(message)}</div>"
    )


def _narrow() -> Any:
    """As wide as its words."""
    return widgets.Layout(width="auto")


_STYLE: dict[str, str] = {"description_width": "128px"}


def _text(label: str, value: str, placeholder: str = "") -> Any:
    layout = widgets.Layout(width="auto", flex="1 1 300px")
    return widgets.Text(value=value, description=label, placeholder=placeholder, style=_STYLE, layout=layout)


def _request_fields(request: Request) -> dict[str, Any]:
    principal = request.principal
    return {
        "principal_type": widgets.Dropdown(
            options=[(_LABELS[kind], str(kind)) for kind in PrincipalType],
            value=str(principal.type),
            description="Principal type",
            style=_STYLE,
            layout=widgets.Layout(width="auto"),
        ),
        "principal_arn": _text("Principal ARN", principal.arn),
        "account": _text("Its account", principal.account, "12 digits"),
        "action": _text("Action", request.action, "s3:GetObject"),
        "resource": _text("Resource", request.resource, "an ARN, or *"),
        "resource_account": _text("Resource's account", request.resource_account, "12 digits; empty = the caller's"),
    }


def _policy_field(kind: _Kind, text: str) -> Any:
    return widgets.Textarea(
        value=text,
        description=_TITLES[kind.field],
        placeholder='{"Version": "2012-10-17", "Statement": []}',
        continuous_update=True,
        rows=max(6, min(18, text.count("\n") + 2)),
        style={"description_width": "180px"},
        layout=widgets.Layout(width="auto"),
    )
