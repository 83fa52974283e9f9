"""Projected volumes of certificates: trust anchors (clusterTrustBundle), a pod's own key and chain (podCertificate).

"Projected Volumes", "Certificates and Certificate Signing Requests", sections "Cluster trust bundles" and "Pod
Certificates" (Kubernetes documentation; both stable since 1.37).  Signers are somebody else's programs: the node makes
the key, asks with a PodCertificateRequest, and waits for what is written into its status.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from labs.cluster.nodes.api import Client, Object, Refused
from labs.cluster.nodes.environment import ConfigError

ROOT = "/apis/certificates.k8s.io/v1"
KEYS: dict[str, Callable[[], Any]] = {
    "RSA3072": lambda: rsa.generate_private_key(65537, 3072),
    "RSA4096": lambda: rsa.generate_private_key(65537, 4096),
    "ECDSAP256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ECDSAP384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ECDSAP521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ED25519": ed25519.Ed25519PrivateKey.generate,
}
"""What a pod may ask for as ``keyType``."""
OPTIONAL = {"maxExpirationSeconds": "maxExpirationSeconds", "userAnnotations": "unverifiedUserAnnotations"}
"""Fields of the source that become fields of the request."""
ISSUED_WITHIN = 3.0
LOOKED_EVERY = 0.2
ASKED_AGAIN_AFTER = 60.0
"""Seconds: until a volume waits for its next turn, between two looks, and after a renewal that was not granted."""
Get = Callable[..., Awaitable[Object | None]]
"""(path, **query) → an object or a list; None where there is none."""


async def anchors(get: Get, wanted: Object) -> bytes:
    """The certificates that a ``clusterTrustBundle`` source chooses, each once, as PEM.

    :raises ConfigError: there are none, and they are not optional
    """
    if "name" in wanted:
        found = await get(f"{ROOT}/clustertrustbundles/{wanted['name']}")
        bundles = [found] if found else []
        missing = f'clustertrustbundle "{wanted["name"]}" not found'
    else:
        bundles = await _of_signer(get, wanted)
        missing = f"combination of signerName {wanted['signerName']} and labelSelector matches no clustertrustbundle"
    if not bundles and not wanted.get("optional"):
        raise ConfigError(missing)
    return cleaned("\n".join(each["spec"]["trustBundle"] for each in bundles))


async def _of_signer(get: Get, wanted: Object) -> list[Object]:
    """No selector chooses nothing, an empty one everything of the signer's ("ClusterTrustBundleProjection")."""
    if wanted.get("labelSelector") is None:
        return []
    query = {"fieldSelector": f"spec.signerName={wanted['signerName']}", "labelSelector": text(wanted["labelSelector"])}
    found = await get(f"{ROOT}/clustertrustbundles", **query)
    return list((found or {}).get("items") or [])


def text(selector: Object) -> str:
    """A LabelSelector in the form that a query takes ("Labels and Selectors")."""
    forms = {"In": "{key} in ({values})", "NotIn": "{key} notin ({values})", "Exists": "{key}",
             "DoesNotExist": "!{key}"}
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    parts += [forms[each["operator"]].format(key=each["key"], values=",".join(each.get("values") or []))
              for each in selector.get("matchExpressions") or []]
    return ",".join(parts)


def cleaned(bundle: str) -> bytes:
    """PEM certificates without what stands around them, each once, in a steady order; a chain keeps its own."""
    if not bundle.strip():
        return b""
    found = dict.fromkeys(_pem(each) for each in x509.load_pem_x509_certificates(bundle.encode()))
    return b"".join(found)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@dataclass
class Held:
    """A key, its chain once it is issued, and the Unix time from when on another is asked for."""

    key: bytes
    request: str
    chain: bytes = b""
    renew_at: float = 0.0


class Certificates:
    """The certificates of one pod's volumes.

    :param node: name of its node
    """

    def __init__(self, client: Client, pod: Object, node: str) -> None:
        self._client, self._pod, self._node = client, pod, node
        self._held: dict[str, Held] = {}
        self._asked: dict[str, Held] = {}

    async def files(self, wanted: Object, key: str) -> dict[str, bytes]:
        """By path what a ``podCertificate`` source puts into its volume.

        :param key: of the source among the pod's
        :raises ConfigError: it is not issued (yet), and there is no older one
        """
        held = self._held.get(key)
        if held is None or held.renew_at <= time.time():
            try:
                held = self._held[key] = await self._issued(wanted, key)
            except ConfigError:
                if held is None:
                    raise
                held.renew_at = time.time() + ASKED_AGAIN_AFTER
        made = {"credentialBundlePath": held.key + held.chain, "keyPath": held.key, "certificateChainPath": held.chain}
        return {wanted[field]: content for field, content in made.items() if wanted.get(field)}

    async def _issued(self, wanted: Object, key: str) -> Held:
        namespace = self._pod["metadata"]["namespace"]
        root = f"{ROOT}/namespaces/{namespace}/podcertificaterequests"
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = await self._ask(root, wanted)
        end = time.monotonic() + ISSUED_WITHIN
        while True:
            try:
                status = (await self._client.get(f"{root}/{asked.request}")).get("status") or {}
            except Refused as error:
                del self._asked[key]  # somebody has deleted the request
                raise ConfigError(f"PodCertificateRequest {asked.request}: {error}") from None
            for each in status.get("conditions") or []:
                if each["type"] in ("Denied", "Failed") and each["status"] == "True":
                    if key in self._held:  # the pod goes on with the old one; without any it fails for good
                        del self._asked[key]
                    why = f"{each.get('reason')}: {each.get('message')}"
                    raise ConfigError(f"PodCertificateRequest {asked.request} is {each['type'].lower()}: {why}")
            if status.get("certificateChain"):
                del self._asked[key]
                asked.chain = cleaned(status["certificateChain"])
                asked.renew_at = datetime.fromisoformat(status["beginRefreshAt"]).timestamp()
                return asked
            if time.monotonic() > end:
                raise ConfigError(f"{wanted['signerName']} has not answered PodCertificateRequest {asked.request} yet")
            await asyncio.sleep(LOOKED_EVERY)

    async def _ask(self, root: str, wanted: Object) -> Held:
        """Make a key and a request for a certificate of it."""
        about, spec = self._pod["metadata"], self._pod["spec"]
        account = spec.get("serviceAccountName", "default")
        make = KEYS.get(wanted["keyType"])
        if make is None:
            raise ConfigError(f"this node makes no keys of type {wanted['keyType']}; it makes {', '.join(KEYS)}")
        private = await asyncio.to_thread(make)
        owner = await self._client.get(f"/api/v1/namespaces/{about['namespace']}/serviceaccounts/{account}")
        node = await self._client.get(f"/api/v1/nodes/{self._node}")
        made = await self._client.create(root, {
            "apiVersion": "certificates.k8s.io/v1", "kind": "PodCertificateRequest",
            "metadata": {"generateName": "req-", "namespace": about["namespace"], "ownerReferences": [
                {"apiVersion": "v1", "kind": "Pod", "name": about["name"], "uid": about["uid"]}]},
            "spec": {
                "signerName": wanted["signerName"], "podName": about["name"], "podUID": about["uid"],
                "serviceAccountName": account, "serviceAccountUID": owner["metadata"]["uid"],
                "nodeName": self._node, "nodeUID": node["metadata"]["uid"],
                "stubPKCS10Request": base64.b64encode(_stub(private)).decode(),
                **{theirs: wanted[ours] for ours, theirs in OPTIONAL.items() if wanted.get(ours)},
            },
        })
        pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                    serialization.NoEncryption())
        return Held(pem, made["metadata"]["name"])


def _stub(private: Any) -> bytes:
    """A signing request about nothing, which proves that the key is there."""
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    algorithm = None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return request.sign(private, algorithm).public_bytes(serialization.Encoding.DER)
