"""Tokens: what is signed is what is read, and nothing else verifies."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.aws import jwt

RSA, EC = jwt.new_key(), jwt.new_key("EC")
CLAIMS = {"iss": "https://id.example.com", "sub": "ann", "exp": 1}


@pytest.mark.parametrize("key", [RSA, EC], ids=["RS256", "ES256"])
def test_signed_token_verifies_with_its_own_key_only(key: jwt.PrivateKey) -> None:
    token = jwt.parse(jwt.sign(CLAIMS, key, "one"))
    assert (dict(token.claims), token.key_id) == (CLAIMS, "one")
    assert jwt.verify(token, jwt.public_jwk(key, "one"))
    for other in (jwt.new_key(), jwt.new_key("EC")):
        assert not jwt.verify(token, jwt.public_jwk(other, "one"))


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS384", "ES256", "PS256", "", "RS256x"])
def test_header_cannot_choose_the_algorithm(algorithm: str) -> None:
    token = jwt.parse(jwt.sign(CLAIMS, RSA, "one", alg=algorithm))
    assert not jwt.verify(token, jwt.public_jwk(RSA, "one"))


@pytest.mark.parametrize(
    "change", [{"use": "enc"}, {"kty": "oct", "k": "c2VjcmV0"}, {"n": "!"}, {"n": "AQ"}, {"e": "AA"}]
)
def test_key_that_cannot_have_signed(change: dict[str, str]) -> None:
    token = jwt.parse(jwt.sign(CLAIMS, RSA, "one"))
    assert not jwt.verify(token, {**jwt.public_jwk(RSA, "one"), **change})


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "e30.e30",
        "e30.e30.",
        "bnVsbA.e30.",
        "eyJhbGciOjF9.e30.",
        "é.e30.",
        "a" * 30_000,
    ],
)
def test_text_that_is_no_token(text: str) -> None:
    with pytest.raises(jwt.NotAToken):
        jwt.parse(text)


def test_critical_extensions_are_refused() -> None:
    with pytest.raises(jwt.NotAToken):
        jwt.parse(jwt.sign(CLAIMS, RSA, "one", crit=["exp"]))


@settings(max_examples=200, deadline=None)
@given(st.text(string.ascii_letters + string.digits + "-_=.+/\x00é", max_size=80))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    try:
        token = jwt.parse(text)
    except jwt.NotAToken:
        return
    assert not jwt.verify(token, jwt.public_jwk(RSA, "one"))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_changed_character_is_noticed(data: st.DataObject) -> None:
    text = SIGNED
    place = data.draw(st.integers(0, text.rindex(".") - 1).filter(lambda n: text[n] != "."))
    letter = data.draw(st.sampled_from(string.ascii_letters).filter(lambda c: c != text[place]))
    changed = text[:place] + letter + text[place + 1 :]
    try:
        token = jwt.parse(changed)
    except jwt.NotAToken:
        return
    assert not jwt.verify(token, jwt.public_jwk(RSA, "one"))


SIGNED = jwt.sign(CLAIMS, RSA, "one")
