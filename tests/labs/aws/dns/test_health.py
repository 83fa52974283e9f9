"""Health checks that really ask, and what answers do of them."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from labs.aws.dns.health import State
from tests.labs.aws.dns.conftest import SPEED, World
from tests.labs.aws.dns.test_answers import until


class Endpoint:
    """A web server with a status that can be changed."""

    def __init__(self) -> None:
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(time.monotonic())
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.status = 200
        self.asked: list[float] = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_failover_after_the_threshold_and_back(world: World, endpoint: Endpoint) -> None:
    zone, check = world.zone("failover.example"), world.check(endpoint.port)
    world.put(zone, "www.failover.example", "A", "192.0.2.1", SetIdentifier="a", Failover="PRIMARY", ttl=10,
              HealthCheckId=check)
    world.put(zone, "www.failover.example", "A", "192.0.2.2", SetIdentifier="b", Failover="SECONDARY", ttl=10)
    until(lambda: endpoint.asked or not world.dns.health())
    assert world.dns.dig("public", "www.failover.example").values == ["192.0.2.1"]
    endpoint.status = 503
    began = time.monotonic()
    until(lambda: world.dns.dig("authority", "www.failover.example").values == ["192.0.2.2"])
    assert 10 / SPEED - 0.1 <= time.monotonic() - began <= 20 / SPEED + 2, "two checks that failed, ten seconds apart"
    until(lambda: world.dns.dig("public", "www.failover.example").values == ["192.0.2.2"])
    told = next(each for each in world.dns.health() if each["id"] == check)
    assert (told["healthy"], told["last"]) == (False, "Failure: HTTP Status Code 503, Service Unavailable")
    observed = world.aws.client("route53").get_health_check_status(HealthCheckId=check)["HealthCheckObservations"]
    assert observed[0]["StatusReport"]["Status"].startswith("Failure: HTTP Status Code 503")
    endpoint.status = 200
    until(lambda: world.dns.dig("authority", "www.failover.example").values == ["192.0.2.1"])


def test_requests_come_at_the_interval(world: World, endpoint: Endpoint) -> None:
    world.check(endpoint.port, RequestInterval=10)
    world.dns.health()
    until(lambda: len(endpoint.asked) >= 4)
    gaps = [b - a for a, b in zip(endpoint.asked, endpoint.asked[1:], strict=False)]
    assert min(gaps) >= 10 / SPEED * 0.6


def test_both_down_is_the_primary_and_unhealthy_weights_are_left_out(world: World, endpoint: Endpoint) -> None:
    endpoint.status = 500
    zone, check = world.zone("down.example"), world.check(endpoint.port, FailureThreshold=1)
    for name, role in (("a", "PRIMARY"), ("b", "SECONDARY")):
        world.put(zone, "both.down.example", "A", f"192.0.2.{ord(name)}", SetIdentifier=name, Failover=role,
                  HealthCheckId=check)
    world.put(zone, "w.down.example", "A", "192.0.2.1", SetIdentifier="a", Weight=100, HealthCheckId=check)
    world.put(zone, "w.down.example", "A", "192.0.2.2", SetIdentifier="b", Weight=1)
    until(lambda: any(each["id"] == check and not each["healthy"] for each in world.dns.health()))
    assert world.dns.dig("authority", "both.down.example").values == ["192.0.2.97"]
    assert {world.dns.dig("authority", "w.down.example").values[0] for _ in range(20)} == {"192.0.2.2"}


def test_an_alias_that_evaluates_its_target_is_as_healthy_as_that(world: World, endpoint: Endpoint) -> None:
    endpoint.status = 500
    zone, check = world.zone("evaluated.example"), world.check(endpoint.port, FailureThreshold=1)
    world.put(zone, "one.evaluated.example", "A", "192.0.2.1", SetIdentifier="only", Weight=1, HealthCheckId=check)
    alias = {"HostedZoneId": zone.rpartition("/")[2], "DNSName": "one.evaluated.example", "EvaluateTargetHealth": True}
    world.put(zone, "evaluated.example", "A", SetIdentifier="a", Failover="PRIMARY", AliasTarget=alias)
    world.put(zone, "evaluated.example", "A", "192.0.2.2", SetIdentifier="b", Failover="SECONDARY")
    until(lambda: world.dns.dig("authority", "evaluated.example").values == ["192.0.2.2"])


def test_inverted_calculated_and_closed_ports(world: World, endpoint: Endpoint) -> None:
    up = world.check(endpoint.port)
    closed = world.check(1, FailureThreshold=1)
    inverted = world.check(endpoint.port, Inverted=True)
    route53 = world.aws.client("route53")
    calculated = route53.create_health_check(CallerReference="calculated", HealthCheckConfig={
        "Type": "CALCULATED", "ChildHealthChecks": [up, closed], "HealthThreshold": 2})["HealthCheck"]["Id"]

    def states() -> dict[str, bool]:
        return {each["id"]: each["healthy"] for each in world.dns.health()}

    until(lambda: not states()[closed])
    now = states()
    assert (now[up], now[inverted], now[calculated]) == (True, False, False)


def test_an_answer_is_explained(world: World, endpoint: Endpoint) -> None:
    zone, check = world.zone("why.example"), world.check(endpoint.port)
    world.put(zone, "www.why.example", "A", "192.0.2.1", SetIdentifier="a", Failover="PRIMARY", HealthCheckId=check)
    world.put(zone, "www.why.example", "A", "192.0.2.2", SetIdentifier="b", Failover="SECONDARY")
    told = world.dns.explain("public", "www.why.example")
    step = told["steps"][0]
    assert (step["zone"], step["private"]) == (zone.rpartition("/")[2], False)
    assert (step["policy"], step["set"]) == ("failover", "a")
    assert [(each["set"], each["healthy"], each["chosen"]) for each in step["candidates"]] == [
        ("a", True, True), ("b", True, False)]
    assert not told["cached"]
    assert world.dns.explain("public", "www.why.example")["cached"]
    assert world.dns.log()[-1]["cached"], "the questions that clients ask are told, too"


@pytest.mark.parametrize(("said", "states"), [
    ("FFF", [True, True, False]), ("FFSFFF", [True, True, True, True, True, False]),
    ("FFFSSS", [True, True, False, False, False, True])])
def test_a_state_changes_after_so_many_checks_in_a_row(said: str, states: list[bool]) -> None:
    state, seen = State(), []
    for each in said:
        state.note("Success" if each == "S" else "Failure", 3)
        seen.append(state.up)
    assert seen == states
