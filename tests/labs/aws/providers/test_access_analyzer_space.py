"""Witness search: texts that patterns share, and values that tell policy values apart."""

from __future__ import annotations

import fnmatch
import itertools
import random

import pytest

from labs.aws.providers import access_analyzer_space as space

TEXTS = ["".join(letters) for length in range(5) for letters in itertools.product("ab", repeat=length)]


def matches(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern)


@pytest.mark.parametrize("seed", range(300))
def test_intersection_is_within_both_patterns_and_none_only_if_nothing_is(seed: int) -> None:
    chance = random.Random(seed)
    left, right = ("".join(chance.choice("ab*?") for _ in range(chance.randint(0, 5))) for _ in range(2))
    shared = space.intersection(left, right)
    if shared is None:
        assert not [text for text in TEXTS if matches(text, left) and matches(text, right)]
    else:
        assert matches(shared, left)
        assert matches(shared, right)


@pytest.mark.parametrize("pattern", ["a*b", "*", "a?c", "arn:aws:s3:::shop/*", "plain", "*a*b*"])
def test_concrete_texts_match_their_pattern(pattern: str) -> None:
    assert all(matches(text, pattern) for text in space.concrete(pattern))


@pytest.mark.parametrize(
    ("key", "pair", "expected"),
    [
        ("aws:sourceip", ("ipaddress", "203.0.113.0/24"), {"203.0.113.0", "203.0.113.255", "203.0.112.255"}),
        ("aws:sourceip", ("notipaddress", "203.0.113.0/24"), {"203.0.113.0", "203.0.114.0"}),
        ("s3:max-keys", ("numericlessthan", "10"), {"9", "10", "11"}),
        ("aws:securetransport", ("bool", "true"), {"true", "false"}),
        ("aws:username", ("stringequals", "ann"), {"ann", space.FRESH}),
    ],
)
def test_values_lie_on_both_sides_of_a_condition(key: str, pair: tuple[str, str], expected: set[str]) -> None:
    assert expected <= set(space.values_to_try(key, [pair]))


def test_absent_key_is_tried_unless_every_request_has_it() -> None:
    assert None in space.values_to_try("aws:username", [("stringequals", "ann")])
    assert None not in space.values_to_try("aws:securetransport", [("bool", "true")])


@pytest.mark.parametrize("taken", [["203.0.113.0/24"], ["9.9.9.0/24", "64.0.0.0/8"], ["0.0.0.0/1"], ["128.0.0.0/1"]])
def test_fresh_address_is_in_no_network_narrower_than_a_wide_one(taken: list[str]) -> None:
    import ipaddress

    address = ipaddress.ip_address(space.fresh_value("aws:sourceip", taken))
    networks = [ipaddress.ip_network(text) for text in taken]
    assert all((address in network) is (network.prefixlen < 8) for network in networks)


def test_too_many_combinations_are_refused() -> None:
    with pytest.raises(space.TooComplex):
        list(space.contexts({f"k{number}": ["a", "b", "c"] for number in range(12)}))


def test_stranger_is_nobody_who_is_named() -> None:
    known = [space.stranger([])]
    assert space.stranger(known) not in known
    assert len(space.stranger(known)) == 12
