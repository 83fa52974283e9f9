"""The picture of an error budget, from samples as a lab gives them."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

import pytest

from labs.errors import TemporaryError
from labs.visuals import BurnRateView, burn_rate_view
from labs.visuals.burn_rate import Sample, as_text
from labs.visuals.plot import ROWS

RULES = {"page 60/5": 14.4, "ticket 4320/360": 1.0}


def sample(at: float, burn: float, *firing: str) -> Sample:
    return Sample(at, burn / 100, 1 - at / 1000, {"page 60/5": (burn, burn / 2), "ticket 4320/360": (0.1, 0.2)}, firing)


def test_the_text_has_a_line_wherever_an_alert_begins_or_ends() -> None:
    told = as_text("shop", RULES, [sample(0, 0), sample(1, 20), sample(2, 30, "page 60/5"), sample(3, 30, "page 60/5"),
                                   sample(4, 10)]).splitlines()
    assert told[0] == "Error budget of shop; alerts from a burn rate of page 60/5: 14.4; ticket 4320/360: 1"
    assert [line.split()[2] for line in told[1:4]] == ["silent", "page", "silent"]
    assert "page 60/5 30.0 / 15.0" in told[2]
    assert told[4] == "    4.0 min  99.6 % of the budget is left; at the worst moment 30 % of the requests failed"
    assert len(told) == 5


def test_a_long_story_keeps_its_begin_and_its_end() -> None:
    told = as_text("shop", {}, [sample(at, 0, *(["x"] if at % 2 else [])) for at in range(60)]).splitlines()
    assert len(told) == ROWS + 3
    assert told[1].startswith("    0.0 min")
    assert told[-2].startswith("   59.0 min")


def test_the_picture_moves_and_has_both_static_forms() -> None:
    looks: list[Sequence[Sample]] = [[], [sample(0, 0)], [sample(0, 0), sample(1, 20, "page 60/5")]]
    view = burn_rate_view("shop", RULES, lambda: looks.pop(0) if len(looks) > 1 else looks[0], follow=False)
    assert view.samples == [], "nothing was seen yet, and the picture stands"
    before = view.value
    view.refresh()
    view.refresh()
    assert view.value != before
    tree = ElementTree.fromstring(view.svg)
    assert tree.tag.endswith("svg")
    assert "Error budget of shop" in view.svg
    data, _ = view._repr_mimebundle_()
    assert data["text/plain"] == view.text
    assert "page 60/5" in view.text
    view.close()


def test_who_cannot_look_says_so() -> None:
    def look() -> Sequence[Sample]:
        raise TemporaryError("gone")

    with pytest.raises(TemporaryError):
        BurnRateView("shop", RULES, look)
    assert as_text("shop", {}, [], "gone").endswith("could not look: gone")
