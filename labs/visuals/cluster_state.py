"""What a cluster shows at one moment: nodes, the pods on them, pods that wait for a node, and the latest events.

Pure: Kubernetes objects as dictionaries in, plain JSON out.  A pod's status, its readiness and its restarts are worked
out as ``kubectl get pods`` does, so that the picture and the command never disagree
(``printPod`` in k8s.io/kubernetes/pkg/printers/internalversion, Kubernetes 1.36).

Pages: "Pod Lifecycle", "Node Status", "Taints and Tolerations" (Kubernetes documentation).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

MOST_EVENTS = 8  # the latest are shown
ZONE = "topology.kubernetes.io/zone"
Json = Mapping[str, Any]
_UNITS = {"m": Decimal("0.001"), "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12)}
_UNITS |= {"Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40)}
_GOOD, _GONE = {"Running", "Completed"}, {"Terminating"}
_ON_THE_WAY = {"Pending", "ContainerCreating", "PodInitializing", "NotReady", "SchedulingGated"}


def state_of(
    nodes: Iterable[Json], pods: Iterable[Json], events: Iterable[Json], now: datetime.datetime
) -> dict[str, Any]:
    """The picture's model.

    ``{"nodes": [{"name", "zone", "word", "tone", "shape", "facts": […], "pods": [pod…]}], "waiting": [pod…],
    "events": [{"age", "type", "reason", "object", "message", "count"}], "summary": text}``; a pod is ``{"name",
    "namespace", "word", "ready", "restarts", "tone", "shape", "why", "age"}``.  Ages are texts such as ``4m``.
    """
    pods = list(pods)
    placed: dict[str, list[Json]] = {}
    for pod in pods:
        placed.setdefault(_spec(pod).get("nodeName") or "", []).append(pod)
    shown = [_node(node, placed.pop(_name(node), []), now) for node in sorted(nodes, key=_name)]
    rest = sorted((pod for group in placed.values() for pod in group), key=_place)
    waiting = [_pod(pod, now) for pod in rest]
    told = [_event(event, now) for event in sorted(events, key=_when)[-MOST_EVENTS:]]
    return {"nodes": shown, "waiting": waiting, "events": told[::-1], "summary": _summary(shown, waiting)}


def _summary(nodes: list[dict[str, Any]], waiting: list[dict[str, Any]]) -> str:
    pods = [pod for node in nodes for pod in node["pods"]] + waiting
    ready = sum(node["tone"] == "allow" for node in nodes)
    counts: dict[str, int] = {}
    for pod in pods:
        counts[pod["word"]] = counts.get(pod["word"], 0) + 1
    words = ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
    return f"{ready} of {_many(len(nodes), 'node')} ready; {_many(len(pods), 'pod')}{': ' + words if words else ''}"


# --- nodes --------------------------------------------------------------------------------------------------------


def _node(node: Json, pods: list[Json], now: datetime.datetime) -> dict[str, Any]:
    condition = {str(each.get("type")): each for each in _status(node).get("conditions") or ()}
    ready = condition.get("Ready", {}).get("status")
    words = ["Ready" if ready == "True" else "NotReady"]
    if _spec(node).get("unschedulable"):
        words.append("SchedulingDisabled")
    pressures = [name for name in sorted(condition) if name != "Ready" and condition[name].get("status") == "True"]
    tone = "deny" if ready != "True" else "neutral" if len(words) > 1 or pressures else "allow"
    allocatable = _status(node).get("allocatable") or {}
    asked = [_requests(pod) for pod in pods if _status(pod).get("phase") not in ("Succeeded", "Failed")]
    cpu, memory = sum((one[0] for one in asked), Decimal()), sum((one[1] for one in asked), Decimal())
    facts = [
        f"CPU {_cores(cpu)} of {_cores(quantity(allocatable.get('cpu', '0')))} requested",
        f"memory {_bytes(memory)} of {_bytes(quantity(allocatable.get('memory', '0')))} requested",
        *pressures,
        *(f"taint {taint.get('key')}:{taint.get('effect')}" for taint in _spec(node).get("taints") or ()),
    ]
    if ready != "True":
        facts.insert(0, str(condition.get("Ready", {}).get("message") or "no word from this node"))
    return {
        "name": _name(node),
        "zone": (_meta(node).get("labels") or {}).get(ZONE, ""),
        "word": ",".join(words),
        "tone": tone,
        "shape": {"allow": "check", "neutral": "dash", "deny": "octagon"}[tone],
        "facts": facts,
        "pods": [_pod(pod, now) for pod in sorted(pods, key=_place)],
    }


def _requests(pod: Json) -> tuple[Decimal, Decimal]:
    """(CPU in cores, memory in bytes) that the scheduler counts for a pod, init containers aside."""
    asked = [(each.get("resources") or {}).get("requests") or {} for each in _spec(pod).get("containers") or ()]
    cpu = sum((quantity(one.get("cpu", "0")) for one in asked), Decimal())
    return cpu, sum((quantity(one.get("memory", "0")) for one in asked), Decimal())


def quantity(text: Any) -> Decimal:
    """A Kubernetes quantity (``250m``, ``64Mi``, ``1e3``) as a number; 0 for what is none ("Quantity")."""
    words = str(text).strip()
    for unit in sorted(_UNITS, key=len, reverse=True):
        if words.endswith(unit):
            return _number(words.removesuffix(unit)) * _UNITS[unit]
    return _number(words)


def _number(words: str) -> Decimal:
    try:
        found = Decimal(words)
    except ArithmeticError:
        return Decimal()
    return found if found.is_finite() else Decimal()


def _cores(value: Decimal) -> str:
    return f"{float(value):g}"


def _bytes(value: Decimal) -> str:
    for unit in ("Gi", "Mi", "Ki"):
        if value >= _UNITS[unit]:
            return f"{float(round(value / _UNITS[unit], 1)):g}{unit}"
    return f"{float(value):g}"


# --- pods ---------------------------------------------------------------------------------------------------------


def _pod(pod: Json, now: datetime.datetime) -> dict[str, Any]:
    word, why = _told(pod)
    containers = _spec(pod).get("containers") or ()
    statuses = _status(pod).get("containerStatuses") or ()
    ready = sum(bool(each.get("ready") and "running" in (each.get("state") or {})) for each in statuses)
    tone, shape = _looks(word, ready, len(containers))
    return {
        "name": _name(pod),
        "namespace": _meta(pod).get("namespace", ""),
        "word": word,
        "ready": f"{ready}/{len(containers)}",
        "restarts": _restarts(pod),
        "tone": tone,
        "shape": shape,
        "why": why,
        "age": age(_meta(pod).get("creationTimestamp"), now),
    }


def _looks(word: str, ready: int, wanted: int) -> tuple[str, str]:
    if word in _GONE:
        return "muted", "dash"
    if word == "Completed":
        return "muted", "check"
    if word in _GOOD:
        return ("allow", "check") if ready == wanted else ("neutral", "ring")
    if word in _ON_THE_WAY or (word.startswith("Init:") and word[5:6].isdigit()):
        return "neutral", "dots"
    return "deny", "octagon"


def _told(pod: Json) -> tuple[str, str]:
    """(kubectl's STATUS column, the message behind it or "")."""
    status = _status(pod)
    word = status.get("reason") or status.get("phase") or "Unknown"
    why = status.get("message") or ""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") != "True":
            why = condition.get("message") or why
            word = "SchedulingGated" if condition.get("reason") == "SchedulingGated" else word
    starting = _initial(pod)
    if starting:
        word, why = starting
    else:
        word, why = _running(pod, word, why)
    if _meta(pod).get("deletionTimestamp") and status.get("phase") not in ("Succeeded", "Failed"):
        word = "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return word, why


def _initial(pod: Json) -> tuple[str, str] | None:
    """What the first init container that is not done says; None when all are (or, as sidecars, have started)."""
    kinds = {each.get("name"): each.get("restartPolicy") for each in _spec(pod).get("initContainers") or ()}
    statuses = _status(pod).get("initContainerStatuses") or ()
    for index, each in enumerate(statuses):
        state = each.get("state") or {}
        ended, waits = state.get("terminated"), state.get("waiting") or {}
        if ended and ended.get("exitCode") == 0:
            continue
        if kinds.get(each.get("name")) == "Always" and each.get("started"):
            continue
        if ended:
            return f"Init:{ended.get('reason') or _ended(ended)}", ended.get("message") or ""
        if waits.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waits['reason']}", waits.get("message") or ""
        return f"Init:{index}/{len(kinds)}", ""
    return None


def _running(pod: Json, word: str, why: str) -> tuple[str, str]:
    runs = False
    for each in reversed(_status(pod).get("containerStatuses") or ()):
        state = each.get("state") or {}
        waits, ended = state.get("waiting") or {}, state.get("terminated")
        if waits.get("reason"):
            word, why = waits["reason"], waits.get("message") or why
            last = (each.get("lastState") or {}).get("terminated")
            if last:
                why = f"last ended with {_how(last)}; {why}".rstrip("; ")
        elif ended:
            word, why = ended.get("reason") or _ended(ended), ended.get("message") or _how(ended)
        elif each.get("ready") and "running" in state:
            runs = True
    if word == "Completed" and runs:
        word = "Running" if _is_ready(pod) else "NotReady"
    return word, why


def _ended(terminated: Json) -> str:
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode')}"


def _how(terminated: Json) -> str:
    return f"{terminated.get('reason') or 'the end'} (exit code {terminated.get('exitCode')})"


def _is_ready(pod: Json) -> bool:
    conditions = _status(pod).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _restarts(pod: Json) -> int:
    kinds = {each.get("name"): each.get("restartPolicy") for each in _spec(pod).get("initContainers") or ()}
    initial = _status(pod).get("initContainerStatuses") or ()
    counted = [*(_status(pod).get("containerStatuses") or ())]
    counted += [each for each in initial if _initial(pod) or kinds.get(each.get("name")) == "Always"]
    return sum(int(each.get("restartCount") or 0) for each in counted)


# --- events and times ---------------------------------------------------------------------------------------------


def _event(event: Json, now: datetime.datetime) -> dict[str, Any]:
    about = event.get("involvedObject") or event.get("regarding") or {}
    return {
        "age": age(_when(event), now),
        "type": event.get("type") or "Normal",
        "reason": event.get("reason") or "",
        "object": f"{str(about.get('kind', '?')).lower()}/{about.get('name', '?')}",
        "message": " ".join(str(event.get("message") or event.get("note") or "").split()),
        "count": (event.get("series") or {}).get("count") or event.get("count") or 1,
    }


def _when(event: Json) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((str(each) for each in times if each), str(_meta(event).get("creationTimestamp") or ""))


def age(text: Any, now: datetime.datetime) -> str:
    """How long ago, as kubectl says it: ``8s``, ``4m``, ``3h``, ``2d``; ``?`` for what is no time."""
    try:
        then = datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return "?"
    seconds = max(0, int((now - then).total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 7200:
        return f"{seconds // 60}m"
    return f"{seconds // 3600}h" if seconds < 172_800 else f"{seconds // 86_400}d"


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _meta(thing: Json) -> Json:
    return thing.get("metadata") or {}


def _spec(thing: Json) -> Json:
    return thing.get("spec") or {}


def _status(thing: Json) -> Json:
    return thing.get("status") or {}


def _name(thing: Json) -> str:
    return str(_meta(thing).get("name", ""))


def _place(pod: Json) -> tuple[str, str]:
    return str(_meta(pod).get("namespace", "")), _name(pod)
