"""Does a rule match a request?  ("Condition types for listener rules", Elastic Load Balancing User Guide.)

Conditions are joined by and, the values of one by or.  In values, * stands for any number of characters and ? for
exactly one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from labs.aws.balancing.configuration import Rule

Condition = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """A request as rules see it: ``headers`` by lower-case name, ``query`` decoded, ``path`` as it was sent."""

    method: str
    host: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, Sequence[str]]
    source: str


def first_match(rules: Sequence[Rule], asked: Asked) -> Rule | None:
    """The first rule, in the order given, of which every condition holds."""
    return next((rule for rule in rules if all(holds(each, asked) for each in rule.conditions)), None)


def holds(condition: Condition, asked: Asked) -> bool:
    """Does one condition hold?  One of a kind that there is not never does."""
    test = _TESTS.get(condition.get("Field", ""))
    return test is not None and test(condition, asked)


def _values(condition: Condition, config: str) -> Sequence[Any]:
    return (condition.get(config) or {}).get("Values") or condition.get("Values") or ()


def _host(condition: Condition, asked: Asked) -> bool:
    """ "not case-sensitive" """
    host = asked.host.rpartition(":")[0] if re.search(r":\d+$", asked.host) else asked.host
    return any(_pattern(each, True).fullmatch(host) for each in _values(condition, "HostHeaderConfig"))


def _path(condition: Condition, asked: Asked) -> bool:
    """ "case-sensitive"; applies to the path only, not to the query"""
    return any(_pattern(each).fullmatch(asked.path) for each in _values(condition, "PathPatternConfig"))


def _method(condition: Condition, asked: Asked) -> bool:
    """ "Wildcards are not supported; therefore, the method name must be an exact match" """
    return asked.method in _values(condition, "HttpRequestMethodConfig")


def _header(condition: Condition, asked: Asked) -> bool:
    config = condition.get("HttpHeaderConfig") or {}
    given = asked.headers.get(str(config.get("HttpHeaderName", "")).lower(), ())
    return any(_pattern(each, True).fullmatch(value) for each in config.get("Values") or () for value in given)


def _query(condition: Condition, asked: Asked) -> bool:
    """ "The match evaluation is not case-sensitive" """
    wanted = _values(condition, "QueryStringConfig")
    return any(
        _pattern(each["Value"], True).fullmatch(value)
        and (not each.get("Key") or _pattern(each["Key"], True).fullmatch(name))
        for each in wanted for name, value in asked.query
    )


def _source(condition: Condition, asked: Asked) -> bool:
    """The address of whoever connects; X-Forwarded-For does not count."""
    return any(inside(asked.source, each) for each in _values(condition, "SourceIpConfig"))


def inside(address: str, network: str) -> bool:
    """Is an address in a network (CIDR)?"""
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


@lru_cache(maxsize=1000)
def _pattern(text: str, ignore_case: bool = False) -> re.Pattern[str]:
    made = re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(made, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


_TESTS: dict[str, Callable[[Condition, Asked], bool]] = {
    "host-header": _host,
    "path-pattern": _path,
    "http-request-method": _method,
    "http-header": _header,
    "query-string": _query,
    "source-ip": _source,
}
