"""The customer's session: a signed cookie with a random id and the cart's id, and the token that its forms carry.

The signing key comes from the environment, or from Secrets Manager with the version before it, or, where neither is
set, from chance: then each process has its own, and a cookie is worth nothing to another one or after a restart.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from labs.shop.config import Settings
from labs.shop.errors import AwsError, Unavailable

log = logging.getLogger("shop.sessions")

COOKIE = "shop_session"
SHAPE = re.compile(r"([0-9a-f]{32})\.([0-9a-f-]{36})?\.([0-9a-f]{64})")
AGAIN_SECONDS = 2.0  # before a failed read of the secret is tried again
ReadKeys = Callable[[], list[bytes]]


@dataclass(frozen=True)
class Session:
    """``id``: 32 hexadecimal digits; ``cart``: the cart's id or ""."""

    id: str
    cart: str = ""

    def with_cart(self, cart: str) -> Session:
        """The same session with another cart."""
        return replace(self, cart=cart)


def signing_keys(settings: Settings) -> ReadKeys:
    """Reads the keys, the current one first."""
    if settings.session_secret_id:
        return lambda: _from_secrets_manager(settings.session_secret_id)
    if not settings.session_secret:
        log.warning("no SHOP_SESSION_SECRET: sessions end with this process and no other replica knows them")
    keys = [(settings.session_secret or secrets.token_hex(32)).encode()]
    return lambda: keys


def _from_secrets_manager(secret_id: str) -> list[bytes]:
    from labs.shop.aws import SecretsManager

    client, keys = SecretsManager(), []
    for stage in ("AWSCURRENT", "AWSPREVIOUS"):
        try:
            keys.append(str(client.get_secret_value(secret_id, stage)["SecretString"]).encode())
        except AwsError as error:
            if stage == "AWSCURRENT" or error.code != "ResourceNotFoundException":
                raise
    return keys


class Sessions:
    """Signs and checks, with keys that are read again after ``seconds``, or when a signature is not known.

    Every method may raise :class:`labs.shop.errors.Unavailable`: the keys were never read.
    """

    def __init__(self, read: ReadKeys, seconds: float) -> None:
        self._read, self._seconds = read, seconds
        self._keys: list[bytes] = []
        self._looked = 0.0
        self._lock = asyncio.Lock()

    async def read(self, cookie: str) -> Session:
        """The session of a cookie; a new one where there is none or its signature is wrong."""
        shape = SHAPE.fullmatch(cookie)
        if shape is not None:
            session = Session(shape[1], shape[2] or "")
            if await self._known(_signed(session), shape[3]):
                return session
        return Session(secrets.token_hex(16))

    async def write(self, session: Session) -> str:
        """The cookie's value."""
        return f"{session.id}.{session.cart}.{_mac((await self._current(self._seconds))[0], _signed(session))}"

    async def token(self, session: Session) -> str:
        """The token for the forms of a session."""
        return _mac((await self._current(self._seconds))[0], f"form.{session.id}")

    async def proves(self, session: Session, token: str) -> bool:
        """Whether a form came from a page of this session."""
        return await self._known(f"form.{session.id}", token)

    async def _known(self, text: str, mac: str) -> bool:
        keys = await self._current(self._seconds)
        if any(hmac.compare_digest(_mac(key, text), mac) for key in keys):
            return True
        again = await self._current(AGAIN_SECONDS)  # another replica may have learned of a rotation before us
        return again != keys and any(hmac.compare_digest(_mac(key, text), mac) for key in again)

    async def _current(self, oldest: float) -> list[bytes]:
        """The keys as read at most ``oldest`` seconds ago, or older ones where reading fails."""
        if self._keys and time.monotonic() - self._looked < oldest:
            return self._keys
        async with self._lock:
            if self._keys and time.monotonic() - self._looked < min(oldest, AGAIN_SECONDS):
                return self._keys
            self._looked = time.monotonic()
            try:
                self._keys = await asyncio.to_thread(self._read)
            except AwsError as error:
                log.error("cannot read the session secret", extra={"reason": str(error)})
                if not self._keys:
                    raise Unavailable(f"no session secret: {error}") from error
            return self._keys


def _signed(session: Session) -> str:
    return f"session.{session.id}.{session.cart}"


def _mac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
