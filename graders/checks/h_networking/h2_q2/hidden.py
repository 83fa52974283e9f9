"""Shares, the header, and what the load balancer is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from graders.checks.h_networking.h2_pods import judged
from graders.checks.h_networking.h2_q2.deployed import Deployed, deployed
from graders.exercise import Finding

ASKED = 200
AWAY = 0.08
"""How far a share of 200 may be from the wanted one: at 25 %, one in 150 is further."""


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    with deployed(live, answer) as made:
        yield from judged(live, _looked(made, live))


def _looked(made: Deployed, live: Any) -> Iterator[Finding]:
    if not made.dns_name:
        return
    yield from _made_of(made)
    yield _header(made, live.values)
    yield _share(made, live.values)


def _made_of(made: Deployed) -> Iterator[Finding]:
    scheme, targets = made.described()["Scheme"], made.targets()
    yield Finding("customers on the internet can reach it", 0.5, scheme == "internet-facing", scheme,
                  "internet-facing", "Without a scheme the controller makes an internal load balancer.")
    pods = {each["status"].get("podIP") for each in made.live.space.pods()}
    yield Finding("targets are the pods themselves", 0.5, bool(targets) and set(targets) <= pods,
                  ", ".join(targets)[:300] or "none", "addresses of pods", "Which target type registers addresses?")


def _header(made: Deployed, values: dict[str, Any]) -> Finding:
    wanted, header = values["apps"]["next"], {values["header"]: "yes"}
    got = Counter(made.ask("/", header).who for _ in range(12))
    return Finding(f"{values['header']}: yes always gets the next version", 1, set(got) == {wanted},
                   _told(got), f"{wanted}: 12", "Rules are tried in order, and the first that matches decides: a rule "
                   "without a condition on the header, tried before, takes these requests, too.")


def _share(made: Deployed, values: dict[str, Any]) -> Finding:
    apps, wanted = values["apps"], values["share"] / 100
    got = Counter(made.ask("/basket").who for _ in range(ASKED))
    among = got[apps["web"]] + got[apps["next"]] == ASKED
    passed = among and abs(got[apps["next"]] / ASKED - wanted) <= min(AWAY, wanted - 0.01)
    return Finding(f"{values['share']} % of the others get the next version", 1, passed, _told(got),
                   f"about {wanted * ASKED:.0f} of {ASKED} to {apps['next']}, the others to {apps['web']}",
                   "A forward action with two target groups divides requests by their weights.")


def _told(got: Counter[str]) -> str:
    return ", ".join(f"{who}: {count}" for who, count in got.most_common())
