"""The edges of the prefix, the canary's header and its share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from graders.checks.h_networking.h2_pods import judged
from graders.checks.h_networking.h2_q3.migrated import ROUTED_WITHIN, Migrated, migrated
from graders.exercise import Finding
from labs.cluster.space import until

ASKED = 200
AWAY = 0.08


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judged(live, _looked(answer, live))


def _looked(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    made = migrated(live, answer)
    if made.refused():
        return
    yield _edges(made, live.values)
    yield _header(made, live.values)
    yield _share(made, live.values)


def _edges(made: Migrated, values: dict[str, Any]) -> Finding:
    shops = (values["apps"]["web"], values["apps"]["next"])
    until(lambda: made.ask(values["prefix"]).path == "/", ROUTED_WITHIN)
    alone, similar = made.ask(values["prefix"]), made.ask(values["similar"])
    passed = alone.app in shops and alone.path == "/" and similar.status == 404
    return Finding(
        f"{values['prefix']} alone is the shop's /, {values['similar']} is nothing", 1, passed,
        f"{values['prefix']}: {alone}; {values['similar']}: {similar}", "200 as /, and 404",
        "The old pattern ends the prefix at a slash or at the end; PathPrefix does so by itself.")


def _header(made: Migrated, values: dict[str, Any]) -> Finding:
    wanted, header, path = values["apps"]["next"], {values["header"]: "yes"}, f"{values['prefix']}/x"
    until(lambda: made.ask(path, header).app == wanted, ROUTED_WITHIN)
    got = [made.ask(path, header) for _ in range(12)]
    passed = all(each.app == wanted and each.path == "/x" for each in got)
    other = made.ask(path, {values["header"]: "no"})
    told = Counter(map(str, got))
    return Finding(
        f"{values['header']}: yes always gets the canary", 1, passed,
        ", ".join(f"{each}: {count}" for each, count in told.items()) + f"; with no: {other}",
        f"{wanted}, which sees /x",
        "A match holds when all of its conditions do: path and header in one match, before the rule without it.")


def _share(made: Migrated, values: dict[str, Any]) -> Finding:
    apps, wanted = values["apps"], values["share"] / 100
    until(lambda: made.ask(f"{values['prefix']}/y").status == 200, ROUTED_WITHIN)
    got = Counter(made.ask(f"{values['prefix']}/y").who for _ in range(ASKED))
    among = got[apps["web"]] + got[apps["next"]] == ASKED
    passed = among and abs(got[apps["next"]] / ASKED - wanted) <= min(AWAY, wanted - 0.01)
    return Finding(
        f"{values['share']} % of the others get the canary", 1, passed,
        ", ".join(f"{who}: {count}" for who, count in got.most_common()),
        f"about {wanted * ASKED:.0f} of {ASKED} to {apps['next']}",
        "canary-weight is the canary's share of a hundred; weights of backendRefs are shares of their sum.")
