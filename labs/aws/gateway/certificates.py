"""The certificate of the HTTPS listener, and the authority that signs it; both made on first use, kept in the home.

Clients trust it by ``AWS_CA_BUNDLE=HOME/aws/ca.pem`` (boto3, the AWS CLI).
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAYS = 365
RENEWED_BEFORE = 30
"""Days a certificate is valid, and days before its end at which a new pair is made."""
NAMES = ("localhost", "*.localhost", "*.s3.localhost")  # virtual-host buckets included
ADDRESSES = tuple(ipaddress.ip_address(each) for each in ("127.0.0.1", "169.254.170.23"))
"""The second is where nodes of a kind cluster find the endpoint (``labs.cluster.drivers.kind``)."""


def authority_file(folder: Path) -> Path:
    """Where the authority's certificate is, for ``AWS_CA_BUNDLE``."""
    return folder / "ca.pem"


def ensure(folder: Path) -> Path:
    """The file with the listener's certificate and key; makes it and the authority's in ``folder`` unless fresh ones
    are there."""
    authority, server = authority_file(folder), folder / "https.pem"
    if not (authority.is_file() and server.is_file() and _fresh(server)):
        _make(authority, server)
    return server


def _fresh(server: Path) -> bool:
    try:
        certificate = x509.load_pem_x509_certificates(server.read_bytes())[0]
    except ValueError:
        return False
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    complete = set(ADDRESSES) <= set(named.get_values_for_type(x509.IPAddress))
    return complete and left > datetime.timedelta(days=RENEWED_BEFORE)


def _make(authority: Path, server: Path) -> None:
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name("Production labs, local authority")
    ca = (
        _builder(issuer, issuer, ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in NAMES]
    alternatives.extend(x509.IPAddress(each) for each in ADDRESSES)
    certificate = (
        _builder(_name("127.0.0.1"), issuer, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # The authority's key is not kept: nobody can make further certificates that its users would trust.
    _write(authority, ca.public_bytes(serialization.Encoding.PEM), 0o644)
    _write(server, certificate.public_bytes(serialization.Encoding.PEM) + private, 0o600)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    """Signing handshakes (a server), or certificates (an authority)."""
    return x509.KeyUsage(
        digital_signature=sign,
        key_cert_sign=not sign,
        crl_sign=not sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace ``path`` in one step, never readable by others than ``mode`` says."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.replace(path)
