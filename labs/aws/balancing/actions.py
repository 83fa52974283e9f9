"""What a rule does with a request ("Rule action types", Elastic Load Balancing User Guide)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labs.aws.balancing.configuration import forwarded


@dataclass(frozen=True)
class Made:
    """An answer that the load balancer makes itself."""

    status: int
    headers: Mapping[str, str]
    text: str = ""


def own_answer(action: Mapping[str, Any], protocol: str, host: str, port: int, path: str, query: str) -> Made | None:
    """The answer of a redirect or a fixed response; None for a forward action."""
    if action.get("Type") == "redirect":
        return _redirect(action["RedirectConfig"], protocol, host, port, path, query)
    if action.get("Type") == "fixed-response":
        config = action["FixedResponseConfig"]
        text = config.get("MessageBody") or ""
        return Made(int(config["StatusCode"]), {"Content-Type": config.get("ContentType") or "text/plain"}, text)
    return None


def _redirect(config: Mapping[str, Any], protocol: str, host: str, port: int, path: str, query: str) -> Made:
    """What is not given stays as it was asked; ``#{path}`` is the path without its first slash."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    was = {"protocol": protocol, "host": name, "port": str(port), "path": path.removeprefix("/"), "query": query}

    def filled(part: str, otherwise: str) -> str:
        text = str(config.get(part) or otherwise)
        for key, value in was.items():
            text = text.replace("#{" + key + "}", value)
        return text

    scheme = filled("Protocol", "#{protocol}")
    where = f"{filled('Host', '#{host}')}:{filled('Port', '#{port}')}"
    target = f"{scheme.lower()}://{where}{filled('Path', '/#{path}')}"
    asked = filled("Query", "#{query}")
    status = int(config["StatusCode"].removeprefix("HTTP_"))
    return Made(status, {"Location": target + (f"?{asked}" if asked else "")})


def chosen_group(action: Mapping[str, Any]) -> str | None:
    """The target group of one request, at random by weight; None where no group has any."""
    weights = {group: weight for group, weight in forwarded(action).items() if weight > 0}
    return random.choices(list(weights), list(weights.values()))[0] if weights else None
