"""A page with one widget on it, in a real Chromium.

It gives ``render`` a model object of four methods, the part of anywidget's interface that the modules use.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from labs.visuals.front_end import module, style

ORIGIN = "http://widget.test"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>widget</title>
<link rel="stylesheet" href="/%(widget)s.css"><style>body { margin: 16px; background: %(ground)s }</style></head>
<body %(theme)s><div id="cell"></div><script type="module">
import widget from "/%(widget)s.js";
const state = %(state)s, listeners = {};
window.saved = 0;
window.model = {
  get: (name) => state[name],
  set: (name, value) => window.model.emit(name, value),
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

#: Every visible piece of text of a widget, by its class, with its contrast to the nearest opaque background behind it.
CONTRASTS = """(widget) => {
  const rgb = (text) => { const m = text.match(/[\\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
  const linear = (v) => v / 255 <= .03928 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
  const light = (c) => { const [r, g, b] = c.map(linear);
    return .2126 * r + .7152 * g + .0722 * b; };
  const found = [];
  const walker = document.createTreeWalker(document.querySelector(`.${widget}`), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, owner = node.parentElement, style = getComputedStyle(owner);
    if (!node.textContent.trim() || owner.closest(`.${widget}-sr`) || !owner.getClientRects().length) continue;
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

Show = Callable[..., Any]


@contextmanager
def pages(browser: Any, widget: str, width: int) -> Iterator[Show]:
    """A function that opens a page with ``widget`` in a state; a page's errors and foreign requests fail the test."""
    opened, errors = [], []

    def show(state: Mapping[str, Any], theme: str = "light", width: int = width, motion: str = "reduce") -> Any:
        attribute, ground = THEMES[theme]
        told = json.dumps(state).replace("</", "<\\/")
        html = PAGE % {"widget": widget, "theme": attribute, "ground": ground, "state": told}
        page = browser.new_page(viewport={"width": width, "height": 900}, reduced_motion=motion)
        opened.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: request.url.startswith(ORIGIN) or errors.append(request.url))
        page.route("**/*", lambda route: _serve(route, html, widget))
        page.goto(ORIGIN + "/")
        page.wait_for_function("window.ready")
        return page

    yield show
    for page in opened:
        page.close()
    assert errors == []


def _serve(route: Any, html: str, widget: str) -> None:
    files = {
        "": (html, "text/html"),
        f"{widget}.js": (module(widget), "text/javascript"),
        f"{widget}.css": (style(widget).read_text(), "text/css"),
    }
    name = route.request.url.removeprefix(ORIGIN + "/")
    if name in files:
        body, kind = files[name]
        route.fulfill(body=body, content_type=kind)
    elif name == "favicon.ico":
        route.fulfill(status=204)
    else:
        route.abort()
