"""The internal certificate authority (a root and an intermediate, made once) and the file of roots to trust.

Everything is in the folder ``certificates`` of the state folder: ``trust.pem`` has the internal root and pebble's, the
newest first, also those of earlier starts, whose certificates are still served.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from labs.services import state

ROOT, INTERMEDIATE = "Labs internal root", "Labs internal intermediate"
YEARS = {ROOT: 10, INTERMEDIATE: 5}
KEPT = 8
"""Roots of pebble's that stay trusted."""
Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def folder(home: Path) -> Path:
    """Where they are; made where it is missing."""
    place = home / "certificates"
    place.mkdir(exist_ok=True, mode=0o700)
    return place


def trust(home: Path) -> Path:
    """The file of roots to trust; PEM."""
    return home / "certificates" / "trust.pem"


def acme_root(home: Path) -> Path:
    """Where pebble writes its root."""
    return home / "certificates" / "acme-root.pem"


def internal(home: Path) -> tuple[str, str]:
    """The intermediate's (chain with the root, key), PEM; both are made where they are missing."""
    place = folder(home)
    chain, key = place / "internal.crt", place / "internal.key"
    if not chain.exists():
        root = make(ROOT)
        intermediate = make(INTERMEDIATE, root)
        state.write_private(key, private(intermediate[1]))
        state.write_private(chain, pem(intermediate[0]) + pem(root[0]))
    return chain.read_text(encoding="ascii"), key.read_text(encoding="ascii")


def make(name: str, issuer: Pair | None = None) -> Pair:
    """An authority with a key of its own, signed by another or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    signer, by = (issuer[1], issuer[0].subject) if issuer else (key, subject)
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                           "encipher_only", "decipher_only"), False)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS.get(name, 5)))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None if issuer is None else 0), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256()))
    return made, key


def pem(certificate: x509.Certificate) -> str:
    """As text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def private(key: ec.EllipticCurvePrivateKey) -> str:
    """A key as text, PKCS #8."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode("ascii")


def trusted(home: Path) -> bool:
    """Is pebble's present root in the file of roots?"""
    try:
        return acme_root(home).read_text(encoding="ascii") in trust(home).read_text(encoding="ascii")
    except FileNotFoundError:
        return False


def remember(home: Path) -> None:
    """Write the file of roots anew, with pebble's present one first."""
    root = acme_root(home).read_text(encoding="ascii")
    ours = pem(x509.load_pem_x509_certificates(internal(home)[0].encode())[-1])
    old = trust(home).read_bytes() if trust(home).exists() else b""
    known = [pem(each) for each in x509.load_pem_x509_certificates(old)] if old else []
    roots = [each for each in dict.fromkeys([root, *known]) if each != ours]
    state.write_private(trust(home), "".join([ours, *roots[:KEPT]]))
