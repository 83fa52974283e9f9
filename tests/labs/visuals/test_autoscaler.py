"""The plot of an autoscaler, from objects as the API server returns them."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from labs.errors import PermanentError, TemporaryError
from labs.visuals import AutoscalerView
from labs.visuals.autoscaler import Sample, as_text, sample_of
from labs.visuals.plot import ROWS

DEPLOYMENT = {"status": {"replicas": 4, "readyReplicas": 3}}


def autoscaler(active: str = "True", current: Any = 150) -> dict[str, Any]:
    return {
        "spec": {"metrics": [{"type": "Resource", "resource": {
            "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}]},
        "status": {
            "desiredReplicas": 5,
            "conditions": [{"type": "ScalingActive", "status": active}],
            "currentMetrics": [{"type": "Resource", "resource": {"name": "memory", "current": {"averageValue": "9Mi"}}},
                               {"type": "Resource", "resource": {"name": "cpu", "current": {
                                   "averageUtilization": current}}}],
        },
    }


def test_a_sample_has_the_numbers_of_both_objects() -> None:
    assert sample_of(DEPLOYMENT, autoscaler()) == {"wanted": 5, "there": 4, "ready": 3, "use": 150, "target": 60}


def test_an_autoscaler_that_cannot_compute_wants_nothing() -> None:
    assert sample_of(DEPLOYMENT, autoscaler("False", None))["wanted"] is None
    assert sample_of({}, {}) == {"wanted": None, "there": 0, "ready": 0, "use": None, "target": None}


def test_the_text_has_a_line_for_every_change() -> None:
    samples = [Sample(0.0, None, 1, 1, None, None), Sample(1.0, 3, 1, 1, 150, 60), Sample(2.0, 3, 1, 1, 150, 60),
               Sample(3.0, 3, 3, 2, 75, 60)]
    told = as_text("cart", samples).splitlines()
    assert told[1:4] == ["     0 s  - / 1 / 1   not measured", "     1 s  3 / 1 / 1   150 % (target 60 %)",
                         "     3 s  3 / 3 / 2   75 % (target 60 %)"]
    assert told[4] == "use, a sign for each second, █ is 150 %:  ██▄"


def test_a_long_story_keeps_its_begin_and_its_end() -> None:
    told = as_text("cart", [Sample(float(at), at % 7, at, at, at, 60) for at in range(100)]).splitlines()
    assert len(told) == ROWS + 3
    assert told[1].startswith("     0 s")
    assert told[-2].startswith("    99 s")


def test_the_plot_is_an_svg_with_both_forms_beside_it() -> None:
    numbers = iter([sample_of(DEPLOYMENT, {}), sample_of(DEPLOYMENT, autoscaler()), TemporaryError("gone")])

    def look() -> Any:
        found = next(numbers)
        if isinstance(found, Exception):
            raise found
        return found

    view = AutoscalerView("cart", look)
    view.refresh()
    tree = ElementTree.fromstring(view.svg)
    assert tree.tag.endswith("svg")
    assert "max-width" in tree.attrib["style"]
    assert "Autoscaler cart" in view.svg
    assert view.value.startswith("<svg")
    data, _ = view._repr_mimebundle_()
    assert data["text/plain"] == view.text
    assert data["image/svg+xml"].startswith("<svg")
    with pytest.raises(TemporaryError):
        view.refresh()
    view.close()


def test_following_survives_a_cluster_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labs.visuals.following.EVERY", 0.01)
    monkeypatch.setattr("labs.visuals.plot.DRAWN_EVERY", 0.0)
    asked = []

    def look() -> Any:
        asked.append(1)
        if len(asked) == 2:
            raise PermanentError("away for a moment")
        return sample_of(DEPLOYMENT, autoscaler())

    view = AutoscalerView("cart", look).follow(seconds=60)
    for _ in range(2000):
        if len(view.samples) >= 3:
            break
        view._ended.wait(0.005)
    view.stop()
    assert len(view.samples) >= 3
    assert view.trouble == ""
    assert "5 / 4 / 3" in view.text
    view.close()
