"""The traffic picture's own JavaScript in a real Chromium: hops that can be chosen, motion, words, contrast."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from labs.visuals import Journey, TrafficPicture
from tests.browser import needs_chromium
from tests.labs.visuals.page import CONTRASTS, Show, pages
from tests.labs.visuals.test_traffic import CAME, ENDED

pytestmark = [pytest.mark.long, needs_chromium]


@pytest.fixture
def show(browser: Any) -> Iterator[Show]:
    """Open a page with the picture of a journey."""
    with pages(browser, "traffic", 1100) as opened:
        yield lambda journey, **looks: opened({"story": TrafficPicture(journey).story, "step": -1}, **looks)


def test_a_chosen_hop_shows_what_was_seen_and_its_object_with_keys_alone(show: Show) -> None:
    page = show(CAME)
    assert page.get_by_role("status").inner_text() == CAME.summary
    page.get_by_role("button", name="Hop 2, cluster: Service shop/web").focus()
    page.keyboard.press("Enter")
    assert page.locator("pre").inner_text() == "kind: Service\nmetadata:\n  name: <web> & co\n"
    assert page.locator('[aria-pressed="true"]').evaluate("each => each === document.activeElement")
    page.keyboard.press("Enter")
    assert page.locator("pre").count() == 0


def test_the_end_of_a_way_is_said_in_words(show: Show) -> None:
    page = show(ENDED)
    assert page.get_by_role("status").inner_text() == ENDED.summary
    assert "stopped here: no Ingress has a rule" in page.locator(".tp-stop").nth(1).inner_text()
    assert page.locator('[data-travelled="true"]').count() == 2


def test_it_travels_hop_by_hop_and_can_be_played_again(show: Show) -> None:
    page = show(CAME, motion="no-preference")
    assert page.locator('[data-travelled="true"]').count() < 3
    page.wait_for_function("document.querySelectorAll('[data-travelled=\"true\"]').length === 3")
    page.get_by_role("button", name="play it again").click()
    assert page.get_by_role("status").inner_text().endswith("on its way")
    page.wait_for_function("document.querySelectorAll('[data-travelled=\"true\"]').length === 3")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("journey", [CAME, ENDED])
def test_every_word_can_be_read(show: Show, theme: str, journey: Journey) -> None:
    page = show(journey, theme=theme)
    page.locator(".tp-stop button").first.click()
    found = page.evaluate(CONTRASTS, "tp")
    assert found
    assert [(text, round(ratio, 2)) for text, ratio in found if ratio < 4.5] == []
