"""What the checks of section E make of what was seen, on machines that have time and on busy ones; no cluster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from graders import manifests
from graders.checks.e_kubernetes import trials
from graders.checks.e_kubernetes.e4_q3.customers import served
from labs.cluster.observation import NO_ANSWER, Look, Observation, Request
from labs.errors import TemporaryError

SPACE: Any = SimpleNamespace(pods=lambda app: [], list=lambda *_: [])


def pod(state: dict[str, Any], last: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"status": {"containerStatuses": [{"state": state, "lastState": last or {}}]}}


def test_a_wrong_answer_never_passes_for_a_busy_machine(monkeypatch):
    monkeypatch.setattr(trials, "patient", lambda seconds: seconds)
    assert trials.allowed(10, 3) == 10
    monkeypatch.setattr(trials, "patient", lambda seconds: seconds * 8)
    assert trials.allowed(10, 3) == 13


def test_times_come_from_the_statuses():
    ended = {"terminated": {"startedAt": "2026-11-26T10:00:00Z", "finishedAt": "2026-11-26T10:00:09Z"}}
    assert trials.lived(pod({"waiting": {}}, ended)) == 9
    assert trials.lived(pod({"running": {}})) is None
    began = (datetime.now(UTC) - timedelta(seconds=30)).isoformat()
    assert 30 <= trials.running_for(pod({"running": {"startedAt": began}})) < 60
    assert trials.running_for(pod({"waiting": {}}, ended)) == 0
    assert trials.running_for({"status": {}}) == 0


def tried(error: Exception | None) -> None:
    with trials.observed(SimpleNamespace(space=SPACE), "web"):
        if error:
            raise error


@pytest.mark.parametrize("error", [None, manifests.Unusable("no", "yes", "why")])
def test_nothing_is_said_of_an_answer_that_a_busy_machine_tried(monkeypatch, error):
    monkeypatch.setattr(trials, "crowded", lambda: "work takes 20 times as long")
    with pytest.raises(TemporaryError, match=r"too busy to judge web: work takes 20 times"):
        tried(error)
    monkeypatch.setattr(trials, "crowded", lambda: "")
    if error is None:
        tried(error)
        return
    with pytest.raises(manifests.Unusable):
        tried(error)


def customers(*requests: Request) -> Observation:
    return Observation(SPACE, "web", "/", [Look(0.0, {})], list(requests))


def test_pods_that_serve_and_had_no_time_are_not_a_finding():
    slow = Request(1.0, "a", 0, f"{NO_ANSWER} 1 s")
    with pytest.raises(TemporaryError, match="too busy"):
        served(customers(Request(0.5, "a", 200), slow), 0.0, "served", 1, "hint")
    assert not served(customers(slow, Request(1.1, "b", 503, "loading")), 0.0, "served", 1, "hint").passed
    assert not served(customers(slow), 0.0, "served", 1, "hint", False).passed
    assert served(customers(slow, Request(1.5, "a", 200)), 1.2, "served", 1, "hint").passed
