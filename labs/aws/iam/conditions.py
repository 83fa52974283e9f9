"""Condition operators ("IAM JSON policy elements: Condition operators", "Multivalued context keys", IAM User Guide).

A condition block is true when every operator and every key in it is true; the values of one key are alternatives.
A key that is missing from the request makes an ordinary operator false, a negated one true, ``…IfExists`` and
``ForAllValues:`` true, ``ForAnyValue:`` false.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import ipaddress
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from labs.aws.iam.matching import Context, Matcher, arn_matcher, text_matcher

# -- values ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _number(text: str) -> Decimal | None:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


@lru_cache(maxsize=4096)
def _moment(text: str) -> float | None:
    """Seconds since the epoch of an ISO 8601 date (W3C profile) or of an epoch number."""
    text = text.strip()
    if re.fullmatch(r"\d{5,}(\.\d+)?", text):
        return float(text)
    if re.fullmatch(r"\d{4}", text):
        text += "-01-01"
    elif re.fullmatch(r"\d{4}-\d\d", text):
        text += "-01"
    try:
        moment = datetime.datetime.fromisoformat(text.upper())
        return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=4096)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip())
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def _bytes(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


# -- one policy value against one request value ----------------------------------------------------------------------


def _string(wildcards: bool, ignore_case: bool) -> Callable[[str, bool], Matcher]:
    return lambda value, variables: text_matcher(value, variables, wildcards, ignore_case)


def _comparison(parse: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Callable[[str, bool], Matcher]:
    def compile_value(value: str, variables: bool) -> Matcher:
        wanted = parse(value)

        def match(text: str, context: Context) -> bool:
            given = parse(text)
            return wanted is not None and given is not None and compare(given, wanted)

        return match

    return compile_value


def _boolean(value: str, variables: bool) -> Matcher:
    wanted = value.lower()
    return lambda text, context: text.lower() == wanted


def _ip(value: str, variables: bool) -> Matcher:
    network = _network(value)

    def match(text: str, context: Context) -> bool:
        address = _address(text)
        return network is not None and address is not None and address.version == network.version and address in network

    return match


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "equals": lambda given, wanted: given == wanted,
    "lessthan": lambda given, wanted: given < wanted,
    "lessthanequals": lambda given, wanted: given <= wanted,
    "greaterthan": lambda given, wanted: given > wanted,
    "greaterthanequals": lambda given, wanted: given >= wanted,
}

# operator in lower case -> (AWS's spelling, how a value is compiled, negated)
OPERATORS: dict[str, tuple[str, Callable[[str, bool], Matcher], bool]] = {}


def _operator(name: str, compile_value: Callable[[str, bool], Matcher], negation: str = "") -> None:
    OPERATORS[name.lower()] = (name, compile_value, False)
    if negation:
        OPERATORS[negation.lower()] = (negation, compile_value, True)


_operator("StringEquals", _string(False, False), "StringNotEquals")
_operator("StringEqualsIgnoreCase", _string(False, True), "StringNotEqualsIgnoreCase")
_operator("StringLike", _string(True, False), "StringNotLike")
for _kind, _parse in (("Numeric", _number), ("Date", _moment)):
    _operator(f"{_kind}Equals", _comparison(_parse, _COMPARE["equals"]), f"{_kind}NotEquals")
    for _suffix in ("LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"):
        _operator(f"{_kind}{_suffix}", _comparison(_parse, _COMPARE[_suffix.lower()]))
_operator("Bool", _boolean)
_operator("BinaryEquals", _comparison(_bytes, _COMPARE["equals"]))
_operator("IpAddress", _ip, "NotIpAddress")
_operator("ArnEquals", arn_matcher, "ArnNotEquals")  # behaves as ArnLike
_operator("ArnLike", arn_matcher, "ArnNotLike")


def split_operator(name: str) -> tuple[str, str, bool]:
    """``ForAnyValue:StringLikeIfExists`` → (``foranyvalue``, ``stringlike``, True), all in lower case."""
    lowered = name.lower()
    qualifier, colon, base = lowered.rpartition(":")
    if_exists = base.endswith("ifexists")
    return (qualifier if colon else ""), (base[: -len("ifexists")] if if_exists else base), if_exists


def values_of(value: Any) -> tuple[str, ...]:
    """The values of a condition key as strings; JSON booleans and numbers are accepted as AWS accepts them."""
    items = value if isinstance(value, (list, tuple)) else (value,)
    return tuple(
        ("true" if item else "false") if isinstance(item, bool) else str(item) for item in items if item is not None
    )


# -- one key ---------------------------------------------------------------------------------------------------------


class Condition:
    """One ``operator: {key: values}`` entry, compiled."""

    __slots__ = ("_if_exists", "_matchers", "_negated", "_qualifier", "_test", "key", "lowered", "operator", "values")

    def __init__(self, operator: str, key: str, value: Any, variables: bool) -> None:
        self.operator, self.key, self.lowered, self.values = operator, key, key.lower(), values_of(value)
        self._qualifier, base, self._if_exists = split_operator(operator)
        self._negated = False
        self._matchers: tuple[Matcher, ...] = ()
        self._test: Callable[[Context], bool]
        if base == "null":
            self._test = self._null
            return
        known = OPERATORS.get(base)
        if known is None or self._qualifier not in ("", "foranyvalue", "forallvalues"):
            self._test = lambda context: False  # an operator AWS does not have never matches
            return
        _, compile_value, self._negated = known
        self._matchers = tuple(compile_value(item, variables) for item in self.values)
        self._test = {"": self._single, "foranyvalue": self._any, "forallvalues": self._all}[self._qualifier]

    def holds(self, context: Context) -> bool:
        """Whether the entry is true for a request context with lower-case keys."""
        return self._test(context)

    def _given(self, context: Context) -> tuple[str, ...]:
        value = context.get(self.lowered)
        return () if value is None else (value,) if isinstance(value, str) else tuple(value)

    def _one(self, text: str, context: Context) -> bool:
        for matcher in self._matchers:
            if matcher(text, context):
                return not self._negated
        return self._negated

    def _null(self, context: Context) -> bool:
        absent = "false" if self._given(context) else "true"
        return any(value.lower() == absent for value in self.values)

    def _single(self, context: Context) -> bool:
        given = self._given(context)
        if not given:
            return self._negated or self._if_exists
        if self._negated:
            return all(self._one(text, context) for text in given)
        return any(self._one(text, context) for text in given)

    def _any(self, context: Context) -> bool:
        given = self._given(context)
        if not given:
            return self._if_exists
        return any(self._one(text, context) for text in given)

    def _all(self, context: Context) -> bool:
        # True without the key, and when its value is a null dataset such as an empty string.
        return all(text == "" or self._one(text, context) for text in self._given(context))

    def why(self, context: Context) -> str:
        """One sentence on why the entry is false."""
        given = self._given(context)
        found = " and ".join(given) or '""' if given else ""
        wanted = ", ".join(_shown(value, context) for value in self.values[:4]) + (" …" if len(self.values) > 4 else "")
        base = split_operator(self.operator)[1]
        if base == "null":
            return f"{self.key} is {'present' if given else 'not in the request'}, and Null asks for {wanted}"
        if not given:
            return f"{self.key} is not in the request, and {self.operator} expects {wanted}"
        if self._negated:
            return f"{self.key} is {found}, which {self.operator} excludes ({wanted})"
        preposition = "in " if base == "ipaddress" else ""
        comparison = next((f"{_PHRASE[s]} " for s in _PHRASE if base.endswith(s)), preposition)
        return f"{self.key} is {found}, expected {comparison}{wanted}"


_PHRASE = {
    "lessthanequals": "at most",
    "greaterthanequals": "at least",
    "lessthan": "less than",
    "greaterthan": "more than",
}
_SHOWN = re.compile(r"\$\{\s*([^},]+?)\s*(?:,\s*'([^']*)'\s*)?\}")


def _shown(value: str, context: Context) -> str:
    """A policy value as a reader understands it: a variable with the value it has in this request."""

    def fill(match: re.Match[str]) -> str:
        found = context.get(match[1].lower(), match[2])
        return f"{match[0]} (= {found})" if isinstance(found, str) else f"{match[0]} (not in the request)"

    return _SHOWN.sub(fill, value) if "${" in value else value


def compile_conditions(block: Any, variables: bool) -> tuple[Condition, ...]:
    """The entries of a ``Condition`` block."""
    if not isinstance(block, Mapping):
        return ()
    return tuple(
        Condition(operator, key, value, variables)
        for operator, keys in block.items()
        if isinstance(keys, Mapping)
        for key, value in keys.items()
    )
