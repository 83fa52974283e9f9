"""What can go wrong with a request, as the shop's parts tell each other.

    ShopError
      NotFound          there is no such product, cart or order (404)
      Conflict          the request and the data do not fit (409); ``reason`` is a word for metrics
      KeyReused         an idempotency key came with another request before (422)
      Unavailable       something the shop depends on cannot serve now; nothing is wrong with the request (503)

    AwsError            a call of AWS failed; whoever made it decides which of the above it is
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ShopError(Exception):
    """Base of all."""


class NotFound(ShopError):
    """There is no such product, cart or order."""


class Conflict(ShopError):
    """The request and the data do not fit: an empty cart, a product sold out, a cart ordered before."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class KeyReused(ShopError):
    """An idempotency key came with another request before."""


class Unavailable(ShopError):
    """A dependency cannot serve now; the message is for the log, not for customers."""


class AwsError(Exception):
    """A call failed; ``code`` is AWS's error code, or "" where there was no answer."""

    def __init__(self, message: str, code: str = "", answer: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code, self.answer = code, answer or {}
