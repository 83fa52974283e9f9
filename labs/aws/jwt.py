"""JSON Web Tokens as OIDC issuers sign them: JWS compact form, RSA and EC keys, and their public half as a JWK set.

A token is read (:func:`parse`) before it is believed (:func:`verify`): its ``iss`` says whose keys to fetch.  The
algorithm must fit the *key*, so a token can choose neither ``none`` nor an HMAC over the public key.  Not here: JWE,
nested tokens, ``crit`` headers (refused), HMAC.

Sources: RFC 7515 (JWS), RFC 7517 (JWK), RFC 7518 (JWA), RFC 7519 (JWT), RFC 8725 (JWT best current practices).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

MAX_LENGTH = 20_000  # characters: STS takes no longer WebIdentityToken (AssumeRoleWithWebIdentity, STS API Reference)
_HASHES: Mapping[str, type[hashes.HashAlgorithm]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}
_CURVES: Mapping[str, tuple[str, type[ec.EllipticCurve], int]] = {  # algorithm -> JWK name, curve, bytes of a number
    "ES256": ("P-256", ec.SECP256R1, 32),
    "ES384": ("P-384", ec.SECP384R1, 48),
    "ES512": ("P-521", ec.SECP521R1, 66),
}
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class NotAToken(ValueError):
    """The text is no signed JWT."""


@dataclass(frozen=True)
class Token:
    """A token that was read and not verified.  ``claims`` are what it says of itself."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def key_id(self) -> str:
        """``kid``, "" where the header has none."""
        value = self.header.get("kid")
        return value if isinstance(value, str) else ""


def new_key(kind: str = "RSA") -> PrivateKey:
    """A fresh signing key: ``RSA`` (2048 bits, what Kubernetes and GitHub use) or ``EC`` (P-256)."""
    if kind == "EC":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def sign(claims: Mapping[str, Any], key: PrivateKey, key_id: str, **header: Any) -> str:
    """A signed token.

    :param header: further or overriding header members (``typ``)
    """
    algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    head = {"alg": algorithm, "kid": key_id, "typ": "JWT", **header}
    signed = b".".join(_encode(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    else:
        numbers = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
        signature = b"".join(number.to_bytes(32, "big") for number in numbers)
    return (signed + b"." + _encode(signature)).decode()


def parse(text: str) -> Token:
    """Read a token without believing it.

    :raises NotAToken: not three parts of base64url, no JSON objects inside, too long, or a header this cannot honour
    """
    parts = text.split(".")
    if len(parts) != 3 or len(text) > MAX_LENGTH:
        raise NotAToken("a JWT has three parts")
    header, claims = (_object(part) for part in parts[:2])
    if "crit" in header or not isinstance(header.get("alg"), str):
        raise NotAToken("the header names no algorithm, or demands extensions")
    return Token(header, claims, f"{parts[0]}.{parts[1]}".encode("ascii"), _decode(parts[2]))


def verify(token: Token, key: Mapping[str, Any]) -> bool:
    """Whether ``key`` (a JWK) signed the token, with an algorithm that belongs to a key of this kind."""
    algorithm = token.header["alg"]
    digest = _HASHES.get(algorithm[2:])
    if digest is None or key.get("use", "sig") != "sig" or key.get("alg", algorithm) != algorithm:
        return False
    try:
        public = public_key(key)
        if isinstance(public, rsa.RSAPublicKey):
            if not algorithm.startswith("RS") or public.key_size < 2048:
                return False
            public.verify(token.signature, token.signed, padding.PKCS1v15(), digest())
            return True
        name, _, width = _CURVES.get(algorithm, ("", None, 0))
        if key.get("crv") != name or len(token.signature) != 2 * width:
            return False
        numbers = (int.from_bytes(half, "big") for half in (token.signature[:width], token.signature[width:]))
        public.verify(encode_dss_signature(*numbers), token.signed, ec.ECDSA(digest()))
    except (InvalidSignature, ValueError):  # ValueError: a key that OpenSSL will not work with; NotAToken is one
        return False
    return True


def public_jwk(key: PrivateKey, key_id: str) -> dict[str, str]:
    """The public half of a signing key, as it stands in a JWK set."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return {
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": key_id, "n": _number(numbers.n), "e": _number(numbers.e),
        }  # fmt: skip
    point = key.public_key().public_numbers()
    return {
        "kty": "EC", "alg": "ES256", "use": "sig", "kid": key_id, "crv": "P-256",
        "x": _number(point.x, 32), "y": _number(point.y, 32),
    }  # fmt: skip


def public_key(jwk: Mapping[str, Any]) -> PublicKey:
    """The key of a JWK.

    :raises NotAToken: of a kind that no issuer here signs with, or damaged
    """
    try:
        if jwk.get("kty") == "RSA":
            modulus, exponent = (int.from_bytes(_decode(jwk[name]), "big") for name in ("n", "e"))
            return rsa.RSAPublicNumbers(exponent, modulus).public_key()
        if jwk.get("kty") == "EC":
            curve = next(kind for name, kind, _ in _CURVES.values() if name == jwk.get("crv"))
            x, y = (int.from_bytes(_decode(jwk[name]), "big") for name in ("x", "y"))
            return ec.EllipticCurvePublicNumbers(x, y, curve()).public_key()
    except (KeyError, ValueError, StopIteration) as error:
        raise NotAToken(f"damaged key: {error}") from error
    raise NotAToken(f"keys of type {jwk.get('kty')!r} do not sign tokens")


def _object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_decode(part))
    except (ValueError, RecursionError) as error:
        raise NotAToken(str(error)) from error
    if not isinstance(value, dict):
        raise NotAToken("header and claims are JSON objects")
    return value


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decode(text: Any) -> bytes:
    if not isinstance(text, str) or not text.isascii() or set(text) & set("+/="):
        raise NotAToken("base64url without padding is expected")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise NotAToken(str(error)) from error


def _number(value: int, width: int = 0) -> str:
    return _encode(value.to_bytes(width or (value.bit_length() + 7) // 8, "big")).decode()
