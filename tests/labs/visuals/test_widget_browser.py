"""The widget's own JavaScript in a real Chromium: keys, words for screen readers, contrast, reduced motion.

The page gives ``render`` a model object of four methods, the part of anywidget's interface that the module uses.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from labs.visuals.story import tell

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright (dev dependency)")
HERE = Path(__file__).parents[3] / "labs" / "visuals"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH; name one in $CHROMIUM"),
]
ORIGIN = "http://widget.test"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>widget</title>
<link rel="stylesheet" href="/policy_evaluation.css"><style>body { margin: 16px; background: %(ground)s }</style></head>
<body %(theme)s><div id="cell"></div><script type="module">
import widget from "/policy_evaluation.js";
const state = %(state)s, listeners = {};
window.saved = 0;
window.model = {
  get: (name) => state[name],
  set: (name, value) => { state[name] = value; },
  save_changes: () => { window.saved += 1; },
  on: (event, call) => (listeners[event] ??= new Set()).add(call),
  off: (event, call) => listeners[event]?.delete(call),
  emit: (name, value) => { state[name] = value; [...(listeners[`change:${name}`] ?? [])].forEach((call) => call()); },
  listening: () => Object.values(listeners).reduce((sum, calls) => sum + calls.size, 0),
};
window.unmount = widget.render({ model: window.model, el: document.getElementById("cell") });
window.ready = true;
</script></body></html>"""
THEMES = {"light": ('data-jp-theme-light="true"', "#ffffff"), "dark": ('data-jp-theme-light="false"', "#111111")}

#: Every visible piece of text with its contrast to the nearest opaque background behind it.
CONTRASTS = """() => {
  const rgb = (text) => { const m = text.match(/[\\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
  const linear = (v) => v / 255 <= .03928 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
  const light = (c) => { const [r, g, b] = c.map(linear);
    return .2126 * r + .7152 * g + .0722 * b; };
  const found = [];
  const walker = document.createTreeWalker(document.querySelector(".pe"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, owner = node.parentElement, style = getComputedStyle(owner);
    if (!node.textContent.trim() || owner.closest(".pe-sr") || !owner.getClientRects().length) continue;
    if (style.color === "rgba(0, 0, 0, 0)") continue;
    let back = owner, ground = [255, 255, 255];
    for (; back; back = back.parentElement) {
      const colour = rgb(getComputedStyle(back).backgroundColor);
      if (colour[3] === 1) { ground = colour.slice(0, 3); break; }
    }
    const [a, b] = [light(rgb(style.color).slice(0, 3)), light(ground)].sort((x, y) => y - x);
    found.push([node.textContent.trim().slice(0, 40), (a + .05) / (b + .05)]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def show(browser):
    """Open a page with the picture of a decision; its errors fail the test."""
    opened, errors = [], []

    def page_of(decision, theme="light", step=0, width=1000, motion="reduce", pace=1.8):
        attribute, ground = THEMES[theme]
        state = json.dumps({"story": tell(decision), "step": step, "pace": pace}).replace("</", "<\\/")
        html = PAGE % {"theme": attribute, "ground": ground, "state": state}
        page = browser.new_page(viewport={"width": width, "height": 900}, reduced_motion=motion)
        opened.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: request.url.startswith(ORIGIN) or errors.append(request.url))
        page.route("**/*", lambda route: _serve(route, html))
        page.goto(ORIGIN + "/")
        page.wait_for_function("window.ready")
        return page

    yield page_of
    for page in opened:
        page.close()
    assert errors == []


def _serve(route, html):
    name = route.request.url.removeprefix(ORIGIN + "/")
    if not name:
        return route.fulfill(body=html, content_type="text/html")
    if name in ("policy_evaluation.js", "policy_evaluation.css"):
        kind = "text/javascript" if name.endswith("js") else "text/css"
        return route.fulfill(body=(HERE / name).read_text(), content_type=kind)
    return route.fulfill(status=204) if name == "favicon.ico" else route.abort()


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
        weak = [(text, round(ratio, 2)) for text, ratio in page.evaluate(CONTRASTS) if ratio < 4.5]
        measured += len(page.evaluate(CONTRASTS))
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
