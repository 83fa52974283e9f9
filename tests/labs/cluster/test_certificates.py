"""cert-manager and pebble beside a real cluster: names are proved, lies refused, kills survived."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from labs.cluster.certificates import authorities, manifests
from labs.cluster.ingress.flags import Listeners
from labs.services import control, launch
from tests.labs.cluster import waiting
from tests.labs.cluster.network.pods import Kubectl, apply, server, service, wait_ready
from tests.programs import CERTIFICATES, need

pytestmark = pytest.mark.timeout(240)
NODES = 1
WITHIN = 90.0
"""Seconds for a certificate by ACME: cert-manager itself looks at a challenge five times, two seconds apart."""
Object = dict[str, Any]


@pytest.fixture(scope="module")
def https(cluster_home: Path, kubectl: Kubectl) -> int:
    """Port of the ingress for HTTPS; cert-manager and pebble run, and a pod behind a Service."""
    need(*CERTIFICATES)
    control.up(["certificates"])
    apply(kubectl, server("web"), service("web", {"app": "web"}))
    wait_ready(kubectl, "web")
    return Listeners.read(cluster_home).https


def certificate(name: str, host: str, issuer: str = manifests.INTERNAL, **spec: Any) -> Object:
    """A Certificate whose Secret has its own name."""
    return {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": name},
            "spec": {"secretName": name, "dnsNames": [host], "issuerRef": {"kind": "ClusterIssuer", "name": issuer},
                     **spec}}


def ingress(name: str, host: str, annotations: dict[str, str] | None = None) -> Object:
    """An Ingress with TLS from the Secret of its own name."""
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": name, "annotations": annotations or {}},
            "spec": {"tls": [{"hosts": [host], "secretName": name}],
                     "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix",
                                                                  "backend": backend}]}}]}}


def verified(home: Path, port: int, host: str) -> x509.Certificate:
    """What the ingress shows for a name, checked against the file of roots; raises ssl.SSLError."""
    context = ssl.create_default_context(cafile=str(authorities.trust(home)))
    with socket.create_connection(("127.0.0.1", port), 10) as plain, \
            context.wrap_socket(plain, server_hostname=host) as made:
        leaf = made.getpeercert(binary_form=True)
    assert leaf is not None
    return x509.load_der_x509_certificate(leaf)


def served(home: Path, port: int, host: str) -> x509.Certificate:
    """The same, once it is right."""
    found: list[x509.Certificate] = []

    def right() -> bool:
        try:
            found[:] = [verified(home, port, host)]
        except ssl.SSLError:
            return False
        return True

    waiting.until(right, f"a certificate for {host} that verifies", WITHIN)
    return found[0]


def test_the_webhook_refuses_what_no_authority_could_issue(https: int, kubectl: Kubectl) -> None:
    said = apply_refused(kubectl, certificate("nobody", "x.shop.test", dnsNames=[]))
    assert re.search(r'admission webhook "webhook\.cert-manager\.io" denied the request.*at least one', said), said
    said = apply_refused(kubectl, certificate("brief", "x.shop.test", duration="10m"))
    assert "must be greater than 1h0m0s" in said


def apply_refused(kubectl: Kubectl, item: Object) -> str:
    """What kubectl says when the API server does not take it."""
    done = kubectl("apply", "-f", "-", stdin=json.dumps(item), status=None)
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_the_internal_authority_issues_a_chain_that_verifies(https: int, cluster_home: Path, kubectl: Kubectl) -> None:
    apply(kubectl, certificate("internal", "internal.shop.test"), ingress("internal", "internal.shop.test"))
    shown = served(cluster_home, https, "internal.shop.test")
    assert shown.issuer.rfc4514_string() == f"CN={authorities.INTERMEDIATE}"


def test_a_certificate_is_renewed_before_it_ends(https: int, cluster_home: Path, kubectl: Kubectl) -> None:
    apply(kubectl, ingress("short", "short.shop.test"),
          certificate("short", "short.shop.test", duration="1h", renewBefore="59m55s",
                      privateKey={"rotationPolicy": "Always"}))
    first = served(cluster_home, https, "short.shop.test")
    waiting.until(lambda: verified(cluster_home, https, "short.shop.test").serial_number != first.serial_number,
                  "another serial number", WITHIN)


@pytest.mark.long
def test_an_annotated_ingress_gets_its_certificate_by_http01_also_from_a_restarted_authority(
    https: int, cluster_home: Path, kubectl: Kubectl
) -> None:
    asked = {"cert-manager.io/cluster-issuer": manifests.ACME}
    apply(kubectl, ingress("first", "first.shop.test", asked))
    shown = served(cluster_home, https, "first.shop.test")
    assert shown.issuer.rfc4514_string().startswith("CN=Pebble Intermediate CA")
    assert re.search(r"first\.shop\.test.*acme-challenge", (cluster_home / "logs" / "ingress.log").read_text())

    root = authorities.acme_root(cluster_home).read_text()
    for pid in launch.find(str(cluster_home), "acme"):
        os.kill(pid, signal.SIGKILL)
    waiting.until(lambda: authorities.trusted(cluster_home) and authorities.acme_root(cluster_home).read_text() != root,
                  "another root of pebble's", WITHIN)
    served(cluster_home, https, "first.shop.test")      # what the old root vouches for still verifies
    apply(kubectl, ingress("second", "second.shop.test", asked))
    served(cluster_home, https, "second.shop.test")


def test_down_leaves_no_process_and_the_next_up_keeps_the_internal_authority(https: int, cluster_home: Path) -> None:
    chain = authorities.internal(cluster_home)[0]
    control.down(["certificates"])
    assert not launch.find(str(cluster_home), "acme") + launch.find(str(cluster_home), "certificates")
    control.up(["certificates"])
    assert authorities.internal(cluster_home)[0] == chain
