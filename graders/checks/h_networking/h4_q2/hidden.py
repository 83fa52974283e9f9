"""The office, the mail, a name that was misspelt, and the internet as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.h_networking.h4_q2.places import Places, repaired
from graders.checks.h_networking.names import NOT_COUNTED, refused
from graders.exercise import Finding

OFFICE = "The office's VPC still sees the private zone: for which VPCs is it?"
MAIL = (
    "Mail is looked up at the domain itself, which the private zone covers too: it needs every record of the public "
    "zone that its VPCs use."
)
TYPO = "The misspelt name still answers inside: a record, or a wildcard, that stands for more than was asked."
INTERNET = "Something that the internet needs was changed in the public zone."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        with repaired(answer, live) as places:
            working = places.right("api", "shop")
            yield places.finding("api", "office", 0.5, OFFICE, working)
            yield places.finding("", "shop", 0.5, MAIL, working)
            yield places.finding(places.values["typo"], "shop", 0.5, TYPO, working)
            yield _internet(places, working)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)


def _internet(places: Places, working: bool) -> Finding:
    wrong = [f"{label or 'mail'}: {places.seen(label, 'internet')[0]}" for label in ("www", "api", "")
             if not places.right(label, "internet")]
    seen = ", ".join(wrong) if wrong else "www, api and mail are answered"
    return Finding("the internet is served as before", 0.5, working and not wrong, seen if working else NOT_COUNTED,
                   "www, api and mail are answered", INTERNET)
