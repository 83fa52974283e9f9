"""Route 53: health checks whose settings are true or false.

MiniStack writes them as Python does ("True"), which a client reads as false.
"""

from __future__ import annotations

from typing import Any

_SETTINGS = ("MeasureLatency", "EnableSNI", "Inverted", "Disabled")


def install(module: Any) -> None:
    """Keep these settings in the words that XML has for them."""
    parse = module._parse_health_check_config

    def parsed(element: Any) -> dict[str, Any]:
        config: dict[str, Any] = parse(element)
        return {k: str(v).lower() if k in _SETTINGS else v for k, v in config.items()}

    module._parse_health_check_config = parsed
