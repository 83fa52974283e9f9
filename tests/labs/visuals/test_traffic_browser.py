"""The traffic picture's own JavaScript in a real Chromium: hops that can be chosen, motion, words, contrast."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labs.visuals import Journey, TrafficPicture
from tests.labs.visuals.test_traffic import CAME, ENDED
from tests.labs.visuals.test_widget_browser import CHROMIUM, CONTRASTS, HERE, ORIGIN, PAGE, THEMES, playwright

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH; name one in $CHROMIUM"),
]
Show = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def show(browser: Any) -> Iterator[Show]:
    """Open a page with the picture of a journey; its errors fail the test."""
    opened, errors = [], []

    def page_of(journey: Journey, theme: str = "light", motion: str = "reduce") -> Any:
        attribute, ground = THEMES[theme]
        state = json.dumps({"story": TrafficPicture(journey).story, "step": -1}).replace("</", "<\\/")
        html = PAGE.replace("policy_evaluation", "traffic") % {"theme": attribute, "ground": ground, "state": state}
        # this widget sets its own model, so a change must be told to whoever listens
        html = html.replace("set: (name, value) => { state[name] = value; }",
                            "set: (name, value) => window.model.emit(name, value)")
        page = browser.new_page(viewport={"width": 1100, "height": 900}, reduced_motion=motion)
        opened.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.route("**/*", lambda route: _serve(route, html))
        page.goto(ORIGIN + "/")
        page.wait_for_function("window.ready")
        return page

    yield page_of
    for page in opened:
        page.close()
    assert errors == []


def _serve(route: Any, html: str) -> None:
    name = route.request.url.removeprefix(ORIGIN + "/")
    if name in ("traffic.js", "traffic.css"):
        kind = "text/javascript" if name.endswith("js") else "text/css"
        return route.fulfill(body=(HERE / name).read_text(), content_type=kind)
    return route.fulfill(body=html, content_type="text/html") if not name else route.fulfill(status=204)


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
    page = show(journey, theme)
    page.locator(".tp-stop button").first.click()
    found = page.evaluate(CONTRASTS.replace(".pe-sr", ".tp-sr").replace('".pe"', '".tp"'))
    assert found
    assert [(text, round(ratio, 2)) for text, ratio in found if ratio < 4.5] == []
