"""A learner's own certificate authority: the same seed makes the same keys and certificates, on every machine.

So an attempt of a grader has the certificates that the learner's lab has, without anybody sending a key.  Elliptic
curves, signed as RFC 6979 has it.  For labs only: who knows the seed knows the keys.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from labs.scenarios.base import digest

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the curve P-256 (SEC 2, "Recommended Elliptic Curve Domain Parameters")."""
BEGINS = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
ENDS = datetime.datetime(2046, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in PEM."""

    certificate: str
    key: str


class Authority:
    """One learner's authority.

    :param seed: the learner's
    :param name: of the authority, as its certificate has it
    :param above: the authority that vouches for it; it vouches for itself when None
    :param depth: how many authorities may be below it
    """

    def __init__(self, seed: bytes, name: str, above: Authority | None = None, depth: int = 0) -> None:
        self._seed, self._name = seed, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._label = "authority" if above is None and depth == 0 else f"authority {name}"
        self._key, self._above, self._depth = self._made(self._label), above or self, depth

    @property
    def certificate(self) -> str:
        """Its own, in PEM: what a browser must trust."""
        made = self._above._begun(self._label, self._name, self._key, BEGINS, ENDS).add_extension(
            x509.BasicConstraints(ca=True, path_length=self._depth), critical=True)
        return self._above._signed(made)

    def issue(self, host: str, begins: datetime.datetime = BEGINS, ends: datetime.datetime = ENDS,
              names: Sequence[str] = ()) -> Pair:
        """A certificate for one host.

        :param names: its alternative names where they are not the host
        """
        label = " ".join([host, *names, f"{begins:%Y%m%d} {ends:%Y%m%d}"])
        key = self._made(label)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        made = (
            self._begun(label, subject, key, begins, ends)
            .add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, names or [host])]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False))
        text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                 serialization.NoEncryption())
        return Pair(self._signed(made), text.decode())

    def _made(self, label: str) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(int(digest(self._seed, f"key {label}"), 16) % (ORDER - 1) + 1, ec.SECP256R1())

    def _begun(self, label: str, subject: x509.Name, key: ec.EllipticCurvePrivateKey, begins: datetime.datetime,
               ends: datetime.datetime) -> x509.CertificateBuilder:
        public = self._key.public_key()
        return (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
            .serial_number(int(digest(self._seed, f"serial {label}")[:30], 16) + 1)
            .not_valid_before(begins).not_valid_after(ends)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False))

    def _signed(self, made: x509.CertificateBuilder) -> str:
        certificate = made.sign(self._key, hashes.SHA256(), ecdsa_deterministic=True)
        return certificate.public_bytes(serialization.Encoding.PEM).decode()
