"""The widget's own JavaScript in a real Chromium: keys, words for screen readers, contrast, reduced motion."""

from __future__ import annotations

import json

import pytest

from labs.visuals.story import tell
from tests.browser import needs_chromium
from tests.labs.visuals.page import CONTRASTS, THEMES, pages

pytestmark = [pytest.mark.long, needs_chromium]


@pytest.fixture
def show(browser):
    """Open a page with the picture of a decision."""
    with pages(browser, "policy_evaluation", 1000) as opened:
        yield lambda decision, theme="light", step=0, pace=1.8, **looks: opened(
            {"story": tell(decision), "step": step, "pace": pace}, theme, **looks)


def title(page):
    return page.locator(".pe-stage h3").inner_text()


def heard(page):
    return page.locator("[aria-live=polite]").text_content()


def current(page):
    return page.locator('[aria-current="step"]').get_attribute("aria-label")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["deny", "implicit", "allow", "final"])
def test_arrow_keys_walk_to_the_answer_and_each_step_is_announced(show, make, tmp_path, theme, name):
    decision = make(name)
    story = tell(decision)
    page = show(decision, theme)
    assert title(page) == "The request"
    page.locator(".pe").focus()
    reached = [gate for gate in story["gates"] if gate["reached"]]
    for n, gate in enumerate(reached, start=1):
        page.keyboard.press("ArrowRight")
        assert gate["name"] in title(page)
        assert heard(page) == gate["announcement"]
        assert current(page) == f"Gate {n}, {gate['name']}: {gate['word']}"
        assert page.locator(".pe-title .pe-verdict").inner_text() == gate["word"]
        assert page.evaluate("window.model.get('step')") == n
        page.screenshot(path=tmp_path / f"{theme}-{name}-{n}.png", full_page=True)
    page.keyboard.press("ArrowRight")
    assert title(page) == story["outcome"]["word"]
    assert story["outcome"]["message"] in heard(page)
    page.keyboard.press("ArrowRight")
    assert title(page) == story["outcome"]["word"]
    page.keyboard.press("ArrowLeft")
    assert reached[-1]["name"] in title(page)
    page.keyboard.press("Home")
    assert title(page) == "The request"
    page.keyboard.press("End")
    assert title(page) == story["outcome"]["word"]
    page.screenshot(path=tmp_path / f"{theme}-{name}-end.png", full_page=True)


def test_the_deciding_lines_alone_are_marked_and_say_so(show, make):
    page = show(make("deny"), step=1)
    marked = page.locator('.pe-line[data-mark="decides"] .pe-code').all_inner_texts()
    assert json.loads("".join(marked))["Sid"] == "OfficeOnly"
    assert page.locator(".pe-tag").all_inner_texts() == ["decides"]
    assert "decides" in page.locator(".pe-statement").inner_text()


def test_a_verdict_is_hidden_until_the_request_comes_to_it(show, make):
    page = show(make("implicit"))
    labels = [b.get_attribute("aria-label") for b in page.locator(".pe-gate").all()]
    assert all(label.endswith("not asked yet") for label in labels[1:])
    assert "Implicit deny" not in page.locator(".pe-track").inner_text()


def test_a_refused_request_stays_at_the_gate_that_stopped_it(show, make):
    page = show(make("implicit"), step=99)
    token = page.locator(".pe-token-text").bounding_box()
    gates = page.locator(".pe-gate .pe-shape")
    stopping = gates.nth(tell(make("implicit"))["stop"] + 1).bounding_box()
    assert page.locator(".pe-token-text").inner_text() == "stopped here"
    assert abs(token["x"] + token["width"] / 2 - stopping["x"] - stopping["width"] / 2) < 2
    assert token["y"] + token["height"] <= stopping["y"]


def test_play_walks_to_the_end_and_pause_holds(show, make):
    page = show(make("implicit"), motion="no-preference", pace=0.3)
    play = page.locator('[data-action="play"]')
    play.click()
    assert play.inner_text() == "Pause"
    page.wait_for_function("window.model.get('step') >= 2")
    play.click()
    assert play.inner_text() == "Play"
    held = page.evaluate("window.model.get('step')")
    # two paces of the page's own clock pass, and nothing has moved
    page.evaluate("() => new Promise((done) => setTimeout(done, 700))")
    assert page.evaluate("window.model.get('step')") == held
    play.click()
    page.wait_for_function("document.querySelector('.pe-stage h3').textContent === 'Denied'")
    assert play.inner_text() == "Play"


def test_the_buttons_do_what_they_say(show, make):
    page = show(make("allow"))
    assert page.locator('[data-action="back"]').get_attribute("aria-disabled") == "true"
    page.get_by_role("button", name="Forward").click()
    page.get_by_role("button", name="Forward").click()
    assert "Resource control" in title(page)
    page.get_by_role("button", name="Back").click()
    assert "Explicit deny check" in title(page)
    page.get_by_role("button", name="Start over").click()
    assert title(page) == "The request"
    page.get_by_role("button", name="Gate 6").click()
    assert "Identity" in title(page)


def test_the_tab_key_reaches_every_control_and_focus_can_be_seen(show, make):
    page = show(make("deny"), step=1)
    seen = []
    for _ in range(9):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "() => { const a = document.activeElement, s = getComputedStyle(a);"
                " return [a.dataset.action || a.className.split(' ')[0], s.outlineStyle, parseFloat(s.outlineWidth)]; }"
            )
        )
        if seen[-1][0] == "pe-document":
            break
    assert [name for name, _, _ in seen] == ["pe", "pe-gate", "back", "play", "forward", "restart", "pe-document"]
    assert all(style == "solid" and width >= 2 for _, style, width in seen)


def test_arrow_keys_on_a_gate_take_the_focus_along(show, make):
    page = show(make("allow"))
    page.locator('[aria-current="step"]').focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Gate 1")


def test_the_page_around_does_not_get_the_keys_the_widget_used(show, make):
    page = show(make("allow"))
    page.evaluate("window.heard = []; document.addEventListener('keydown', (e) => window.heard.push(e.key))")
    page.locator(".pe").focus()
    for key in ("ArrowRight", "ArrowDown", "Control+ArrowRight"):
        page.keyboard.press(key)
    assert page.evaluate("window.heard") == ["ArrowDown", "Control", "ArrowRight"]
    assert page.evaluate("window.model.get('step')") == 1
    assert page.locator(".pe").get_attribute("data-lm-suppress-shortcuts") == "true"


def test_controls_have_roles_and_names(show, make):
    page = show(make("deny"), step=1)
    tree = page.locator("body").aria_snapshot()
    for part in (
        'group "Policy evaluation.',
        'navigation "Gates"',
        'toolbar "Steps"',
        'button "Play"',
        'region "Policy document shop-reader"',
        'button "Gate 1, Explicit deny check: Explicit deny"',
    ):
        assert part in tree


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["deny", "implicit", "final"])
def test_every_text_has_a_contrast_of_four_and_a_half(show, make, theme, name):
    page = show(make(name), theme)
    measured = 0
    for step in range(len(tell(make(name))["gates"]) + 2):
        page.evaluate("(n) => window.model.emit('step', n)", step)
        weak = [(text, round(ratio, 2)) for text, ratio in page.evaluate(CONTRASTS, "pe") if ratio < 4.5]
        measured += len(page.evaluate(CONTRASTS, "pe"))
        assert weak == []
    assert measured > 200


def test_dark_differs_from_light(show, make):
    grounds = {
        theme: show(make("deny"), theme).locator(".pe").evaluate("(e) => getComputedStyle(e).backgroundColor")
        for theme in THEMES
    }
    assert grounds["light"] != grounds["dark"]


@pytest.mark.parametrize(("motion", "moves"), [("reduce", False), ("no-preference", True)])
def test_reduced_motion_is_respected(show, make, motion, moves):
    token = show(make("deny"), motion=motion).locator(".pe-token")
    seconds = token.evaluate("(e) => parseFloat(getComputedStyle(e).transitionDuration)")
    assert (seconds > 0) is moves


@pytest.mark.parametrize("width", [1200, 1000, 820, 640, 420, 340])
@pytest.mark.parametrize("name", ["deny", "implicit"])
def test_nothing_overflows_or_overlaps_at_any_width(show, make, tmp_path, width, name):
    page = show(make(name), width=width)
    for step in (0, 1, 4, 7, 99):
        page.evaluate("(n) => window.model.emit('step', n)", step)
        page.screenshot(path=tmp_path / f"{name}-{width}-{step}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        boxes = page.locator(".pe-gate").evaluate_all(
            "(all) => all.map((e) => e.getBoundingClientRect()).map((r) => [r.left, r.top, r.right, r.bottom])"
        )
        for n, (left, top, right, bottom) in enumerate(boxes):
            for left2, top2, right2, bottom2 in boxes[n + 1 :]:
                assert right <= left2 + 0.5 or right2 <= left + 0.5 or bottom <= top2 + 0.5 or bottom2 <= top + 0.5
        clipped = page.locator(".pe-gate .pe-name, .pe-gate .pe-word, .pe-token-text, .pe-button").evaluate_all(
            "(all) => all.filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 14)"
            ".map((e) => e.textContent)"
        )
        assert clipped == []


def test_a_new_story_is_drawn_and_its_answer_announced(show, make):
    page = show(make("allow"), step=99)
    assert title(page) == "Allowed"
    page.evaluate("(story) => window.model.emit('story', story)", tell(make("deny")))
    assert title(page) == "Denied"
    assert heard(page).startswith("Answer: Denied.")


def test_markup_in_a_decision_is_shown_as_text(show, make):
    decision = make("deny")
    decision["request"]["resource"] = "<img src=x onerror=window.hacked=1>"
    decision["gates"][4]["documents"][0]["name"] = "<b>bold</b>"
    page = show(decision, step=1)
    assert page.locator(".pe img, .pe b").count() == 0
    assert "<img src=x" in page.locator(".pe-facts").inner_text()


def test_unmounting_stops_the_clock_and_the_listeners(show, make):
    page = show(make("allow"), pace=0.3)
    page.locator('[data-action="play"]').click()
    page.evaluate("window.unmount()")
    step = page.evaluate("window.model.get('step')")
    page.evaluate("() => new Promise((done) => setTimeout(done, 700))")
    assert page.evaluate("[window.model.get('step'), window.model.listening()]") == [step, 0]
