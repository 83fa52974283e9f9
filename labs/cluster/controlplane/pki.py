"""Certificates and keys of one cluster, in one folder, made once.

Two authorities: ``ca`` for everybody, ``front-proxy-ca`` for the one client that may speak for others (the aggregation
layer).  Pairs are ``NAME.crt`` and ``NAME.key``; ``sa.key`` and ``sa.pub`` sign and check service-account tokens (RSA,
since what reads OIDC tokens expects RS256).  Who is who: "PKI certificates and requirements" (Kubernetes
documentation).  They hold for ten years: a lab's cluster is thrown away before.
"""

from __future__ import annotations

import datetime
import fcntl
import ipaddress
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from labs.cluster.identity import issuer

LIFETIME = datetime.timedelta(days=3650)
CLUSTERS = 11
"""How many clusters one machine may have side by side, each with ranges of its own (see ``flags.Place``)."""
SERVICE_ADDRESS = "10.96.0.1"
"""Of the Service ``kubernetes``: the first of the cluster's service range."""
API_SERVER_NAMES = (
    "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
    "127.0.0.1", *(f"{first}.{96 + number}.0.1" for number in range(CLUSTERS) for first in (10, 127)))


@dataclass(frozen=True)
class Identity:
    """A certificate to be made: whom it names, and under which names it serves (none: a client only)."""

    name: str
    common_name: str
    organization: str = ""
    serves: tuple[str, ...] = ()
    authority: str = "ca"
    client: bool = True


IDENTITIES = (
    Identity("apiserver", "kube-apiserver", serves=API_SERVER_NAMES, client=False),
    Identity("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
    Identity("front-proxy-client", "front-proxy-client", authority="front-proxy-ca"),
    Identity("admin", "kubernetes-admin", "system:masters"),
    Identity("controller-manager", "system:kube-controller-manager", serves=("localhost", "127.0.0.1")),
    Identity("scheduler", "system:kube-scheduler", serves=("localhost", "127.0.0.1")),
    Identity("issuer", issuer.HOST, serves=(issuer.HOST,), client=False),
    Identity("nodes", "labs:nodes", serves=("localhost", "127.0.0.1")),
    Identity("certificates", "labs:certificates", serves=("localhost", "127.0.0.1"), client=False),
)


def ensure(folder: Path) -> Path:
    """Make all certificates and keys in ``folder`` that are not there; at first all of them or none.  Returns it."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with folder.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)        # making them takes half a second
        if not folder.is_dir():
            fresh = folder.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o700)
            _make_all(fresh)
            fresh.rename(folder)
        _add_missing(folder)
    return folder


def _add_missing(folder: Path) -> None:
    """Make what a newer version needs and the one that made the folder did not: its key appears before its
    certificate, each whole.
    """
    for identity in IDENTITIES:
        if not (folder / f"{identity.name}.crt").exists():
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="pki.") as fresh:
                _certificate(Path(fresh), identity, *_known_authority(folder, identity.authority))
                for kind in ("key", "crt"):
                    Path(fresh, f"{identity.name}.{kind}").replace(folder / f"{identity.name}.{kind}")


def _known_authority(folder: Path, name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes()), key


def _make_all(folder: Path) -> None:
    authorities = {name: _authority(folder, name) for name in ("ca", "front-proxy-ca")}
    for identity in IDENTITIES:
        _certificate(folder, identity, *authorities[identity.authority])
    signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _write(folder / "sa.key", _private(signing))
    _write(folder / "sa.pub", signing.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))


def _authority(folder: Path, name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name({"ca": "kubernetes", "front-proxy-ca": "front-proxy"}[name])
    made = (
        _builder(subject, subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256()))
    _write(folder / f"{name}.crt", made.public_bytes(serialization.Encoding.PEM))
    _write(folder / f"{name}.key", _private(key))
    return made, key


def _certificate(
    folder: Path, identity: Identity, authority: x509.Certificate, signer: ec.EllipticCurvePrivateKey
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH] if identity.client else []
    purposes += [ExtendedKeyUsageOID.SERVER_AUTH] if identity.serves else []
    builder = (
        _builder(_name(identity.common_name, identity.organization), authority.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
            authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value), critical=False))
    if identity.serves:
        builder = builder.add_extension(x509.SubjectAlternativeName(_names(identity.serves)), critical=False)
    _write(folder / f"{identity.name}.crt",
           builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    _write(folder / f"{identity.name}.key", _private(key))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False))


def _name(common_name: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _names(names: Iterable[str]) -> list[x509.GeneralName]:
    return [x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]


def _usage(signs_certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=signs_certificates, crl_sign=signs_certificates, encipher_only=False,
        decipher_only=False)


def _private(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def _write(path: Path, text: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if path.suffix == ".key" else 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
