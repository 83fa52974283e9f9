"""Changes of the login that the shop is not told about."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

from labs.errors import PermanentError
from labs.scenarios.creation import administrator

SETTLE = 1.5  # seconds: longer than a pooled connection lives


def take_turns(shop: Any, live: Any, times: int) -> None:
    """Alternating rotations, made by hand: the other user gets a new password, then the secret names it."""
    name = live.values["db_user"]
    for _ in range(times):
        old = shop.current()["username"]
        new = name if old.endswith("_clone") else f"{name}_clone"
        put(shop.database.set_user(new, secrets.token_urlsafe(18)), live)
        time.sleep(SETTLE)


def put(login: Any, live: Any) -> None:
    """Make a login the secret's current one."""
    client = administrator(live.aws, "secretsmanager")
    client.put_secret_value(SecretId=live.values["secret"], SecretString=json.dumps(dict(login)))


def why_not(error: PermanentError) -> str:
    """What the shop said when it could not start."""
    for line in str(error).splitlines():
        try:
            return str(json.loads(line)["reason"])
        except (ValueError, KeyError, TypeError):
            continue
    return "it ended before it served"
