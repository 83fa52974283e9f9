"""Settings, all from the environment ("Store config in the environment", The Twelve-Factor App).

    SHOP_PORT               TCP port on 127.0.0.1 (default 8080; 0 takes a free one)
    SHOP_DB_SECRET          name or ARN of a secret in Secrets Manager: production
    SHOP_DB_USER, SHOP_DB_PASSWORD, SHOP_DB_HOST, SHOP_DB_PORT, SHOP_DB_NAME: development
    SHOP_DB_CONNECTIONS     most connections at a time (default 4)
    SHOP_DB_MAX_AGE         seconds after which a connection is replaced (default 300)
    SHOP_DRAIN_SECONDS      seconds that requests may still take after SIGTERM (default 5)

With ``SHOP_DB_SECRET`` no password is in the environment; boto3 finds the role's credentials in its usual places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


class ConfigError(Exception):
    """A setting is missing or has no sense; the message names it and never shows a password."""


@dataclass(frozen=True)
class Settings:
    """The shop's settings.  ``login`` is the development login, ``None`` with a secret."""

    port: int = 8080
    secret_id: str = ""
    login: Mapping[str, str] | None = field(default=None, repr=False)
    connections: int = 4
    max_age: float = 300.0
    drain_seconds: float = 5.0


def from_environment(environ: Mapping[str, str]) -> Settings:
    """Read the settings.

    :raises ConfigError: something is missing, contradictory or no number
    """
    secret, password = environ.get("SHOP_DB_SECRET", ""), environ.get("SHOP_DB_PASSWORD", "")
    if secret and password:
        raise ConfigError("Set SHOP_DB_SECRET or SHOP_DB_PASSWORD, not both: one of them would silently win.")
    if not secret and not password:
        raise ConfigError("Set SHOP_DB_SECRET (production) or SHOP_DB_USER and SHOP_DB_PASSWORD (development).")
    login = None
    if password:
        login = {
            "username": environ.get("SHOP_DB_USER", "shop"),
            "password": password,
            "host": environ.get("SHOP_DB_HOST", "127.0.0.1"),
            "port": str(int(_number(environ, "SHOP_DB_PORT", 5432, 1, 65_535))),
            "dbname": environ.get("SHOP_DB_NAME", "shop"),
        }
    return Settings(
        port=int(_number(environ, "SHOP_PORT", 8080, 0, 65_535)),
        secret_id=secret,
        login=login,
        connections=int(_number(environ, "SHOP_DB_CONNECTIONS", 4, 1, 100)),
        max_age=_number(environ, "SHOP_DB_MAX_AGE", 300, 0, 86_400),
        drain_seconds=_number(environ, "SHOP_DRAIN_SECONDS", 5, 0, 600),
    )


def _number(environ: Mapping[str, str], name: str, default: float, least: float, most: float) -> float:
    text = environ.get(name, "")
    try:
        value = float(text) if text else float(default)
    except ValueError:
        raise ConfigError(f"{name} is {text!r}, not a number.") from None
    if not least <= value <= most:
        raise ConfigError(f"{name} is {text}; it must be from {least:g} to {most:g}.")
    return value
