"""The shop behind a real ingress, broken at every hop: the picture says where the way ends, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from labs.cluster.ingress.flags import Listeners
from labs.cluster.space import Space, until
from labs.scenarios.base import settle
from labs.scenarios.h_networking import h1
from labs.scenarios.h_networking.authority import Authority
from labs.scenarios.h_networking.in_cluster import takes
from labs.visuals import Hop, Journey
from tests.programs import CLUSTER, INGRESS, need

SEEDS = [bytes([each]) * 32 for each in range(20)]
ENDS = {
    "tls-elsewhere": ("Connection", "no Secret with a certificate for this name"),
    "tls-expired": ("Connection", "certificate has expired"),
    "tls-name": ("Connection", "no Secret with a certificate for this name"),
    "host": ("Ingress route", "no Ingress has a rule for the host"),
    "path-type": ("Ingress route", "takes /: it has /index (Exact)"),
    "class": ("Connection", "no Secret with a certificate for this name"),     # whose Ingress it is, is nobody's TLS
    "service-name": ("Ingress route", "sends / to Service front-end, which there is not"),
    "service-port": ("Ingress route", "to port https of Service frontend, which has 80 (http)"),
    "selector": ("Service", "no pod has the labels app.kubernetes.io/name=web"),
    "target-port": ("Pod", "no NetworkPolicy lets the ingress in at port 8081"),
    "port-name": ("Service", "no pod that it selects has the port web"),
    "unready": ("Service", "it selects 2 pods, none of which is Ready"),
    "no-pods": ("Service", "no pod has the labels"),
    "policy": ("Pod", "no NetworkPolicy lets the ingress in at port http"),
    "backend-name": ("Service", "there is no Service back-end"),
    "backend-port": ("Service", "port 80 is asked for, and it has 8000"),
    "backend-selector": ("Service", "no pod has the labels app.kubernetes.io/name=api"),
    "backend-policy": ("Pod", "NetworkPolicy backend, nothing decides who may reach them"),
}
FIRST = ("host", "selector", "backend-selector")
"""Tried in every run of the tests; the others with --all."""


def test_every_learner_has_one_fault_of_each_layer_and_all_are_somebodys() -> None:
    chosen = [h1.night(h1.H1().values(seed)) for seed in SEEDS]
    assert all(set(each) == set(h1.LAYERS) for each in chosen)
    assert {name for each in chosen for name in each.values()} == set(h1.FAULTS) == set(ENDS)
    assert len(h1.FAULTS) >= 14


def test_the_same_seed_makes_the_same_certificates_and_another_seed_others() -> None:
    one, again, other = (Authority(seed, "name") for seed in (SEEDS[0], SEEDS[0], SEEDS[1]))
    assert one.certificate == again.certificate != other.certificate
    assert one.issue("a.test") == again.issue("a.test") != one.issue("b.test")


@pytest.mark.parametrize(("kind", "wanted", "path", "match"), [
    ("Prefix", "/", "/anything", True), ("Prefix", "/api", "/api/x", True), ("Prefix", "/api", "/apis", False),
    ("Prefix", "/api/", "/api", False), ("Exact", "/a", "/a", True), ("Exact", "/a", "/a/", False)])
def test_paths_match_as_the_ingress_api_says(kind: str, wanted: str, path: str, match: bool) -> None:
    assert takes({"pathType": kind, "path": wanted}, path) is match


@pytest.fixture(scope="module")
def shop(clusters: Any) -> Iterator[tuple[Space, dict[str, Any]]]:
    """The prepared lab in a namespace of the graders' cluster, which has an ingress."""
    need(*CLUSTER, *INGRESS)
    with clusters.lease() as space:
        assert Listeners.read(clusters.up("ingress")).https
        lab = h1.H1()
        values = settle(lab.values(SEEDS[3]), "0" * 12)
        lab.prepare(space, values)
        yield space, values


def traced(shop: tuple[Space, dict[str, Any]], name: str = "", why: str = "") -> Journey:
    """A request, made until its way ends at ``name``, or nowhere: the ingress reads what changes a moment later."""
    seen: list[Journey] = []

    def as_wanted() -> bool:
        seen[:] = [h1.trace(*shop)]
        ended = seen[0].stopped
        return not name if ended is None else ended.name == name and why in ended.why

    assert until(as_wanted, 30.0), seen[0].summary
    return seen[0]


def names(journey: Journey) -> list[str]:
    return [hop.name for hop in journey.hops]


@pytest.mark.timeout(240)
def test_a_request_is_seen_at_every_hop_with_its_time(shop: tuple[Space, dict[str, Any]]) -> None:
    journey = traced(shop)
    inside = ["Service", "EndpointSlice", "Pod", "Container"]
    assert names(journey) == ["Connection", "Ingress route", *inside, *inside]
    assert journey.answer.startswith("200 in ")
    by = {(hop.name, hop.thing.split("-")[0]): hop for hop in journey.hops}
    frontend, backend = by["Container", "frontend :8080"], by["Container", "backend :8080"]
    assert frontend.facts == ("GET / → 200",)
    assert backend.facts == ("GET /api/products → 200",)
    timed: list[Hop] = [journey.hops[0], journey.hops[1], frontend, backend]
    assert all(hop.ms is not None and hop.ms >= 0 for hop in timed)
    whole = float(journey.answer.split()[2])
    assert sum(hop.ms or 0 for hop in journey.hops) <= whole * 1.1      # the log of a pod rounds
    assert h1.H1().observe(*shop)["ended"] == ""


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=[] if name in FIRST else pytest.mark.long) for name in ENDS])
def test_a_fault_ends_the_way_where_it_is_and_is_explained(shop: tuple[Space, dict[str, Any]], fault: str) -> None:
    h1.H1().faults[fault](*shop)
    try:
        journey = traced(shop, *ENDS[fault])
        assert journey.stopped is not None
        assert all(hop.state == "not reached" for hop in journey.hops[journey.hops.index(journey.stopped) + 1:]
                   ) or fault.startswith("backend")
    finally:
        h1.H1().prepare(*shop)
    traced(shop)
