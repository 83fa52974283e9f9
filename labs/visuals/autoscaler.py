"""An autoscaler at work, as it moves: how many pods it wants, how many there are, and what they use.

A plot that is drawn again every two seconds where widgets run; in the same output a text form and a static SVG.  It
only reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labs.visuals.following import answered, connected
from labs.visuals.plot import Plot, subplots, told, written
from labs.visuals.svg import INK, TONES

WINDOW = 240.0
"""Seconds that the plot shows."""
_SIGN = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Sample:
    """One look.

    :param at: seconds since the view began
    :param wanted: pods that the autoscaler wants; None where there is no autoscaler, or it could compute nothing yet
    :param there: pods that the Deployment has, also those that are not Ready
    :param ready: those that are
    :param use: the first metric's current value in per cent of the requests; None where it is unknown, or is not one
    :param target: that the autoscaler compares it with
    """

    at: float
    wanted: int | None
    there: int
    ready: int
    use: int | None
    target: int | None


Look = Callable[[], Mapping[str, Any]]


class AutoscalerView(Plot):
    """The plot.

    ``samples`` holds everything that was seen, ``trouble`` why the last look failed, or "".  ``text`` and ``svg`` are
    the forms without widgets.
    """

    def __init__(self, name: str, look: Look, **options: Any) -> None:
        super().__init__(**options)
        self.name, self._look = name, look
        self.samples: list[Sample] = []
        self._began = time.monotonic()
        self.refresh()

    def see(self) -> None:
        """Look once."""
        self.samples.append(Sample(round(time.monotonic() - self._began, 1), **self._look()))

    @property
    def text(self) -> str:
        """What happened, in lines: a new one wherever a number of pods or the target changed, a row for the use."""
        return as_text(self.name, self.samples, self.trouble)

    @property
    def svg(self) -> str:
        """The plot as one ``<svg>`` element."""
        return as_svg(self.name, self.samples, self.text)


def as_text(name: str, samples: list[Sample], trouble: str = "") -> str:
    """See :attr:`AutoscalerView.text`."""
    last: tuple[Any, ...] | None = None
    changed = []
    for each in samples:
        now = (each.wanted, each.there, each.ready)
        if now != last:
            wanted = "-" if each.wanted is None else each.wanted
            use = "not measured" if each.use is None else f"{each.use} % (target {each.target} %)"
            changed.append(f"{each.at:6.0f} s  {wanted} / {each.there} / {each.ready}   {use}")
            last = now
    end = []
    known = [each.use for each in samples if each.use is not None]
    if known:
        top = max(*known, 1)
        signs = "".join(" " if each.use is None else _SIGN[min(7, 8 * each.use // (top + 1))]
                        for each in samples[-100:])
        end.append(f"use, a sign for each second, {_SIGN[-1]} is {top} %: {signs}")
    head = f"Autoscaler {name}: pods wanted / there / Ready, and use of the requests"
    return told(head, changed, end, trouble)


def as_svg(name: str, samples: list[Sample], words: str) -> str:
    """See :attr:`AutoscalerView.svg`."""
    from matplotlib.ticker import MaxNLocator

    figure, (above, below) = subplots(4.2, [3, 2])
    shown = [each for each in samples if each.at >= samples[-1].at - WINDOW] if samples else []
    moments = [each.at for each in shown]

    def line(axes: Any, values: list[Any], **options: Any) -> None:
        axes.plot(moments, [float("nan") if value is None else value for value in values], drawstyle="steps-post",
                  **options)

    above.fill_between(moments, [each.ready for each in shown], step="post", color=TONES["allow"][1])
    line(above, [each.ready for each in shown], color=TONES["allow"][0], linewidth=1.5, label="Ready")
    line(above, [each.there for each in shown], color=INK, linewidth=1.5, linestyle=":", label="there")
    line(above, [each.wanted for each in shown], color=TONES["deny"][0], linewidth=2.0, linestyle="--", label="wanted")
    line(below, [each.use for each in shown], color=INK, linewidth=1.5, label="use")
    line(below, [each.target for each in shown], color=TONES["deny"][0], linewidth=1.2, linestyle="--", label="target")
    above.yaxis.set_major_locator(MaxNLocator(integer=True))
    above.set_ylim(0, max([2, *(value for each in shown for value in (each.there, each.wanted or 0))]) + 1)
    below.set_ylim(bottom=0)
    return written(figure, f"Autoscaler {name}", ["pods", "% of requests"], "seconds", words)


def autoscaler_view(
    namespace: str, name: str, *, kubeconfig: str | None = None, follow: bool = True
) -> AutoscalerView:
    """A Deployment and the HorizontalPodAutoscaler of the same name, on the cluster that ``KUBECONFIG`` names.

    :param kubeconfig: path of another kubeconfig
    :param follow: keep the plot up to date for a quarter of an hour, or until ``stop()``
    :raises PermanentError: there is no kubeconfig, no such Deployment, or the API server refuses
    :raises TemporaryError: no API server answers
    """
    view = AutoscalerView(name, reader(namespace, name, kubeconfig))
    return view.follow() if follow else view


def reader(namespace: str, name: str, kubeconfig: str | None = None) -> Look:
    """A function that looks once; it gives the fields of :class:`Sample` but the moment."""
    from kubernetes import client

    api = connected(kubeconfig)
    workloads, autoscalers = client.AppsV1Api(api), client.AutoscalingV2Api(api)

    def look() -> dict[str, Any]:
        deployment = answered(api, workloads.read_namespaced_deployment, name, namespace)
        scaler = autoscalers.read_namespaced_horizontal_pod_autoscaler
        return sample_of(deployment, answered(api, scaler, name, namespace, missing={}))

    return look


def sample_of(deployment: Mapping[str, Any], autoscaler: Mapping[str, Any]) -> dict[str, Any]:
    """What one look sees, from the two objects; the second is empty where there is none."""
    status = deployment.get("status") or {}
    spec, seen = autoscaler.get("spec") or {}, autoscaler.get("status") or {}
    metric = next(iter(spec.get("metrics") or ()), {}).get("resource", {})
    current = next((each["resource"]["current"] for each in seen.get("currentMetrics") or ()
                    if each.get("type") == "Resource" and each["resource"]["name"] == metric.get("name")), {})
    active = any(each["type"] == "ScalingActive" and each["status"] == "True" for each in seen.get("conditions") or ())
    return {
        "wanted": int(seen["desiredReplicas"]) if active and "desiredReplicas" in seen else None,
        "there": int(status.get("replicas") or 0),
        "ready": int(status.get("readyReplicas") or 0),
        "use": current.get("averageUtilization"),
        "target": metric.get("target", {}).get("averageUtilization"),
    }
