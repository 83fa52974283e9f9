"""Pod certificates whose time comes; with an API server: ``test_volumes``."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from labs.cluster.nodes import trust
from labs.cluster.nodes.environment import ConfigError
from labs.cluster.nodes.trust import Certificates, text
from tests.labs.cluster.test_volumes import Authority

POD = {"metadata": {"namespace": "shop", "name": "cart", "uid": "u"}, "spec": {}}
WANTED = {"signerName": "shop.example/identity", "keyType": "ED25519", "keyPath": "key",
          "certificateChainPath": "chain"}


class Server:
    """An API server with a signer: grants what is asked, until it is told otherwise."""

    def __init__(self) -> None:
        self.authority, self.grants, self.renew_at = Authority("shop"), True, 0.0
        self.requests: list[Any] = []

    async def create(self, path: str, body: Any) -> Any:
        self.requests.append(body)
        return {"metadata": {"name": f"req-{len(self.requests)}"}}

    async def get(self, path: str) -> Any:
        if "podcertificaterequests" not in path:
            return {"metadata": {"uid": "of-" + path.rpartition("/")[2]}}
        if not self.grants:
            return {"status": {"conditions": [{"type": "Denied", "status": "True", "reason": "Late", "message": "no"}]}}
        begin = datetime.fromtimestamp(self.renew_at, UTC).isoformat()
        return {"status": {**self.authority.issue(self.requests[-1]), "beginRefreshAt": begin}}


def files(certificates: Certificates) -> dict[str, bytes]:
    return asyncio.run(certificates.files(WANTED, "identity/0"))


def test_another_certificate_is_asked_for_when_its_time_comes() -> None:
    server = Server()
    certificates = Certificates(server, POD, "node-a")  # type: ignore[arg-type]
    server.renew_at = time.time() + 600
    first = files(certificates)
    assert files(certificates) == first
    assert len(server.requests) == 1
    certificates._held["identity/0"].renew_at = time.time() - 1
    second = files(certificates)
    assert len(server.requests) == 2
    assert second["key"] != first["key"]
    assert second["chain"] != first["chain"]


def test_one_that_is_not_renewed_stays_and_is_asked_for_again_later() -> None:
    server = Server()
    certificates = Certificates(server, POD, "node-a")  # type: ignore[arg-type]
    first = files(certificates)     # its time has come already
    server.grants = False
    assert files(certificates) == first
    assert len(server.requests) == 2
    assert files(certificates) == first
    assert len(server.requests) == 2, "not at once"
    server.grants, certificates._held["identity/0"].renew_at = True, 0.0
    assert files(certificates) != first
    assert len(server.requests) == 3


def test_without_an_older_one_a_denial_is_an_error() -> None:
    server = Server()
    server.grants = False
    with pytest.raises(ConfigError, match="req-1 is denied: Late: no"):
        files(Certificates(server, POD, "node-a"))  # type: ignore[arg-type]


def test_a_signer_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "ISSUED_WITHIN", 0.0)
    server = Server()
    monkeypatch.setattr(server.authority, "issue", lambda request: {})
    certificates = Certificates(server, POD, "node-a")  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"shop\.example/identity has not answered .* req-1 yet"):
            files(certificates)
    assert len(server.requests) == 1, "it still waits for the first"


def test_selectors_become_queries() -> None:
    expressions = [{"key": "a", "operator": "In", "values": ["x", "y"]},
                   {"key": "b", "operator": "NotIn", "values": ["z"]},
                   {"key": "c", "operator": "Exists"}, {"key": "d", "operator": "DoesNotExist"}]
    assert text({"matchLabels": {"k": "v"}, "matchExpressions": expressions}) == "k=v,a in (x,y),b notin (z),c,!d"
    assert text({}) == ""
