"""What an observation says of what it noted; no cluster."""

from __future__ import annotations

from typing import Any

import pytest

from labs.cluster import space
from labs.cluster.observation import FEW, SLOW, STARVED, Look, Observation, Request

SPACE: Any = None


def seen(*looks: tuple[float, dict[str, tuple[bool, int]]], requests: tuple[Request, ...] = ()) -> Observation:
    return Observation(SPACE, "web", "/" if requests else "", [Look(*each) for each in looks], list(requests))


def test_restarts_count_from_the_beginning_and_for_new_pods_from_zero() -> None:
    found = seen((0.0, {"a": (True, 2)}), (0.2, {"a": (False, 3), "b": (False, 1)}), (0.4, {"b": (True, 1)}))
    assert found.restarted() == {"a": 1, "b": 1}
    assert found.restarts() == 2


def test_a_pod_that_was_not_restarted_is_left_out() -> None:
    assert seen((0.0, {"a": (True, 2)}), (0.2, {"a": (True, 2)})).restarted() == {}


def test_requests_are_told_in_a_line() -> None:
    asked = (Request(0.1, "a", 200), Request(0.2, "a", 503, "no"), Request(0.3, "", 0, "no ready endpoint"))
    found = seen((0.0, {"a": (True, 0)}), requests=asked)
    assert found.answers() == "1 of 3 requests answered; 1 × status 503; 1 × no ready endpoint"
    assert [one.at for one in found.failed(since=0.25)] == [0.3]


def test_the_text_form_shows_every_half_second() -> None:
    looks = ((0.0, {"a": (True, 0)}), (0.6, {"a": (False, 0)}), (1.1, {"a": (False, 1)}), (1.6, {"a": (True, 1)}))
    lines = str(seen(*looks)).splitlines()
    assert lines[0].split() == ["a", "■·↻■"]
    assert lines[-1] == "1 restarts"


def test_a_gap_between_two_looks_is_noticed() -> None:
    assert seen((0.0, {}), (0.2, {})).starved() == ""
    assert "nobody looked for 3.5 s" in seen((0.0, {}), (STARVED + 0.5, {})).starved()


def test_looks_that_are_all_late_are_noticed() -> None:
    late = SLOW + 0.1
    assert seen(*((late * index, {}) for index in range(FEW + 1))).starved() == f"looks were {late:.1f} s apart"
    assert seen(*((late * index, {}) for index in range(FEW))).starved() == ""
    assert seen(*((0.3 * index, {}) for index in range(FEW + 1))).starved() == ""


@pytest.mark.parametrize(("seconds", "said"), [
    (space.SAMPLE * (space.CROWDED + 2), "work takes 10 times as long as on a processor of its own"),
    (space.SAMPLE * (space.CROWDED - 1), ""),
])
def test_a_machine_on_which_work_takes_long_is_crowded(
    monkeypatch: pytest.MonkeyPatch, seconds: float, said: str
) -> None:
    walls, works = iter([100.0, 100.0 + seconds]), iter([1.0, 1.0 + 2 * space.SAMPLE])
    monkeypatch.setattr(space.time, "monotonic", lambda: next(walls))
    monkeypatch.setattr(space.time, "thread_time", lambda: next(works))
    assert space.crowded() == said
