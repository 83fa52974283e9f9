"""The story of a decision as a static SVG: what a reader sees where no widget runs (GitHub, nbconvert, print).

Deterministic: the same story gives the same bytes.  It stands on a card of its own, so a dark page does not matter.
"""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax import saxutils

WIDTH = 920  # user units; the picture scales to the page
LINES = 26  # of a document, at most; the rest is counted
SANS = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', 'DejaVu Sans', Arial, sans-serif"
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'Liberation Mono', 'DejaVu Sans Mono', monospace"

INK, SOFT, RULE, PAPER, PANEL = "#1b2430", "#566070", "#d5dae1", "#ffffff", "#f5f7f9"
#: tone → (stroke and text, fill).  Hues of Okabe and Ito's set, darkened to 4.5:1 on their fill.
TONES = {
    "allow": ("#00664a", "#e3f4ee"),
    "deny": ("#a33f00", "#fdebdf"),
    "neutral": ("#005a91", "#e5f1f9"),
    "muted": ("#566070", "#f5f7f9"),
}
NEAR = ("#7a5200", "#fdf3dc")  # a line that kept a statement from matching
#: Shapes in a box of 28 × 28 around the origin.
SHAPES = {
    "check": '<circle r="13"/><path d="M-6 .5l4.2 4.2L6.2-4.6" fill="none"/>',
    "star": '<circle r="13"/><path d="M0-8l2.3 5.2 5.7.6-4.3 3.8 1.3 5.6L0 4.3l-5 2.9 1.3-5.6L-8-2.2l5.7-.6z"/>',
    "octagon": '<path d="M-5.4-13H5.4L13-5.4V5.4L5.4 13H-5.4L-13 5.4V-5.4z"/>'
    '<path d="M-4.6-4.6l9.2 9.2M4.6-4.6l-9.2 9.2"/>',
    "diamond": '<path d="M0-14.5L14.5 0 0 14.5-14.5 0z"/><path d="M-4-4l8 8M4-4l-8 8"/>',
    "ring": '<circle r="13"/><path d="M-3-5l5.5 5L-3 5" fill="none"/>',
    "dash": '<circle r="13" stroke-dasharray="3.4 3.4"/><path d="M-5 0H5"/>',
    "dots": '<circle r="13" stroke-dasharray=".1 4.5"/>',
}


#: Characters that XML 1.0 has no way to write.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escape(words: str) -> str:
    """``words`` as XML text; what XML cannot hold becomes U+FFFD."""
    return saxutils.escape(_UNWRITABLE.sub("\ufffd", words))


def as_svg(story: Mapping[str, Any]) -> str:
    """An ``<svg>`` with ``<title>`` and ``<desc>``, a row a gate, and the deciding document with its lines marked."""
    request, outcome = story["request"], story["outcome"]
    canvas = Canvas()
    _head(canvas, request, outcome)
    _rows(canvas, story["gates"])
    _document(canvas, story)
    _message(canvas, outcome)
    title = f"{request['action']} by {request['short']}: {outcome['word']}"
    words = " ".join([outcome["announcement"], *(g["announcement"] for g in story["gates"]), outcome["message"]])
    return canvas.card("pe", canvas.y + 16, title, words, json.dumps(story, sort_keys=True))


class Canvas:
    """Collects elements, sizes and places in user units; ``y`` is the lowest line used so far."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.y = 0

    def text(self, x: float, y: float, words: str, size: float = 13, fill: str = INK, **style: str) -> None:
        more = "".join(f" {key.replace('_', '-')}={saxutils.quoteattr(value)}" for key, value in style.items())
        family = "" if "font_family" in style else f' font-family="{SANS}"'
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{fill}"{family}{more}>{escape(words)}</text>'
        )

    def box(self, x: float, y: float, w: float, h: float, fill: str, stroke: str = "none", radius: float = 0) -> None:
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="{radius:g}" fill="{fill}" stroke="{stroke}"/>'
        )

    def shape(self, x: float, y: float, name: str, tone: str, scale: float = 1) -> None:
        ink, fill = TONES[tone]
        self.parts.append(
            f'<g transform="translate({x:g} {y:g}) scale({scale:g})" fill="{fill}" stroke="{ink}" stroke-width="1.8" '
            f'stroke-linecap="round" stroke-linejoin="round">{SHAPES[name]}</g>'
        )

    def card(self, prefix: str, height: int, title: str, words: str, known_by: str | None = None) -> str:
        """The picture: the elements on a card of ``height``, with ``<title>`` and ``<desc>``.

        :param prefix: of the ids that join the two to the ``<svg>``
        :param known_by: what tells this picture from another on the same page; ``words`` unless given
        """
        mark = prefix + hashlib.sha256((words if known_by is None else known_by).encode()).hexdigest()[:10]
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            f'role="img" aria-labelledby="{mark}-t {mark}-d" style="max-width:100%;height:auto">'
            f'<title id="{mark}-t">{escape(title)}</title><desc id="{mark}-d">{escape(words)}</desc>'
            f'<rect x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="10" fill="{PAPER}" stroke="{RULE}"/>'
            + "".join(self.parts)
            + "</svg>"
        )


def wrap(words: str, columns: int) -> list[str]:
    """``words`` in lines of at most ``columns`` characters; one empty line for none."""
    return textwrap.wrap(words, columns, break_on_hyphens=False) or [""]


def _head(canvas: Canvas, request: Mapping[str, Any], outcome: Mapping[str, Any]) -> None:
    y = 34
    kind = f" ({request['kind']}, account {request['account']})" if request["account"] else f" ({request['kind']})"
    context = ", ".join(f"{key} = {value}" for key, value in request["context"])
    facts = [
        ("Who", request["who"] + kind),
        ("Action", request["action"]),
        ("Resource", request["resource"]),
        ("Context", context),
    ]
    for label, value in facts:
        if not value:
            continue
        canvas.text(24, y, label, 12, SOFT, font_weight="600")
        for line in wrap(value, 78)[:4]:
            canvas.text(104, y, line, 12.5, INK, font_family=MONO)
            y += 20
        y += 3
    ink, fill = TONES[outcome["tone"]]
    canvas.box(WIDTH - 168, 20, 144, 44, fill, ink, 22)
    canvas.shape(WIDTH - 144, 42, outcome["shape"], outcome["tone"], 0.9)
    canvas.text(WIDTH - 122, 47.5, outcome["word"], 16, ink, font_weight="700")
    canvas.parts.append(f'<path d="M24 {y - 2}H{WIDTH - 24}" stroke="{RULE}"/>')
    canvas.y = y + 4


def _rows(canvas: Canvas, gates: Sequence[Mapping[str, Any]]) -> None:
    """A row a gate; the line between two shapes is the way the request went, dotted where it did not come."""
    y, last, rows = canvas.y + 24, None, []
    for n, gate in enumerate(gates, start=1):
        lines = wrap(gate["sentence"], 70)
        rows.append((n, gate, lines, y))
        if last is not None:
            dashed = "" if gate["reached"] else ' stroke-dasharray="1 5"'
            canvas.parts.append(
                f'<path d="M42 {last + 15}V{y - 15}" stroke="{TONES["neutral"][0] if gate["reached"] else SOFT}" '
                f'stroke-width="2" stroke-linecap="round"{dashed}/>'
            )
        last, y = y, y + max(42, 18 * len(lines) + 22)
    for n, gate, lines, at in rows:
        ink, _ = TONES[gate["tone"]]
        if gate["stops"]:
            canvas.box(62, at - 19, WIDTH - 86, 18 * len(lines) + 20, TONES[gate["tone"]][1], "none", 6)
        canvas.shape(42, at, gate["shape"], gate["tone"])
        canvas.text(72, at + 4.5, f"{n}  {gate['name']}", 13, INK if gate["reached"] else SOFT, font_weight="600")
        canvas.text(288, at + 4.5, gate["word"], 13, ink, font_weight="700")
        for k, line in enumerate(lines):
            canvas.text(402, at + 4.5 + 18 * k, line, 12.5, INK if gate["reached"] else SOFT)
    canvas.y = y - 4


def _document(canvas: Canvas, story: Mapping[str, Any]) -> None:
    """The deciding policy, its deciding lines on colour with a bar and a word; without one, what did not match."""
    gate = story["gates"][story["stop"]] if story["stop"] is not None else _last_allow(story["gates"])
    documents = gate["documents"] if gate else []
    decisive = [d for d in documents if d["decides"]] or [d for d in documents if _marked(d, "fails")]
    if not decisive:
        return
    document = decisive[0]
    word = "decides" if document["decides"] else "fails"
    marked = _marked(document, word)
    first = max(0, min(marked[0] - 3, len(document["lines"]) - LINES))
    shown = list(enumerate(document["lines"]))[first : first + LINES]
    y = canvas.y + 8
    canvas.text(24, y + 4, document["name"], 13, INK, font_weight="600")
    if document["arn"] and document["arn"] != document["name"]:
        canvas.text(WIDTH - 24, y + 4, document["arn"][:96], 11, SOFT, font_family=MONO, text_anchor="end")
    y += 14
    canvas.box(24, y, WIDTH - 48, 18 * len(shown) + 16, PANEL, RULE, 6)
    y += 8
    ink, fill = TONES[gate["tone"]] if word == "decides" else NEAR
    for k, line in shown:
        if k in marked:
            canvas.box(25, y, WIDTH - 50, 18, fill)
            canvas.box(25, y, 4, 18, ink)
        canvas.text(64, y + 13, str(k + 1), 11.5, SOFT, font_family=MONO, text_anchor="end")
        code = line["text"] if len(line["text"]) <= 100 else line["text"][:99] + "…"
        canvas.parts.append(
            f'<text x="78" y="{y + 13:g}" font-size="12" fill="{INK}" font-family="{MONO}" xml:space="preserve" '
            f'style="white-space:pre">{escape(code)}</text>'
        )
        if k in marked and (line["starts"] or k == first):
            label = "decides" if word == "decides" else "does not match"
            canvas.text(WIDTH - 36, y + 13, label, 12, ink, font_weight="700", text_anchor="end")
        y += 18
    hidden = len(document["lines"]) - len(shown)
    if hidden:
        canvas.text(WIDTH - 24, y + 26, f"{hidden} more lines not shown", 11.5, SOFT, text_anchor="end")
    canvas.y = y + (36 if hidden else 22)


def _marked(document: Mapping[str, Any], mark: str) -> list[int]:
    return [k for k, line in enumerate(document["lines"]) if line["mark"] == mark]


def _last_allow(gates: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """For a request that passed every gate: the identity policy's allow, else the last one."""
    allowing = [gate for gate in gates if any(d["decides"] for d in gate["documents"])]
    return next((g for g in allowing if g["type"] == "identity-based policy"), allowing[-1] if allowing else None)


def _message(canvas: Canvas, outcome: Mapping[str, Any]) -> None:
    y = canvas.y + 6
    ink, fill = TONES[outcome["tone"]]
    lines = [line for part in outcome["message"].splitlines() for line in wrap(part, 112)]
    height = 30 + 18 * len(lines) + (4 if lines else 0)
    canvas.box(24, y, WIDTH - 48, height, fill, "none", 6)
    canvas.text(40, y + 20, f"{outcome['word']}. {outcome['reason']}", 13.5, ink, font_weight="700")
    for k, line in enumerate(lines):
        canvas.text(40, y + 42 + 18 * k, line, 12, INK, font_family=MONO)
    canvas.y = y + height
