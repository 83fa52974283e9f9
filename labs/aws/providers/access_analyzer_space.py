"""The requests that policy documents can tell apart: a finite set of candidates on which the real evaluator is asked.

AWS proves such questions with a solver ("Zelkova"); here they are answered by trying.  A policy compares a request only
with the words written in it, so that one representative of every combination of words, one that none of them names, and
the absence of a key stand for all requests.  Wildcards are replaced by several texts of different lengths.  What could
be missed are requests that only an arithmetic combination of two policy values reaches (a number strictly between two
bounds that differ by one, overlapping patterns with several wildcards each).
"""

from __future__ import annotations

import datetime
import ipaddress
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labs.aws.iam import Principal, PrincipalType
from labs.aws.iam.conditions import split_operator, values_of
from labs.aws.iam.statements import strings

Context = dict[str, str | tuple[str, ...]]
Key = tuple[str, str]  # operator in lower case without qualifier and IfExists, value

LIMIT = 60_000
"""Evaluations for one question; beyond it the documents are too complex to be decided here."""

FRESH = "zq-nobody"
"""A text that no policy names."""

PRINCIPAL_KEYS = (
    "aws:principalarn",
    "aws:principalaccount",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principaltype",
    "aws:principalisawsservice",
    "aws:principalservicename",
    "aws:userid",
    "aws:username",
    "kms:calleraccount",
)
"""Keys whose value follows from who is asking, in lower case."""

MULTIVALUED = ("aws:tagkeys", "aws:calledvia", "aws:sourceorgpaths", "aws:resourceorgpaths")


class TooComplex(Exception):
    """The documents span more requests than :data:`LIMIT`."""


def statements_in(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The statements of a document as a list."""
    listed = document.get("Statement", [])
    listed = [listed] if isinstance(listed, Mapping) else listed
    return [statement for statement in listed if isinstance(statement, dict)]


def concrete(pattern: str) -> tuple[str, ...]:
    """Texts that a wildcard pattern matches, of several lengths; the pattern itself where it has no wildcard."""
    if "*" not in pattern and "?" not in pattern:
        return (pattern,)
    plain = pattern.replace("?", "z")
    return tuple(dict.fromkeys(plain.replace("*", filler) for filler in ("zq7", "zq-nobody-zq-nobody-17", "")))


def intersection(left: str, right: str) -> str | None:
    """A text that two wildcard patterns both match, or ``None``."""
    seen = {(0, 0)}
    waiting: list[tuple[int, int, str]] = [(0, 0, "")]
    while waiting:
        i, j, text = waiting.pop(0)
        if i == len(left) and j == len(right):
            return text
        for step in _steps(left, i, right, j, text):
            if step[:2] not in seen:
                seen.add(step[:2])
                waiting.append(step)
    return None


def _steps(left: str, i: int, right: str, j: int, text: str) -> Iterator[tuple[int, int, str]]:
    a, b = left[i : i + 1], right[j : j + 1]
    if a == "*":
        yield i + 1, j, text
    if b == "*":
        yield i, j + 1, text
    if not a or not b:
        return
    if a == "*" and b != "*":
        yield i, j + 1, text + ("z" if b == "?" else b)
    elif b == "*" and a != "*":
        yield i + 1, j, text + ("z" if a == "?" else a)
    elif a != "*" and b != "*" and (a == b or "?" in (a, b)):
        yield i + 1, j + 1, text + (b if a == "?" else a).replace("?", "z")


def matching(patterns: Iterable[str], others: Iterable[str]) -> list[str]:
    """Texts within ``patterns``: plain ones, and for every pattern of ``others`` one that lies in both."""
    own = list(dict.fromkeys(patterns))
    found = [text for pattern in own for text in concrete(pattern)]
    for pattern, other in itertools.product(own, dict.fromkeys(others)):
        shared = (intersection(pattern, text) for text in (*concrete(other), other))
        found += [text for text in shared if text is not None]
    return list(dict.fromkeys(found))


# -- condition keys ----------------------------------------------------------------------------------------------------


def condition_values(documents: Iterable[Mapping[str, Any]]) -> dict[str, list[Key]]:
    """Every condition key of the documents (lower case) with the operators and values that it is compared with."""
    found: dict[str, list[Key]] = {}
    for document in documents:
        for statement in statements_in(document):
            block = statement.get("Condition")
            for operator, keys in (block if isinstance(block, Mapping) else {}).items():
                base = split_operator(operator)[1]
                for key, value in (keys if isinstance(keys, Mapping) else {}).items():
                    pairs = found.setdefault(key.lower(), [])
                    pairs += [(base, text) for text in values_of(value) if (base, text) not in pairs]
    return found


def values_to_try(key: str, pairs: Iterable[Key]) -> list[str | None]:
    """Request values that tell the policy values of one key apart; ``None`` is the key's absence."""
    found: list[str | None] = []
    for operator, value in pairs:
        if operator == "bool":
            found += ["true", "false"]
        elif operator.startswith("numeric"):
            found += _around_number(value)
        elif operator.startswith("date"):
            found += _around_date(value)
        elif operator.endswith("ipaddress"):
            found += _addresses(value)
        elif operator != "null":
            found += concrete(value)
    if not any(operator == "bool" for operator, _ in pairs):
        found.append(fresh_value(key, [value for _, value in pairs]))
    if key in ("aws:securetransport", "aws:viaawsservice", "aws:currenttime", "aws:epochtime", "aws:requestedregion"):
        return list(dict.fromkeys(found))  # every request has these
    return [*dict.fromkeys(found), None]


def _around_number(value: str) -> list[str]:
    try:
        number = int(float(value))
    except ValueError:
        return [value]
    return [str(number - 1), str(number), str(number + 1)]


def _around_date(value: str) -> list[str]:
    try:
        moment = datetime.datetime.fromisoformat(value)
    except ValueError:
        return [value]
    second = datetime.timedelta(seconds=1)
    return [(moment + shift).isoformat() for shift in (-second, 0 * second, second)]


def _addresses(value: str) -> list[str]:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return [value]
    inside = [network[0], network[-1]]
    outside = [int(network[0]) - 1, int(network[-1]) + 1]
    limit = 1 << network.max_prefixlen
    return [str(one) for one in (*inside, *(type(network[0])(number) for number in outside if 0 <= number < limit))]


def fresh_value(key: str, values: Iterable[str]) -> str:
    """A value of ``key`` that the policy does not name: an address outside its networks, another account."""
    if key in ("aws:sourceip", "aws:vpcsourceip"):
        return _fresh_address(values)
    if key in ("aws:sourceaccount", "aws:sourceowner", "s3:dataaccesspointaccount"):
        return stranger(values)
    if key in ("aws:sourcearn", "s3:dataaccesspointarn"):
        return f"arn:aws:{FRESH}:us-east-1:{stranger(values)}:{FRESH}"
    if key in ("aws:currenttime", "aws:epochtime"):
        return datetime.datetime.now(datetime.UTC).isoformat()
    return FRESH


def _fresh_address(values: Iterable[str]) -> str:
    """An address in none of the networks, except those wider than /8, which S3 too calls public."""
    networks = []
    for value in values:
        try:
            networks.append(ipaddress.ip_network(value, strict=False))
        except ValueError:
            continue
    narrow = [network for network in networks if network.prefixlen >= 8]
    for text in ("9.9.9.9", "64.64.64.64", "130.130.130.130", "199.99.99.9", "8.8.4.4", "140.140.140.140"):
        if not any(network.version == 4 and ipaddress.ip_address(text) in network for network in narrow):
            wide = [network for network in networks if network.prefixlen < 8]
            if not wide or any(network.version == 4 and ipaddress.ip_address(text) in network for network in wide):
                return text
    return "192.88.99.1"


def stranger(words: Iterable[str]) -> str:
    """An account number that none of the words contains."""
    text = " ".join(words)
    return next(
        number
        for number in (f"{digit}99{digit}00{digit}77{digit}11"[:12] for digit in range(9, 0, -1))
        if number not in text
    )


def contexts(keys: Mapping[str, list[str | None]]) -> Iterator[Context]:
    """Every combination of values of the keys.

    :raises TooComplex: more than :data:`LIMIT` combinations
    """
    total = 1
    for values in keys.values():
        total *= len(values)
        if total > LIMIT:
            raise TooComplex
    for combination in itertools.product(*keys.values()):
        yield {
            key: (value,) if key in MULTIVALUED else value
            for key, value in zip(keys, combination, strict=True)
            if value is not None
        }


# -- principals --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Caller:
    """Somebody who might ask: the principal, and the keys that follow from who it is."""

    principal: Principal
    keys: Mapping[str, str | tuple[str, ...]]
    unknown: bool = False  # no policy names this account or principal

    @property
    def account(self) -> str:
        return self.principal.account


def role_caller(arn: str, organization: tuple[str, str] | None = None, unknown: bool = False) -> Caller:
    """A session of a role ARN; ``organization`` is the id and path of its account's organisation."""
    account = arn.split(":")[4]
    name = arn.rpartition("/")[2]
    session = f"arn:aws:sts::{account}:assumed-role/{name}/{FRESH}"
    principal = Principal(session, account, PrincipalType.ROLE, user_id=f"AROAZQ:{FRESH}", role_arn=arn)
    return Caller(principal, _keys(principal, arn, organization), unknown)


def named_caller(word: str, organization: tuple[str, str] | None) -> Caller:
    """Whoever a ``Principal`` of kind ``AWS`` names: an account, a user, a role, a session."""
    if word.isdigit() or word.endswith(":root"):
        account = word if word.isdigit() else word.split(":")[4]
        return role_caller(f"arn:aws:iam::{account}:role/{FRESH}", organization)
    parts = word.split(":", 5)
    if len(parts) < 6:  # an unique id such as AROA…: the account is not known
        principal = Principal(word, "", PrincipalType.ROLE, user_id=f"{word}:{FRESH}", role_arn=word)
        return Caller(principal, _keys(principal, word, None))
    if parts[5].startswith("role/"):
        return role_caller(word, organization)
    if parts[5].startswith("assumed-role/"):
        role = f"arn:aws:iam::{parts[4]}:role/{parts[5].split('/')[1]}"
        principal = Principal(word, parts[4], PrincipalType.ROLE, user_id=f"AROAZQ:{FRESH}", role_arn=role)
        return Caller(principal, _keys(principal, role, organization))
    kind = PrincipalType.FEDERATED if parts[5].startswith("federated-user/") else PrincipalType.USER
    principal = Principal(word, parts[4], kind, user_id="AIDAZQ")
    return Caller(principal, _keys(principal, word, organization))


def federated_caller(provider: str) -> Caller:
    """Somebody with a token of an identity provider, before a role is assumed."""
    principal = Principal("*", "", PrincipalType.ANONYMOUS, federated_provider=provider)
    return Caller(principal, {})


ANONYMOUS = Caller(Principal("*", "", PrincipalType.ANONYMOUS), {"aws:principaltype": "Anonymous"}, unknown=True)


def _keys(principal: Principal, arn: str, organization: tuple[str, str] | None) -> dict[str, str | tuple[str, ...]]:
    keys: dict[str, str | tuple[str, ...]] = {
        "aws:principalarn": arn,
        "aws:principalaccount": principal.account,
        "aws:principaltype": principal.type.value,
        "aws:principalisawsservice": "false",
        "aws:userid": principal.user_id,
        "kms:calleraccount": principal.account,
    }
    if principal.type is PrincipalType.USER:
        keys["aws:username"] = arn.rpartition("/")[2]
    if organization:
        keys["aws:principalorgid"] = organization[0]
        keys["aws:principalorgpaths"] = (organization[1],)
    return keys


def principal_words(document: Mapping[str, Any], kind: str) -> list[str]:
    """Everybody whom the statements name under ``Principal: {kind: …}``; a bare ``"*"`` counts as ``AWS``."""
    found: list[str] = []
    for statement in statements_in(document):
        for element in (statement.get("Principal"), statement.get("NotPrincipal")):
            groups = {"AWS": element} if isinstance(element, str) else element
            if isinstance(groups, Mapping):
                found += strings(groups.get(kind))
    return list(dict.fromkeys(found))
