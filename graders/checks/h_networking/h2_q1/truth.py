"""What Traefik really answers to the cases, asked on the attempt's cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graders.exercise import Finding
from labs.cluster.space import expect
from labs.scenarios.h_networking.asking import Place, ask
from labs.scenarios.h_networking.h2 import routes

ROUTED_WITHIN = 20.0
HINTS = {
    "/apis": "A Prefix is compared element by element, at the slashes: is /api an element of this path?",
    "/api/v1": "Of two prefixes that match, the longer one decides.",
    "/checkout": "Exact matches this path and no other.",
    "/checkout/": "Exact matches one path, to the last character.",
    "/find/tea": "The rule matches. Which pods does that Service have?",
    "/up": "A rule for this very host comes before one for every host.",
    "/": "How many labels does the asterisk of a wildcard host stand for?",
    "/up/now": "Which rule is for a host that no rule names?",
}


def compare(cases: slice, answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    """A finding for each of these cases, half a point each."""
    predictions = answer["predictions"]
    place = Place("127.0.0.1", live.ingress.http) if predictions else None
    if place is not None:
        routed(live, place)
    for case in live.values["cases"][cases]:
        yield _compared(case, predictions.get(case["id"]), place)


def routed(live: Any, place: Place) -> None:
    """Apply the Ingress, and return when each of its rules is there.

    :raises TemporaryError: Traefik has not made routes of it in time
    """
    values = live.values
    live.space.apply(routes(values))
    apps, host = values["apps"], values["host"]
    wanted = {(host, "/"): apps["web"], (host, "/api"): apps["api"], (host, "/find"): "503",
              (f"any.{host}", "/"): apps["next"]}
    expect(lambda: all(ask(place, *each).who == who for each, who in wanted.items()), ROUTED_WITHIN,
           "the ingress has not made routes of the Ingress")


def _compared(case: Mapping[str, str], said: str | None, place: Place | None) -> Finding:
    name = f"{case['id']}: {case['host']}{case['path']}"
    if said is None or place is None:
        return Finding(name, 0.5, False, "no prediction", "a Service's name, 404 or 503",
                       "Read the rules from the host to the path, then decide.")
    truth = ask(place, case["host"], case["path"]).who
    observed = truth if said == truth else f"you predicted {said}; it was something else"
    return Finding(name, 0.5, said == truth, observed, "who answers, predicted", HINTS[case["path"]])
