"""What the plots of something that moves have in common: when they draw again, how they look, how long a text may be.

A plot is drawn with matplotlib as SVG; its words say the same and stand in the SVG as its description.
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from typing import Any, Self

import ipywidgets
import traitlets

from labs.visuals.following import Following
from labs.visuals.svg import INK, PANEL, RULE, SOFT

DRAWN_EVERY = 2.0
"""Seconds between two drawings."""
ROWS = 24
"""Lines of a text that tell what changed."""


class Plot(Following, ipywidgets.HTML):  # type: ignore[misc]
    """A plot that keeps looking.  A subclass has ``see``, ``text`` and ``svg``, and calls ``refresh`` when it is made.

    ``trouble`` says why the last look failed, or "".
    """

    trouble = traitlets.Unicode("")
    longest = 900.0

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._drawn = 0.0

    def refresh(self) -> Self:
        """Look once more and draw; returns itself."""
        self.see()
        self.value = self.svg
        return self

    def looked(self) -> None:
        """Draw, now and then."""
        if time.monotonic() - self._drawn >= DRAWN_EVERY:
            self.value, self._drawn = self.svg, time.monotonic()

    def stop(self) -> Self:
        """Follow no longer; what was seen stays, and is drawn.  Returns itself."""
        super().stop()
        self.value = self.svg
        return self


def told(head: str, changes: Sequence[str], end: Sequence[str], trouble: str) -> str:
    """A plot in words: of more than :data:`ROWS` changes the first two and the last ones."""
    shown = changes if len(changes) <= ROWS else [*changes[:2], f"{'…':>8}", *changes[2 - ROWS:]]
    return "\n".join([head, *shown, *end, *([f"could not look: {trouble}"] if trouble else [])])


def subplots(height: float, ratios: Sequence[int]) -> tuple[Any, Any]:
    """A figure of 9 × ``height`` inches with plots above one another, as high as ``ratios`` say, and those plots."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, height), facecolor="white", layout="constrained")
    FigureCanvasSVG(figure)
    return figure, figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios)


def written(figure: Any, title: str, units: Sequence[str], moments: str, words: str) -> str:
    """The figure as one ``<svg>`` element, once each plot has its colours, legend and units, and the first the title.

    :param units: of the plots' values, from the top
    :param moments: the unit of what they share
    :param words: what the picture shows, for who does not see it
    """
    for axes, unit in zip(figure.axes, units, strict=True):
        axes.set_ylabel(unit, color=SOFT)
        axes.set_facecolor(PANEL)
        axes.grid(color=RULE, linewidth=0.6)
        axes.tick_params(colors=SOFT)
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.1, fontsize=8, frameon=False, ncols=5)
        for spine in axes.spines.values():
            spine.set_color(RULE)
    figure.axes[0].set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold")
    figure.axes[-1].set_xlabel(moments, color=SOFT)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Title": title, "Description": words})
    drawn = text.getvalue()
    return drawn[drawn.index("<svg"):].replace("<svg ", '<svg role="img" style="max-width:100%;height:auto" ', 1)
