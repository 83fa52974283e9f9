"""Route 53: health checks whose settings are true or false, and those of other health checks.

MiniStack writes the first as Python does ("True"), which a client reads as false, and loses the children of the others.
"""

from __future__ import annotations

from typing import Any

_SETTINGS = ("MeasureLatency", "EnableSNI", "Inverted", "Disabled")


def install(module: Any) -> None:
    """Keep these settings in the words that XML has for them, and the children's ids."""
    parse = module._parse_health_check_config

    def parsed(element: Any) -> dict[str, Any]:
        config: dict[str, Any] = parse(element)
        if "ChildHealthChecks" in config:
            config["ChildHealthChecks"] = [each.text or "" for each in element.iter()
                                           if each.tag.rpartition("}")[2] == "ChildHealthCheck"]
        return {k: str(v).lower() if k in _SETTINGS else v for k, v in config.items()}

    module._parse_health_check_config = parsed
