"""The lab's side of the fault switch: keys, and signed requests.  See :mod:`labs.shop.faults`."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from labs.errors import PermanentError, TemporaryError
from labs.shop.faults import message

SECONDS = 5.0


class FaultSwitch:
    """Flips faults in shops that know ``public_key``.

    :param private_key: 64 hexadecimal digits; a new one by default
    """

    def __init__(self, private_key: str = "") -> None:
        self.private_key = private_key or secrets.token_hex(32)
        self._key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self.private_key))
        self.public_key = self._key.public_key().public_bytes_raw().hex()

    def set(self, url: str, fault: str, seconds: float, **asked: Any) -> dict[str, Any]:
        """Begin a fault in the shop at this URL; returns what is active there.

        :raises PermanentError: the shop has no switch for this key, or does not understand the fault
        :raises TemporaryError: it did not answer
        """
        return self._call("PUT", url, f"/faults/{fault}", {"seconds": seconds, **asked})

    def heal(self, url: str, fault: str) -> dict[str, Any]:
        """End a fault; errors as for ``set``."""
        return self._call("DELETE", url, f"/faults/{fault}")

    def active(self, url: str) -> dict[str, Any]:
        """The active faults, each with ``seconds_left``; errors as for ``set``."""
        return self._call("GET", url, "/faults")

    def headers(self, method: str, path: str, body: bytes) -> dict[str, str]:
        """The headers of a signed request."""
        when, nonce = f"{time.time():.3f}", secrets.token_hex(12)
        signature = self._key.sign(message(method, path, when, nonce, body)).hex()
        return {"X-Fault-Time": when, "X-Fault-Nonce": nonce, "X-Fault-Signature": signature}

    def _call(self, method: str, url: str, path: str, asked: dict[str, Any] | None = None) -> dict[str, Any]:
        body = json.dumps(asked).encode() if asked is not None else b""
        headers = self.headers(method, path, body)
        try:
            answer = httpx.request(
                method, url.rstrip("/") + path, content=body, headers=headers, timeout=SECONDS, trust_env=False
            )
        except httpx.HTTPError as error:
            raise TemporaryError(f"the shop at {url} did not answer: {type(error).__name__}") from error
        if answer.is_error:
            raise PermanentError(f"the shop at {url} refused {method} {path}: {answer.status_code} {answer.text[:200]}")
        return dict(answer.json()["active"])
