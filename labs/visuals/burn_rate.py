"""An error budget as it burns: the burn rate over the windows of each alert, what is left, and which alerts fire.

A plot that is drawn again every two seconds where widgets run; in the same output a text form and a static SVG.  It
asks whoever made it for numbers and computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from labs.visuals.plot import Plot, subplots, told, written
from labs.visuals.svg import INK, SOFT, TONES

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


class BurnRateView(Plot):
    """The plot.

    :param thresholds: by name of a rule the burn rate from which on it fires
    :param look: gives every sample so far
    """

    def __init__(self, name: str, thresholds: Mapping[str, float], look: Callable[[], Sequence[Sample]],
                 **options: Any) -> None:
        super().__init__(**options)
        self.name, self.thresholds, self._look = name, thresholds, look
        self.samples: Sequence[Sample] = []
        self.refresh()

    def see(self) -> None:
        """Look once."""
        self.samples = self._look()

    def stop(self) -> Self:
        """Look a last time, and follow no longer; returns itself."""
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
    rules = "; ".join(f"{rule}: {rate:g}" for rule, rate in thresholds.items())
    head = f"Error budget of {name}" + (f"; alerts from a burn rate of {rules}" if rules else "")
    changed, last = [], None
    for each in samples:
        if tuple(each.firing) != last:
            rates = ", ".join(f"{rule} {long:.1f} / {short:.1f}" for rule, (long, short) in each.rates.items())
            changed.append(f"{each.at:7.1f} min  {', '.join(each.firing) or 'silent'}   burn rates: {rates}")
            last = tuple(each.firing)
    end = []
    if samples:
        worst = max(each.failed for each in samples)
        end.append(f"{samples[-1].at:7.1f} min  {100 * samples[-1].left:.1f} % of the budget is left; "
                   f"at the worst moment {100 * worst:.0f} % of the requests failed")
    return told(head, changed, end, trouble)


def as_svg(name: str, thresholds: Mapping[str, float], samples: Sequence[Sample], words: str) -> str:
    """See :attr:`BurnRateView.svg`."""
    figure, (above, middle, below) = subplots(5.4, [2, 3, 2])
    moments = [each.at for each in samples]
    above.fill_between(moments, [100 * each.failed for each in samples], step="pre", color=TONES["deny"][1])
    above.plot(moments, [100 * each.failed for each in samples], drawstyle="steps-pre", color=TONES["deny"][0],
               linewidth=1.2, label="failed")
    _rates(middle, thresholds, samples, moments)
    below.plot(moments, [100 * each.left for each in samples], color=TONES["allow"][0], linewidth=1.8, label="left")
    units = ["% failed", "burn rate", "% of budget"]
    return written(figure, f"Error budget of {name}", units, "minutes of the lab's time", words)


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


def burn_rate_view(name: str, thresholds: Mapping[str, float], look: Callable[[], Sequence[Sample]], *,
                   follow: bool = True) -> BurnRateView:
    """The error budget of a service, as somebody measures it; see :class:`BurnRateView`.

    :param follow: keep the plot up to date for a quarter of an hour, or until ``stop()``
    """
    view = BurnRateView(name, thresholds, look)
    return view.follow() if follow else view
