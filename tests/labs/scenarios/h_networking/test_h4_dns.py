"""Lab h4 on a real gateway, asked through real resolvers."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import pytest

from labs.aws.account import AwsAccount
from labs.scenarios import Session, registry
from labs.scenarios.h_networking import zones
from labs.scenarios.h_networking.timelines import play, short
from tests.labs import gateways

SEEDS = (b"test of lab h4, any 32 bytes do!", b"another test of h4, other bytes.")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with gateways.running(tmp_path_factory.mktemp("aws")) as url:
        yield url


@pytest.fixture(params=SEEDS)
def session(endpoint: str, request: pytest.FixtureRequest) -> Iterator[Session]:
    account = str(300_000_000_000 + crc32(request.node.name.encode()))
    one = Session(registry()["h4"], AwsAccount(endpoint, account), request.param)
    yield one
    one.reset()


def wrong(session: Session) -> set[tuple[str, str]]:
    """(name's label, place) of everything that is not as required."""
    with session.start() as dns:
        return {(row["name"].removesuffix(session.values["domain"]).rstrip("."), place)
                for row in session.values["required"] for place in ("internet", "office", "shop")
                if short(dns.dig(place, row["name"], row["type"])) != row[place]}


def test_prepared_broken_repaired_and_removed(session: Session) -> None:
    session.prepare()
    start = session.observe()
    typo, broken = session.values["typo"], wrong(session)
    assert {("api", "shop"), ("db", "internet"), ("www", "office"), (typo, "office")} <= broken
    session.prepare()
    assert session.observe() == start
    session.lab.solution(session.aws, session.values)
    assert wrong(session) == set()
    session.prepare()
    assert session.observe() == start, "a repair is taken back, too"
    removed = session.reset()
    assert len([line for line in removed if line.startswith("hosted zone")]) == 4
    assert session.reset() == []


@pytest.mark.parametrize("session", SEEDS[:1], indirect=True)
def test_faults_are_felt_where_they_should_be(session: Session) -> None:
    session.prepare()
    session.lab.solution(session.aws, session.values)
    for fault, felt in (("name-typo", ("www", "internet")), ("wrong-view", ("api", "shop"))):
        session.break_(fault)
        assert felt in wrong(session), fault
        session.prepare()
        session.lab.solution(session.aws, session.values)
    session.prepare()
    session.break_("shadow")
    assert ("www", "shop") in wrong(session)
    session.break_("stale")
    with session.start() as dns:
        assert dns.dig("internet", zones.full(session.values, "www")).ttl == 86400


def test_stories_end_as_their_ttls_say(session: Session) -> None:
    session.prepare()
    values = session.values
    first, second = values["cases"][:2]
    kept = first["steps"][-1][0] < first["start"][0][3]
    missing = second["steps"][-1][0] < values["negative_ttl"]
    with session.start() as dns:
        assert play(values["cases"], dns, session.aws, values) == {
            "case-1": "198.51.100.10" if kept else "198.51.100.20",
            "case-2": "NXDOMAIN" if missing else "198.51.100.20",
            "case-3": "198.51.100.10", "case-4": "198.51.100.30", "case-5": "NODATA", "case-6": "NXDOMAIN"}


@pytest.mark.parametrize("session", SEEDS[:1], indirect=True)
def test_a_pod_tries_its_search_domains_and_sees_the_vpcs_zones(session: Session) -> None:
    session.prepare()
    session.lab.solution(session.aws, session.values)
    name = zones.full(session.values, "api")
    with session.start() as dns:
        asked = dns.pod_looks_up(name)
        assert [said for _, said in asked[:-1]] == ["NXDOMAIN"] * 3
        assert asked[-1] == (f"{name}.", f"A {session.values['api_inside']} (TTL 300)")
        assert len(dns.pod_looks_up("web")) == 1
