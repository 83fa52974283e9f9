"""The fault switch: what the lab breaks in a running shop, and heals again.

Only who holds the lab's private key can flip it: the pod knows the public key alone, so neither customers nor somebody
who can read the pod's environment can.  Every fault ends by itself after its time.  The state is in ``/metrics``.

    GET    /faults             what is active
    PUT    /faults/NAME        {"seconds": 30, …}
    DELETE /faults/NAME        heal it

    latency   median, p99 (ms, log-normal), share (of requests, default 1)
    errors    rate (0…1), status (500…599, default 500)
    leak      megabytes_per_second; healing gives the memory back
    block     the event loop does nothing at all for that long
    outage    dependency: every call of it fails

A request is signed with Ed25519 over its method, path, time, a number used once, and the SHA-256 of its body.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labs.shop.errors import Unavailable
from labs.shop.telemetry import Metrics

log = logging.getLogger("shop.faults")

KINDS = ("latency", "errors", "leak", "block", "outage")
LONGEST, LONGEST_BLOCK = 3600.0, 120.0  # seconds
MOST_MEGABYTES_PER_SECOND = 200.0
SKEW = 30.0  # seconds that two clocks may differ, and that a nonce is remembered
TICK = 0.1  # seconds between two steps of a leak
LARGEST = 2_000  # bytes of a request's body
Z99 = 2.3263  # the standard normal's 99th percentile


def message(method: str, path: str, when: str, nonce: str, body: bytes) -> bytes:
    """What is signed."""
    return "\n".join((method, path, when, nonce, hashlib.sha256(body).hexdigest())).encode()


@dataclass
class _Active:
    until: float
    asked: Mapping[str, Any] = field(default_factory=dict)


class Faults:
    """The faults of one process.

    :param error_share: of the requests that end in status 500 as long as the process lives: a build that is broken
    """

    def __init__(
        self, public_key: str, metrics: Metrics, error_share: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._error_share = error_share
        self._key, self._clock = public_key, clock
        self._active: dict[str, _Active] = {}
        self._leaked: list[bytearray] = []
        self._leaking: asyncio.Task[None] | None = None
        self._nonces: dict[str, float] = {}
        for kind in KINDS if public_key else ():
            metrics.fault.labels(kind).set_function(lambda kind=kind: float(self.asked(kind) is not None))

    def asked(self, kind: str) -> Mapping[str, Any] | None:
        """The parameters of a fault, ``None`` when it is not active."""
        active = self._active.get(kind)
        if active is None or self._clock() >= active.until:
            return None
        return active.asked

    async def before_request(self) -> int:
        """Wait as long as the fault says; a status to answer with, or 0."""
        if random.random() < self._error_share:
            return 500
        if not self._active:
            return 0
        slow = self.asked("latency")
        if slow is not None and random.random() < slow["share"]:
            sigma = math.log(slow["p99"] / slow["median"]) / Z99
            await asyncio.sleep(random.lognormvariate(math.log(slow["median"]), sigma) / 1000)
        wrong = self.asked("errors")
        return int(wrong["status"]) if wrong is not None and random.random() < wrong["rate"] else 0

    def reach(self, dependency: str) -> None:
        """Raise Unavailable while this dependency is out."""
        out = self.asked("outage")
        if out is not None and out["dependency"] == dependency:
            raise Unavailable(f"no connection to {dependency}")

    def set(self, kind: str, asked: Mapping[str, Any]) -> None:
        """Begin a fault, or change it.

        :raises ValueError: says what was expected
        """
        seconds, checked = _checked(kind, asked)
        self._active[kind] = _Active(self._clock() + seconds, checked)
        log.warning("fault set", extra={"fault": kind, "seconds": seconds})
        loop = asyncio.get_running_loop()
        if kind == "block":
            loop.call_later(0.05, time.sleep, seconds)  # after the answer has left
        if kind == "leak" and self._leaking is None:
            self._leaking = loop.create_task(self._leak())

    def heal(self, kind: str) -> None:
        """End a fault; does nothing for one that is not active."""
        if self._active.pop(kind, None) is not None:
            log.warning("fault healed", extra={"fault": kind})

    async def _leak(self) -> None:
        while (asked := self.asked("leak")) is not None:
            size = int(asked["megabytes_per_second"] * 2**20 * TICK)
            self._leaked.append(bytearray(b"x") * size)  # written, not only reserved
            await asyncio.sleep(TICK)
        self._leaked.clear()
        self._leaking = None

    def routes(self) -> list[Route]:
        """The switch's routes; none without a key."""
        if not self._key:
            return []
        return [
            Route("/faults", self._list),
            Route("/faults/{kind}", self._set, methods=["PUT"]),
            Route("/faults/{kind}", self._heal, methods=["DELETE"]),
        ]

    async def _list(self, request: Request) -> Response:
        return await self._signed(request, lambda body: None)

    async def _set(self, request: Request) -> Response:
        return await self._signed(request, lambda body: self.set(request.path_params["kind"], json.loads(body)))

    async def _heal(self, request: Request) -> Response:
        return await self._signed(request, lambda body: self.heal(request.path_params["kind"]))

    async def _signed(self, request: Request, act: Callable[[bytes], None]) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST:
                return JSONResponse({"error": "the body is too large"}, 413)
        if why := self._refusal(request, body):
            log.warning("fault switch refused", extra={"reason": why})
            return JSONResponse({"error": why}, 401)
        try:
            act(body)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        now = self._clock()
        left = {kind: (one.until - now, one.asked) for kind, one in self._active.items() if one.until > now}
        return JSONResponse({"active": {k: {"seconds_left": round(s, 1), **asked} for k, (s, asked) in left.items()}})

    def _refusal(self, request: Request, body: bytes) -> str:
        """Why a request may not flip the switch, "" when it may."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        when, nonce = request.headers.get("x-fault-time", ""), request.headers.get("x-fault-nonce", "")
        try:
            old = abs(time.time() - float(when)) > SKEW
            signature = bytes.fromhex(request.headers.get("x-fault-signature", ""))
        except ValueError:
            return "not signed"
        signed = message(request.method, request.url.path, when, nonce, body)
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(self._key)).verify(signature, signed)
        except InvalidSignature:
            return "the signature is wrong"
        now = time.time()
        self._nonces = {known: seen for known, seen in self._nonces.items() if now - seen < 2 * SKEW}
        if old or nonce in self._nonces or len(nonce) < 16:
            return "the request is too old, or was used before"
        self._nonces[nonce] = now
        return ""


def _checked(kind: str, asked: Any) -> tuple[float, dict[str, Any]]:
    """Seconds and parameters of a fault."""
    if kind not in KINDS:
        raise ValueError(f"there is no fault {kind}; there are {', '.join(KINDS)}")
    if not isinstance(asked, dict):
        raise ValueError("the body must be a JSON object")
    seconds = _number(asked, "seconds", None, 0.01, LONGEST_BLOCK if kind == "block" else LONGEST)
    if kind == "latency":
        median = _number(asked, "median", None, 0.1, 60_000)
        p99 = _number(asked, "p99", median, median, 60_000)
        return seconds, {"median": median, "p99": p99, "share": _number(asked, "share", 1.0, 0, 1)}
    if kind == "errors":
        status = int(_number(asked, "status", 500, 500, 599))
        return seconds, {"rate": _number(asked, "rate", None, 0, 1), "status": status}
    if kind == "leak":
        rate = _number(asked, "megabytes_per_second", None, 0.01, MOST_MEGABYTES_PER_SECOND)
        return seconds, {"megabytes_per_second": rate}
    if kind == "outage":
        dependency = asked.get("dependency")
        if not isinstance(dependency, str):
            raise ValueError("dependency must be a name, such as database or backend")
        return seconds, {"dependency": dependency}
    return seconds, {}


def _number(asked: Mapping[str, Any], name: str, default: float | None, least: float, most: float) -> float:
    value = asked.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name} must be a number from {least:g} to {most:g}")
    return float(value)
