"""What the shop's own VPC is answered, and one name that the internet must not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.h_networking.h4_q2.places import repaired
from graders.checks.h_networking.names import refused
from graders.exercise import Finding

INSIDE = (
    'Ask dns.explain("shop", name): which zone answered? Then compare the zone\'s VPCs and the spelling of its records '
    "with the table."
)
SHADOW = (
    "In its VPCs a private zone answers alone for every name below it; what it lacks is NXDOMAIN there, whatever the "
    "public zone has."
)
LEAK = "Which zone answers the internet, and does it still have a record that only the inside should see?"


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        with repaired(answer, live) as places:
            yield places.finding("api", "shop", 1, INSIDE)
            yield places.finding("db", "shop", 0.5, INSIDE)
            yield places.finding("www", "shop", 1, SHADOW, places.right("api", "shop"))
            yield places.finding("db", "internet", 0.5, LEAK, places.right("db", "shop"))
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 3)
