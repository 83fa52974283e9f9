"""Taken, sent to HTTPS, rewritten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.h_networking.h2_pods import judged
from graders.checks.h_networking.h2_q3.migrated import ROUTED_WITHIN, migrated, untaken
from graders.exercise import Finding
from labs.cluster.space import until


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judged(live, _looked(answer, live))


def _looked(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    made = migrated(live, answer)
    if why := made.refused():
        yield untaken(why)
        return
    yield Finding("the Gateway takes every route", 1, True, "Accepted", "Accepted", "-")
    values, shops = live.values, {live.values["apps"]["web"], live.values["apps"]["next"]}
    path, wanted = f"{values['prefix']}/tea?size=2", f"https://{values['host']}{values['prefix']}/tea?size=2"
    made.steady(path)
    until(lambda: made.ask(path, place=made.http).location == wanted, ROUTED_WITHIN)
    plain = made.ask(path, place=made.http)
    yield Finding(
        "HTTP is sent to HTTPS, path and query kept", 1, 300 < plain.status < 309 and plain.location == wanted,
        f"http://{values['host']}{path}: {plain}", f"a redirect to {wanted}",
        "A RequestRedirect that changes the scheme only, in a route of the listener http.")
    until(lambda: made.ask(path).path == "/tea?size=2", ROUTED_WITHIN)
    secure = made.ask(path)
    yield Finding(
        f"HTTPS {values['prefix']}/tea reaches the shop as /tea", 1,
        secure.app in shops and secure.path == "/tea?size=2", f"https://{values['host']}{path}: {secure}",
        "200, and the pod sees /tea?size=2",
        "Which filter replaces what the match has matched? A route that belongs to both listeners redirects here, too.")
