"""An error budget as it burns: the burn rate over the windows of each alert, what is left, and which alerts fire.

A plot that is drawn again every two seconds where widgets run; in the same output a text form and a static SVG.  It
asks whoever made it for numbers and computes nothing.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ipywidgets
import traitlets

from labs.visuals.following import Following
from labs.visuals.svg import INK, PANEL, RULE, SOFT, TONES

DRAWN_EVERY = 2.0
"""Seconds between two drawings."""
ROWS = 24
STYLES = ("-", "--", ":", "-.")


@dataclass(frozen=True, slots=True)
class Sample:
    """One look.

    :param at: minutes of the lab's time
    :param failed: share of the requests since the look before that failed, 0 to 1
    :param left: share of the error budget that is left; below 0 it is overspent
    :param rates: by name of a rule the burn rate over its long and over its short window
    :param firing: names of the rules that fire
    """

    at: float
    failed: float
    left: float
    rates: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    firing: Sequence[str] = ()


class BurnRateView(Following, ipywidgets.HTML):  # type: ignore[misc]
    """The plot.

    :param thresholds: by name of a rule the burn rate from which on it fires
    :param look: gives every sample so far
    """

    trouble = traitlets.Unicode("")
    longest = 900.0

    def __init__(self, name: str, thresholds: Mapping[str, float], look: Callable[[], Sequence[Sample]],
                 **options: Any) -> None:
        super().__init__(**options)
        self.name, self.thresholds, self._look = name, thresholds, look
        self.samples: Sequence[Sample] = []
        self._drawn = 0.0
        self.refresh()

    def refresh(self) -> BurnRateView:
        """Look once more and draw; returns itself."""
        self.see()
        self.value = self.svg
        return self

    def see(self) -> None:
        """Look once."""
        self.samples = self._look()

    def looked(self) -> None:
        """Draw, now and then."""
        if time.monotonic() - self._drawn >= DRAWN_EVERY:
            self.value, self._drawn = self.svg, time.monotonic()

    def stop(self) -> BurnRateView:
        """Follow no longer; what was seen stays, and is drawn.  Returns itself."""
        super().stop()
        return self.refresh()

    @property
    def text(self) -> str:
        """What happened, in lines: a new one wherever an alert began or ended, and the budget at the end."""
        return as_text(self.name, self.thresholds, self.samples, self.trouble)

    @property
    def svg(self) -> str:
        """The plot as one ``<svg>`` element."""
        return as_svg(self.name, self.thresholds, self.samples, self.text)


def as_text(name: str, thresholds: Mapping[str, float], samples: Sequence[Sample], trouble: str = "") -> str:
    """See :attr:`BurnRateView.text`."""
    told = "; ".join(f"{rule}: {rate:g}" for rule, rate in thresholds.items())
    lines = [f"Error budget of {name}; alerts from a burn rate of {told}" if told else f"Error budget of {name}"]
    changed, last = [], None
    for each in samples:
        if tuple(each.firing) != last:
            rates = ", ".join(f"{rule} {long:.1f} / {short:.1f}" for rule, (long, short) in each.rates.items())
            changed.append(f"{each.at:7.1f} min  {', '.join(each.firing) or 'silent'}   burn rates: {rates}")
            last = tuple(each.firing)
    lines += changed if len(changed) <= ROWS else [*changed[:2], f"{'…':>8}", *changed[2 - ROWS:]]
    if samples:
        worst = max(each.failed for each in samples)
        lines.append(f"{samples[-1].at:7.1f} min  {100 * samples[-1].left:.1f} % of the budget is left; "
                     f"at the worst moment {100 * worst:.0f} % of the requests failed")
    return "\n".join([*lines, *([f"could not look: {trouble}"] if trouble else [])])


def as_svg(name: str, thresholds: Mapping[str, float], samples: Sequence[Sample], told: str) -> str:
    """See :attr:`BurnRateView.svg`."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 5.4), facecolor="white", layout="constrained")
    FigureCanvasSVG(figure)
    above, middle, below = figure.subplots(3, 1, sharex=True, height_ratios=[2, 3, 2])
    moments = [each.at for each in samples]
    above.fill_between(moments, [100 * each.failed for each in samples], step="pre", color=TONES["deny"][1])
    above.plot(moments, [100 * each.failed for each in samples], drawstyle="steps-pre", color=TONES["deny"][0],
               linewidth=1.2, label="failed")
    _rates(middle, thresholds, samples, moments)
    below.plot(moments, [100 * each.left for each in samples], color=TONES["allow"][0], linewidth=1.8, label="left")
    above.set_ylabel("% failed", color=SOFT)
    middle.set_ylabel("burn rate", color=SOFT)
    below.set_ylabel("% of budget", color=SOFT)
    below.set_xlabel("minutes of the lab's time", color=SOFT)
    above.set_title(f"Error budget of {name}", loc="left", color=INK, fontsize=11, fontweight="bold")
    for axes in (above, middle, below):
        _dress(axes)
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None, "Title": f"Error budget of {name}",
                                                    "Description": told})
    drawn = written.getvalue()
    return drawn[drawn.index("<svg"):].replace("<svg ", '<svg role="img" style="max-width:100%;height:auto" ', 1)


def _rates(axes: Any, thresholds: Mapping[str, float], samples: Sequence[Sample], moments: Sequence[float]) -> None:
    """Of each rule the burn rate that counts, the smaller of its two windows', its threshold, and when it fires."""
    inks = [TONES["neutral"][0], INK, TONES["allow"][0], SOFT]
    top = max([1.0, *thresholds.values()])
    for number, (rule, threshold) in enumerate(thresholds.items()):
        style = {"color": inks[number % len(inks)], "linestyle": STYLES[number % len(STYLES)]}
        axes.plot(moments, [min(each.rates.get(rule, (0.0, 0.0))) for each in samples], linewidth=1.6, label=rule,
                  **style)
        axes.axhline(threshold, linewidth=0.8, alpha=0.6, **style)
        top = max([top, *(min(each.rates.get(rule, (0.0, 0.0))) for each in samples)])
    on = [bool(each.firing) for each in samples]
    axes.fill_between(moments, 0, 1.1 * top, where=on, step="mid", color=TONES["deny"][1], label="an alert fires",
                      zorder=0)
    axes.set_ylim(0, 1.1 * top)


def _dress(axes: Any) -> None:
    axes.set_facecolor(PANEL)
    axes.grid(color=RULE, linewidth=0.6)
    axes.tick_params(colors=SOFT)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.1, fontsize=8, frameon=False, ncols=5)
    for spine in axes.spines.values():
        spine.set_color(RULE)


def burn_rate_view(name: str, thresholds: Mapping[str, float], look: Callable[[], Sequence[Sample]], *,
                   follow: bool = True) -> BurnRateView:
    """The error budget of a service, as somebody measures it; see :class:`BurnRateView`.

    :param follow: keep the plot up to date for a quarter of an hour, or until ``stop()``
    """
    view = BurnRateView(name, thresholds, look)
    return view.follow() if follow else view
