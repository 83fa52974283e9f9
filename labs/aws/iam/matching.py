"""Matching of the words in a policy against a request: wildcards, ARNs, policy variables, actions and principals.

Sources, all in the IAM User Guide: "IAM JSON policy elements: Resource", "… Action", "… Principal", "… NotPrincipal",
"IAM policy elements: Variables and tags".  Every pattern is compiled once; matching never backtracks over more than one
``*``, so that a hostile policy such as ``*a*a*a*…`` cannot stall the evaluator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from functools import lru_cache
from typing import Any

from labs.aws.iam.model import Principal, PrincipalType

Context = Mapping[str, str | tuple[str, ...]]  # keys in lower case
VARIABLES_SINCE = "2012-10-17"

_STAR, _ANY = object(), object()
_VARIABLE = re.compile(r"\$\{\s*([^},]*?)\s*(?:,\s*'([^']*)'\s*)?\}")


class Grant(IntEnum):
    """How closely a resource-based policy's Principal names the caller; a closer one bypasses more policy types.

    "Policy evaluation for requests within a single account", table under "Resource-based policies".
    """

    NONE = 0
    ACCOUNT = 1  # the account or its root ARN: only delegates to the account's identity-based policies
    ROLE = 2  # the role (or "*" for a session): bypasses identity policies, not the boundary and session policies
    DIRECT = 3  # the user, the session, the service, or "*" for a user: decides by itself


# -- patterns --------------------------------------------------------------------------------------------------------


class Variable:
    """A policy variable ``${key}`` or ``${key, 'default'}``."""

    __slots__ = ("default", "key")

    def __init__(self, key: str, default: str | None) -> None:
        self.key, self.default = key.lower(), default

    def resolve(self, context: Context) -> str | None:
        """The value, or ``None`` when the key is absent (or has several values) and there is no default."""
        value = context.get(self.key)
        return value if isinstance(value, str) else self.default


Token = Any  # str (literal), _STAR, _ANY or Variable


def tokens_of(pattern: str, variables: bool, wildcards: bool = True) -> tuple[Token, ...]:
    """Split a pattern into literals, wildcards and variables.

    ``${*}``, ``${?}`` and ``${$}`` are the characters themselves ("Variables and tags", "Special characters").
    """
    found: list[Token] = []
    position = 0
    if variables:
        for match in _VARIABLE.finditer(pattern):
            found.extend(_plain(pattern[position : match.start()], wildcards))
            key = match[1]
            found.append(key if key in ("*", "?", "$") else Variable(key, match[2]))
            position = match.end()
    found.extend(_plain(pattern[position:], wildcards))
    return tuple(found)


def _plain(text: str, wildcards: bool) -> Iterable[Token]:
    if not wildcards:
        return (text,) if text else ()
    return (_STAR if part == "*" else _ANY if part == "?" else part for part in re.split(r"([*?])", text) if part)


def glob(tokens: Iterable[Token], any_char: str = ".") -> str:
    """The regular expression of a token sequence without variables; atomic groups keep matching linear."""
    parts: list[str] = [""]
    for token in tokens:
        if token is _STAR:
            if len(parts) == 1 or parts[-1]:
                parts.append("")
        else:
            parts[-1] += any_char if token is _ANY else re.escape(token)
    if len(parts) == 1:
        return parts[0]
    head, *middle, tail = parts
    return head + "".join(f"(?>{any_char}*?{part})" for part in middle) + f"{any_char}*{tail}"


def values_for(variables: tuple[Variable, ...], context: Context) -> tuple[str, ...] | None:
    """The value of each variable, or ``None`` when one has no value."""
    values = []
    for variable in variables:
        value = variable.resolve(context)
        if value is None:
            return None
        values.append(value)
    return tuple(values)


def fill(tokens: Iterable[Token], values: Iterable[str]) -> list[Token]:
    """``tokens`` with the variables replaced, in order, by ``values`` as literal text."""
    remaining = iter(values)
    return [next(remaining) if isinstance(token, Variable) else token for token in tokens]


Matcher = Callable[[str, Context], bool]


@lru_cache(maxsize=8192)
def _regex(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.DOTALL)


@lru_cache(maxsize=8192)
def text_matcher(pattern: str, variables: bool, wildcards: bool, ignore_case: bool = False) -> Matcher:
    """Match a whole string: ``StringLike`` with wildcards, ``StringEquals`` without."""
    tokens = tokens_of(pattern, variables, wildcards)
    if any(isinstance(token, Variable) for token in tokens):
        variables_in = tuple(token for token in tokens if isinstance(token, Variable))

        @lru_cache(maxsize=64)
        def filled(values: tuple[str, ...]) -> Callable[[str], Any]:
            literal = fill(tokens, values)
            if wildcards:
                return re.compile(glob(literal), re.DOTALL).fullmatch
            expected = "".join(literal)
            if ignore_case:
                return lambda text: text.lower() == expected.lower()
            return expected.__eq__

        def dynamic(text: str, context: Context) -> bool:
            values = values_for(variables_in, context)
            return values is not None and bool(filled(values)(text))

        return dynamic
    if _STAR in tokens or _ANY in tokens:
        fullmatch = _regex(glob(tokens)).fullmatch
        return lambda text, context: fullmatch(text) is not None
    expected = "".join(tokens)
    if ignore_case:
        expected = expected.lower()
        return lambda text, context: text.lower() == expected
    return lambda text, context: text == expected


def _segments(tokens: tuple[Token, ...]) -> list[list[Token]]:
    """Split ARN tokens at the first five colons that are written in the policy (not at those inside a value)."""
    segments: list[list[Token]] = [[]]
    for token in tokens:
        if not isinstance(token, str):
            segments[-1].append(token)
            continue
        pieces = token.split(":", 6 - len(segments))
        segments[-1].append(pieces[0])
        segments.extend([piece] for piece in pieces[1:])
    return [[token for token in segment if token != ""] for segment in segments]


def _arn_expression(segments: list[list[Token]]) -> str:
    return ":".join([*(glob(segment, "[^:]") for segment in segments[:5]), glob(segments[5])])


def _resource_expression(segments: list[list[Token]]) -> str:
    """A ``*`` at the end of a segment may run on beyond its colon; one inside a segment stays there.

    The pattern is cut into pieces at the free stars.  Each piece is taken where it fits first, in an atomic group:
    before a free star an earlier end is never worse, so that no text makes the matching backtrack over pieces.
    """
    pieces: list[str] = [""]
    for position, segment in enumerate(segments):
        last = position == len(segments) - 1
        for place, token in enumerate(segment):
            if token is _STAR and (last or place == len(segment) - 1):
                pieces.append("")
            else:
                pieces[-1] += "[^:]*?" if token is _STAR else _ANY_OF[last] if token is _ANY else re.escape(token)
        pieces[-1] += "" if last else ":"
    head, *middle = pieces
    if not middle:
        return head
    tail = middle.pop()
    return f"(?>{head})" + "".join(f"(?>.*?{piece})" for piece in middle if piece) + f".*{tail}"


_ANY_OF = {False: "[^:]", True: "."}


@lru_cache(maxsize=8192)
def resource_matcher(pattern: str, variables: bool) -> Matcher:
    """Match a ``Resource``: as :func:`arn_matcher`, but "if the * wildcard is the last character of a resource ARN
    segment, it can expand to match beyond the colon boundaries" ("IAM JSON policy elements: Resource")."""
    return _matcher(pattern, variables, _resource_expression)


@lru_cache(maxsize=8192)
def arn_matcher(pattern: str, variables: bool) -> Matcher:
    """Match an ARN, each of its six segments by itself; the last one may contain colons and slashes.

    An ARN with fewer than six segments is completed with ``*`` ("IAM JSON policy elements: Resource").
    """
    return _matcher(pattern, variables, _arn_expression)


def _matcher(pattern: str, variables: bool, expression_of: Callable[[list[list[Token]]], str]) -> Matcher:
    if pattern.strip("*") == "":
        return (lambda text, context: True) if pattern else (lambda text, context: False)
    tokens = tokens_of(pattern, variables)
    segments = _segments(tokens)
    segments += [[_STAR] for _ in range(6 - len(segments))]
    if any(isinstance(token, Variable) for token in tokens):
        variables_in = tuple(token for token in tokens if isinstance(token, Variable))

        @lru_cache(maxsize=64)
        def filled(values: tuple[str, ...]) -> Callable[[str], re.Match[str] | None]:
            left = list(values)
            literal = []
            for segment in segments:
                count = sum(isinstance(token, Variable) for token in segment)
                literal.append(fill(segment, left[:count]))
                left = left[count:]
            return re.compile(expression_of(literal), re.DOTALL).fullmatch

        def dynamic(text: str, context: Context) -> bool:
            values = values_for(variables_in, context)
            return values is not None and filled(values)(text) is not None

        return dynamic
    if not any(_STAR in segment or _ANY in segment for segment in segments):
        exact = ":".join("".join(segment) for segment in segments)
        return lambda text, context: text == exact
    fullmatch = _regex(expression_of(segments)).fullmatch
    return lambda text, context: fullmatch(text) is not None


@lru_cache(maxsize=8192)
def action_matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Match a lower-case ``service:operation``; neither the prefix nor the name is case-sensitive ("Action")."""
    exact = frozenset(p.lower() for p in patterns if "*" not in p and "?" not in p)
    wild = ["(?:" + glob(tokens_of(p.lower(), False)) + ")" for p in patterns if "*" in p or "?" in p]
    if "*" in patterns:
        return lambda action: True
    if not wild:
        return exact.__contains__
    fullmatch = _regex("|".join(wild)).fullmatch
    return lambda action: action in exact or fullmatch(action) is not None


# -- principals ------------------------------------------------------------------------------------------------------

_ACCOUNT = re.compile(r"(?:arn:[^:]+:iam::)?([0-9]{12})(?::root)?")
_SESSION_TYPES = (PrincipalType.ROLE, PrincipalType.FEDERATED)
_EXTERNAL_TYPES = (PrincipalType.SERVICE, PrincipalType.ANONYMOUS)


def account_of(word: str) -> str | None:
    """The account that a Principal names as a whole (``123456789012`` or its root ARN), else ``None``."""
    match = _ACCOUNT.fullmatch(word)
    if match is None or (word.startswith("arn:") != word.endswith(":root")):
        return None
    return match[1]


def role_arn_of(principal: Principal) -> str:
    """The role behind a session.  Without ``role_arn`` it is rebuilt from the session ARN, hence without a path."""
    if principal.role_arn or principal.type is not PrincipalType.ROLE:
        return principal.role_arn
    parts = principal.arn.split(":", 5)
    if len(parts) < 6 or not parts[5].startswith("assumed-role/"):
        return principal.role_arn
    return f"arn:{parts[1]}:iam::{parts[4]}:role/{parts[5].split('/')[1]}"


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, (list, tuple)):
        return tuple(item for item in value if isinstance(item, str))
    return ()


class PrincipalElement:
    """A compiled ``Principal`` or ``NotPrincipal`` element.

    Wildcards inside a principal ARN are not supported by AWS: only ``"*"`` by itself is one.
    """

    __slots__ = ("accounts", "aws", "canonical", "everyone", "federated", "services", "text")

    def __init__(self, element: Any) -> None:
        groups: Mapping[str, Any] = element if isinstance(element, Mapping) else {"AWS": element}
        aws = _words(groups.get("AWS"))
        self.everyone = "*" in aws
        self.aws = frozenset(word for word in aws if account_of(word) is None)
        self.accounts = frozenset(account for word in aws if (account := account_of(word)))
        self.services = frozenset(word.lower() for word in _words(groups.get("Service")))
        self.federated = frozenset(_words(groups.get("Federated")))
        self.canonical = frozenset(_words(groups.get("CanonicalUser")))
        named = [*aws, *self.services, *self.federated, *self.canonical]
        self.text = ", ".join(named[:3]) + (" …" if len(named) > 3 else "") or "nobody"

    def grants(self, principal: Principal) -> Grant:
        """How the element names ``principal``."""
        kind = principal.type
        if kind is PrincipalType.SERVICE:
            named = principal.arn.lower() in self.services or "*" in self.services
            return Grant.DIRECT if named or self.everyone else Grant.NONE
        if kind is PrincipalType.ANONYMOUS:
            return Grant.DIRECT if self.everyone or self._federates(principal) else Grant.NONE
        if principal.arn in self.aws:
            return Grant.DIRECT
        if kind is PrincipalType.USER and principal.user_id and principal.user_id in self.aws:
            return Grant.DIRECT
        if kind in _SESSION_TYPES and (self.everyone or self._names_role(principal)):
            return Grant.ROLE
        if self.everyone:
            return Grant.DIRECT
        if principal.account in self.accounts or (self.canonical and principal.canonical_user_id in self.canonical):
            return Grant.ACCOUNT
        return Grant.NONE

    def _names_role(self, principal: Principal) -> bool:
        role = principal.issuer_arn if principal.type is PrincipalType.FEDERATED else role_arn_of(principal)
        unique = principal.user_id.partition(":")[0]
        if (role and role in self.aws) or (unique.startswith("ARO") and unique in self.aws):
            return True
        return self._federates(principal)

    def _federates(self, principal: Principal) -> bool:
        provider = principal.federated_provider
        if not provider or not self.federated:
            return False
        names = {provider, provider.partition(":oidc-provider/")[2] or provider}
        return "*" in self.federated or any(
            word in names or word.partition(":oidc-provider/")[2] in names for word in self.federated
        )

    def exempts(self, principal: Principal) -> bool:
        """Whether a Deny with this as ``NotPrincipal`` spares ``principal``.

        AWS checks the account, then the role, then the session, so all of them must be listed ("NotPrincipal").
        """
        if self.everyone:
            return True
        if principal.type in _EXTERNAL_TYPES:
            return self.grants(principal) is Grant.DIRECT
        if principal.account not in self.accounts:
            return False
        if principal.type is PrincipalType.ROOT:
            return True
        if principal.type is PrincipalType.ROLE and not self._names_role(principal):
            return False
        return principal.arn in self.aws or (principal.type is PrincipalType.USER and principal.user_id in self.aws)
