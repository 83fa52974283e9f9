"""The traffic picture: one request on its way from a browser to a container, hop by hop, as it happened.

It shows what each component logged or answered about that one request, with the time that the hop added, and where and
why the way ended.  It observes nothing itself: :class:`Journey` is what somebody observed.  An anywidget where
JavaScript runs; beside it, in the same output, plain text and a static SVG.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import anywidget
import traitlets
import yaml

from labs.visuals.front_end import module, style
from labs.visuals.picture import with_static_forms
from labs.visuals.svg import INK, MONO, RULE, SOFT, TONES, WIDTH, Canvas, wrap

PASSED, STOPPED, UNREACHED = "passed", "stopped here", "not reached"
_LOOKS = {PASSED: ("allow", "check", "[+]"), STOPPED: ("deny", "octagon", "[x]"), UNREACHED: ("muted", "dots", "[ ]")}
_BAR = 150  # user units of the longest time


@dataclass(frozen=True)
class Hop:
    """One station.

    :param place: who runs it: ``browser``, ``DNS``, ``AWS``, ``edge``, ``cluster``
    :param name: what it is: ``Load balancer rule``
    :param thing: which one: ``arn…/listener-rule/…``, ``default/web``
    :param state: ``passed``, ``stopped here`` or ``not reached``
    :param facts: what was seen, a line each
    :param why: for one that stopped the request, what it said and what in the objects explains it
    :param ms: milliseconds that it added; None where nobody measured them
    :param source: where the facts were read
    :param shown: the object behind it, as the API has it
    """

    place: str
    name: str
    thing: str
    state: str = PASSED
    facts: tuple[str, ...] = ()
    why: str = ""
    ms: float | None = None
    source: str = ""
    shown: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Journey:
    """One request: ``GET https://shop.test/``, its ids, its hops in order, and what the browser got at the end.

    :param answer: ``200 in 14.2 ms``, or what went wrong: ``no answer: certificate has expired``
    """

    request: str
    request_id: str
    trace_id: str
    answer: str
    hops: tuple[Hop, ...]

    @property
    def stopped(self) -> Hop | None:
        """The hop at which the way ended; None for a request that came to the end of it."""
        return next((hop for hop in self.hops if hop.state == STOPPED), None)

    def to_json(self) -> dict[str, Any]:
        """As the widget draws it: the fields, and for each hop its look and its object as YAML."""
        hops = []
        for hop in self.hops:
            tone, _, _ = _LOOKS[hop.state]
            shown = yaml.safe_dump(dict(hop.shown), sort_keys=False, allow_unicode=True) if hop.shown else ""
            hops.append({**asdict(hop), "facts": list(hop.facts), "tone": tone, "shown": shown})
        return {"request": self.request, "request_id": self.request_id, "trace_id": self.trace_id,
                "answer": self.answer, "hops": hops, "summary": self.summary}

    @property
    def summary(self) -> str:
        """One sentence."""
        end = self.stopped
        if end is not None:
            return f"{self.request}: {self.answer}. The way ended at: {end.name} {end.thing}. {end.why}".rstrip()
        return f"{self.request}: {self.answer}, over {len(self.hops)} hops"


class TrafficPicture(anywidget.AnyWidget):
    """The picture of one journey.

    ``step`` is how many hops are drawn as travelled; -1 plays from the beginning.  ``text`` and ``svg`` are the forms
    without JavaScript.
    """

    _esm = module("traffic")
    _css = style("traffic")
    story = traitlets.Dict().tag(sync=True)
    step = traitlets.Int(-1).tag(sync=True)

    def __init__(self, journey: Journey, **options: Any) -> None:
        super().__init__(story=journey.to_json(), **options)
        self.journey = journey

    @property
    def text(self) -> str:
        """Every hop with its facts, its time and where they were read."""
        return "\n".join(_lines(self.journey))

    @property
    def svg(self) -> str:
        """The picture as one static ``<svg>`` element."""
        return _as_svg(self.journey, self.text)

    def __str__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return with_static_forms(super()._repr_mimebundle_(**kwargs), self)


# --- telling it ---------------------------------------------------------------------------------------------------


def _lines(journey: Journey) -> Iterator[str]:
    yield f"{journey.request}: {journey.answer}"
    yield f"request id {journey.request_id}, trace id {journey.trace_id}"
    for number, hop in enumerate(journey.hops, 1):
        time = f"{hop.ms:.1f} ms" if hop.ms is not None else ""
        yield f"{_LOOKS[hop.state][2]} {number:>2} {hop.place:<8} {hop.name:<18} {hop.thing}  {time}".rstrip()
        yield from (f"       {fact}" for fact in hop.facts)
        if hop.why:
            yield f"       {hop.state}: {hop.why}"
        if hop.source and hop.state != UNREACHED:
            yield f"       (from {hop.source})"


def _as_svg(journey: Journey, text: str) -> str:
    canvas = Canvas()
    canvas.text(24, 36, journey.request, 16, INK, font_weight="700")
    end = journey.stopped
    canvas.text(24, 58, journey.answer, 13.5, TONES["deny" if end else "allow"][0], font_weight="700")
    canvas.text(WIDTH - 24, 58, f"trace {journey.trace_id}", 11, SOFT, font_family=MONO, text_anchor="end")
    longest = max([1.0, *(hop.ms for hop in journey.hops if hop.ms is not None)])
    y, before = 84, None
    for number, hop in enumerate(journey.hops, 1):
        follows = number < len(journey.hops)
        y, before = _station(canvas, hop, y, before, longest, follows), hop
    return canvas.card("tp", y, journey.summary, text)


def _station(canvas: Canvas, hop: Hop, y: int, before: Hop | None, longest: float, follows: bool) -> int:
    """One hop and the line that leads to it, and on to one that ``follows``; returns where that begins."""
    tone, shape, _ = _LOOKS[hop.state]
    ink, fill = TONES[tone]
    told = [line for fact in hop.facts for line in wrap(fact, 84)]
    why = wrap(hop.why, 84) if hop.why else []
    height = 44 + 17 * (len(told) + len(why)) + (6 if why else 0)
    if before is None or before.place != hop.place:
        canvas.text(24, y + 26, hop.place, 12, SOFT, font_weight="600")
    if before is not None:
        dotted = ' stroke-dasharray="1 6"' if hop.state == UNREACHED else ""
        colour = TONES["muted" if hop.state == UNREACHED else "neutral"][0]
        canvas.parts.append(f'<path d="M116 {y - 14}V{y + 8}" stroke="{colour}" stroke-width="4" '
                            f'stroke-linecap="round"{dotted}/>')
    canvas.box(140, y, WIDTH - 164, height - 8, fill, ink if hop.state == STOPPED else RULE, 8)
    canvas.shape(116, y + 21, shape, tone)
    canvas.text(156, y + 25, hop.name, 13.5, ink, font_weight="700")
    canvas.text(310, y + 25, hop.thing if len(hop.thing) <= 56 else hop.thing[:55] + "…", 12.5, INK, font_family=MONO)
    if hop.ms is not None:
        width = max(3.0, _BAR * hop.ms / longest)
        canvas.box(WIDTH - 40 - width, y + 30, width, 4, TONES["neutral"][0], radius=2)
        canvas.text(WIDTH - 40, y + 25, f"{hop.ms:.1f} ms", 12, INK, text_anchor="end")
    at = y + 46
    for line in told:
        canvas.text(156, at, line, 12, SOFT, font_family=MONO)
        at += 17
    for line in why:
        canvas.text(156, at + 4, line, 12.5, ink, font_weight="600")
        at += 17
    if follows and height > 52 and hop.state == PASSED:
        canvas.parts.append(f'<path d="M116 {y + 36}V{y + height - 8}" stroke="{TONES["neutral"][0]}" '
                            'stroke-width="4" stroke-linecap="round"/>')
    return y + height + 6
