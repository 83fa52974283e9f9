"""`lab reset`: back to the declared start."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from labs.errors import PermanentError
from labs.services import state as places

RESET_WITHIN = 30.0
"""Seconds the gateway may take; it takes a fraction of one."""


def reset(name: str) -> list[str]:
    """Reset the service ``aws`` or ``kubernetes`` or a lab; returns lines that say what was removed."""
    if name == "aws":
        return _reset_aws()
    if name == "kubernetes":
        from labs.cluster.drivers import base

        return base.chosen().reset()
    from labs import scenarios

    known = sorted(scenarios.registry())
    if name not in known:
        raise PermanentError(f"There is no lab {name!r}.", f"There are: aws, kubernetes, {', '.join(known)}.")
    scenarios.lab(name).reset()     # prints what it removed
    return [f"{name}: back to its start"]


def _reset_aws() -> list[str]:
    if _ask("GET", "/_lab/health")["shared"]:
        from labs import scenarios

        for name, known in scenarios.registry().items():
            if "aws" not in known.needs:
                continue
            print(f"lab {name}:")
            scenarios.lab(name).reset()     # prints what it removed
        return ["aws: the server is not the labs' own; what the labs made there is gone, the rest is untouched"]
    removed = _ask("POST", "/_lab/reset")
    return ["aws: back to its start, every account", *_lines(removed)]


def _ask(method: str, path: str) -> Any:
    """The gateway's answer, parsed; PermanentError when it gives none, or refuses."""
    address = urlsplit(places.endpoint("aws"))
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=RESET_WITHIN)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise PermanentError(f"AWS does not answer on {address.netloc}: {error}.", "Run `lab up aws`.") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise PermanentError(f"AWS refuses {path}: {answer.status} {body[:300].decode(errors='replace')}",
                             f"Its log: {places.log_file('aws')}")
    return json.loads(body) if body else None


def _lines(removed: Any) -> list[str]:
    if isinstance(removed, dict):
        return [f"  {key}: {_count(value)}" for key, value in removed.items() if value not in (None, [], {}, 0)]
    if isinstance(removed, (list, tuple)):
        return [f"  removed {thing}" for thing in removed]
    return []


def _count(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
