"""The cluster as it is now, and as it moves: nodes, the pods on them, what waits, and the latest events.

An anywidget where JavaScript runs; beside it, in the same output, plain text and a static SVG.  It only reads.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import anywidget
import traitlets

from labs.visuals.cluster_state import state_of
from labs.visuals.following import Following, answered, connected
from labs.visuals.front_end import module, style
from labs.visuals.svg import INK, MONO, PANEL, SOFT, TONES, WIDTH, Canvas, wrap

_SIGNS = {"allow": "[+]", "deny": "[x]", "neutral": "[~]", "muted": "[-]"}
Look = Callable[[], Mapping[str, Any]]


class ClusterView(Following, anywidget.AnyWidget):
    """The picture of a cluster.

    ``state`` is what was last seen (:func:`labs.visuals.cluster_state.state_of`), ``live`` whether it is being
    followed, ``trouble`` why the last look failed, or "".  ``text`` and ``svg`` are the forms without JavaScript.
    """

    _esm = module("cluster_picture")
    _css = style("cluster_picture")
    state = traitlets.Dict().tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)
    trouble = traitlets.Unicode("").tag(sync=True)

    def __init__(self, look: Look, **options: Any) -> None:
        super().__init__(state=dict(look()), **options)
        self._look = look

    def refresh(self) -> ClusterView:
        """Look once more; returns itself."""
        self.see()
        return self

    def see(self) -> None:
        """Look once."""
        self.state = dict(self._look())

    def follow(self, seconds: float | None = None) -> ClusterView:
        """As any picture that follows; ``live`` says that it does."""
        self.live = True
        return super().follow(seconds)

    def _follow(self, seconds: float) -> None:
        super()._follow(seconds)
        self.live = False

    @property
    def text(self) -> str:
        """Nodes with their pods, waiting pods and events as plain text."""
        return "\n".join(_lines(self.state))

    @property
    def svg(self) -> str:
        """The picture as one static ``<svg>`` element."""
        return _as_svg(self.state, self.text)


def cluster_view(namespace: str | None = None, *, kubeconfig: str | None = None, follow: bool = True) -> ClusterView:
    """The cluster that ``KUBECONFIG`` names, or one namespace's pods and events on all its nodes.

    :param kubeconfig: path of another kubeconfig
    :param follow: keep the picture up to date for an hour, or until ``stop()``
    :raises PermanentError: there is no kubeconfig, or the API server refuses
    :raises TemporaryError: no API server answers
    """
    view = ClusterView(reader(namespace, kubeconfig))
    return view.follow() if follow else view


def reader(namespace: str | None = None, kubeconfig: str | None = None) -> Look:
    """A function that looks at the cluster once; each answer is at most the API server's cache old."""
    from kubernetes import client

    api = connected(kubeconfig)
    core = client.CoreV1Api(api)

    def items(call: Callable[..., Any], *arguments: str) -> list[dict[str, Any]]:
        return list(answered(api, call, *arguments, resource_version="0")["items"])

    def look() -> dict[str, Any]:
        nodes = items(core.list_node)
        if namespace is None:
            pods, events = items(core.list_pod_for_all_namespaces), items(core.list_event_for_all_namespaces)
        else:
            pods = items(core.list_namespaced_pod, namespace)
            events = items(core.list_namespaced_event, namespace)
        return state_of(nodes, pods, events, datetime.datetime.now(datetime.UTC))

    return look


# --- telling it ---------------------------------------------------------------------------------------------------


def _lines(state: Mapping[str, Any]) -> Iterator[str]:
    yield f"Cluster: {state['summary']}"
    for node in state["nodes"]:
        zone = f"zone {node['zone']}" if node["zone"] else ""
        yield f"{_SIGNS[node['tone']]} node {node['name']:<20} {node['word']:<26} {zone}".rstrip()
        yield from (f"      {fact}" for fact in node["facts"])
        for pod in node["pods"]:
            yield from _pod_lines(pod)
    if state["waiting"]:
        yield "    without a node"
        for pod in state["waiting"]:
            yield from _pod_lines(pod)
    if state["events"]:
        yield "Latest events"
    for event in state["events"]:
        times = f" (x{event['count']})" if event["count"] > 1 else ""
        said = f"{event['object']}: {event['message']}{times}"
        yield f"    {event['age']:>4} {event['type']:<8} {event['reason']:<20} {said}"


def _pod_lines(pod: Mapping[str, Any]) -> Iterator[str]:
    name = f"{pod['namespace']}/{pod['name']}"
    restarts = f"{pod['restarts']} restarts" if pod["restarts"] else ""
    line = f"    {_SIGNS[pod['tone']]} {name:<44} {pod['ready']:>5}  {pod['word']:<20} {pod['age']:>4}  {restarts}"
    yield line.rstrip()
    if pod["why"] and pod["tone"] != "allow":
        yield f"          {pod['why']}"


def _as_svg(state: Mapping[str, Any], text: str) -> str:
    canvas = Canvas()
    canvas.text(24, 34, "Cluster", 16, INK, font_weight="700")
    canvas.text(96, 34, state["summary"], 13, SOFT)
    y = 52
    for node in state["nodes"]:
        y = _node_card(canvas, node, y)
    if state["waiting"]:
        head = ("Without a node", "the scheduler has not placed these", "neutral", "dots")
        y = _card(canvas, head, [], state["waiting"], y)
    y = _events(canvas, state["events"], y)
    return canvas.card("cv", y, f"Cluster: {state['summary']}", text)


def _node_card(canvas: Canvas, node: Mapping[str, Any], y: int) -> int:
    word = f"{node['word']}{', zone ' + node['zone'] if node['zone'] else ''}"
    return _card(canvas, (node["name"], word, node["tone"], node["shape"]), node["facts"], node["pods"], y)


def _card(
    canvas: Canvas, head: tuple[str, str, str, str], facts: list[str], pods: list[Mapping[str, Any]], y: int
) -> int:
    """A node or the waiting pods: head (name, word, tone, shape), facts, two columns of pods; where the next begins."""
    name, word, tone, shape = head
    ink = TONES[tone][0]
    told = [line for fact in facts for line in wrap(fact, 118)[:2]]
    rows = [_chip_lines(pod) for pod in pods]
    heights = [max(len(rows[i]), len(rows[i + 1]) if i + 1 < len(rows) else 0) for i in range(0, len(rows), 2)]
    height = 50 + 16 * len(told) + sum(16 * lines + 14 for lines in heights) + 6
    canvas.box(24, y, WIDTH - 48, height, PANEL, ink, 8)
    canvas.shape(50, y + 24, shape, tone, 0.9)
    canvas.text(74, y + 28.5, name, 13.5, INK, font_weight="700")
    canvas.text(WIDTH - 40, y + 28.5, word, 12.5, ink, font_weight="700", text_anchor="end")
    at = y + 48
    for line in told:
        canvas.text(74, at, line, 12, SOFT)
        at += 16
    at += 6
    for i, lines in enumerate(heights):
        for k, pod in enumerate(pods[2 * i : 2 * i + 2]):
            _chip(canvas, pod, rows[2 * i + k], 40 + k * 422, at, 16 * lines + 8)
        at += 16 * lines + 14
    return y + height + 12


def _chip_lines(pod: Mapping[str, Any]) -> list[str]:
    why = wrap(pod["why"], 50)[:2] if pod["why"] and pod["tone"] != "allow" else []
    restarts = f", {pod['restarts']} restarts" if pod["restarts"] else ""
    return [f"{pod['namespace']}/{pod['name']}"[:50], f"{pod['word']}  {pod['ready']}{restarts}", *why]


def _chip(canvas: Canvas, pod: Mapping[str, Any], lines: list[str], x: int, y: int, height: int) -> None:
    ink, fill = TONES[pod["tone"]]
    canvas.box(x, y - 8, 414, height, fill, ink, 6)
    canvas.shape(x + 16, y + 9, pod["shape"], pod["tone"], 0.6)
    for k, line in enumerate(lines):
        bold = {"font_weight": "700"} if k == 1 else {}
        canvas.text(x + 32, y + 6 + 16 * k, line, 12, ink if k == 1 else INK, font_family=MONO, **bold)


def _events(canvas: Canvas, events: list[Mapping[str, Any]], y: int) -> int:
    if not events:
        return y + 8
    canvas.text(24, y + 14, "Latest events", 13, INK, font_weight="700")
    y += 36
    for event in events:
        ink = TONES["deny" if event["type"] == "Warning" else "muted"][0]
        canvas.text(60, y, event["age"], 12, SOFT, font_family=MONO, text_anchor="end")
        canvas.text(72, y, event["reason"], 12, ink, font_weight="700")
        words = f"{event['object']}: {event['message']}" + (f" (x{event['count']})" if event["count"] > 1 else "")
        canvas.text(226, y, words if len(words) <= 92 else words[:91] + "…", 12, INK, font_family=MONO)
        y += 19
    return y + 8
