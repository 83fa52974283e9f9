"""An outage of the shop from its first failed request to its last: caused, seen, acted upon, and written down.

Everything in a timeline was observed: when the fault was caused, which customers failed, when the alert's condition
held, when an action was taken and by whom.  Times are seconds since the traffic began.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labs.cluster.space import Object, ready, until
from labs.errors import LabError, PermanentError, TemporaryError
from labs.scenarios.a_production_mindset.a3 import PROBES
from labs.scenarios.a_production_mindset.recording import Recorder
from labs.scenarios.shop_on_cluster import Shop

RATE = 12.0
REPLICAS = 2
GOOD, BAD = "1.0.0", "1.1.0"
BAD_SHARE = 0.6
"""Of the requests that the bad version fails."""
BLIP = 0.5
"""Seconds that the trouble lasts which ends by itself."""
CALM = 2.0
QUIET = 2.5
"""Seconds without a failed request, after which an outage is over."""
LOOKS_EVERY = 0.3
EVIDENCE = 3.0
"""Seconds that evidence looks back."""
READY_WITHIN = 60.0
ACTIONS = ("rollback", "restart", "scale", "wait")
KINDS = ("release", "pod", "empty", "blip")
SURGE = {"target": {"kind": "Deployment"}, "patch": (
    '[{"op": "replace", "path": "/spec/strategy/rollingUpdate/maxSurge", "value": 2}]')}
Event = dict[str, Any]
"""``at`` (seconds), ``what``, ``who``, ``said``."""


# --- the shop -----------------------------------------------------------------------------------------------------


def install(shop: Shop, version: str = GOOD) -> None:
    """Roll a version out."""
    share = {"SHOP_FAULT_ERRORS": BAD_SHARE} if version == BAD else {}
    shop.apply(store="memory", roles=["backend"], replicas={"backend": REPLICAS}, version=version,
               settings={"shop": share}, patches=[PROBES, SURGE])


def healthy(shop: Shop) -> None:
    """The good version in its pods, without faults.

    :raises TemporaryError: not in time
    """
    if standing(shop):
        return
    install(shop)
    shop.wait(READY_WITHIN)
    shop.heal("backend", "errors")


def standing(shop: Shop) -> bool:
    """Is it so already?"""
    found = shop.space.get("Deployment", "backend")
    if found is None or found["spec"]["replicas"] != REPLICAS or not shop.settled():
        return False
    template = found["spec"]["template"]["spec"]["containers"][0]
    names = [each["configMapRef"]["name"] for each in template["envFrom"] if "configMapRef" in each]
    versions = [(shop.space.get("ConfigMap", name) or {}).get("data", {}).get("SHOP_VERSION") for name in names]
    return GOOD in versions and shop.total("shop_fault_active", "backend") == 0


def _release(shop: Shop) -> None:
    install(shop, BAD)


def _pod(shop: Shop) -> None:
    shop.break_("backend", "errors", 600, pods=1, rate=1.0)


def _empty(shop: Shop) -> None:
    shop.space.scale("backend", 0)


def _blip(shop: Shop) -> None:
    shop.break_("backend", "errors", BLIP, rate=1.0)


CAUSES: dict[str, Callable[[Shop], None]] = {"release": _release, "pod": _pod, "empty": _empty, "blip": _blip}
RIGHT = {"release": "rollback", "pod": "restart", "empty": "scale", "blip": "wait"}


def act(shop: Shop, action: str, failing: Sequence[str] = ()) -> None:
    """Take an action.

    :param failing: pods that ``restart`` deletes; all for none
    :raises PermanentError: there is no such action, or kubectl says no
    """
    if action not in ACTIONS:
        raise PermanentError(f"There is no action {action!r}.", f"There are {', '.join(ACTIONS)}.")
    if action == "rollback":
        kubectl(shop, "rollout", "undo", "deployment/backend")
    elif action == "scale":
        shop.space.scale("backend", REPLICAS)
    elif action == "restart":
        for pod in failing or [each["metadata"]["name"] for each in shop.space.pods("backend")]:
            shop.space.delete("Pod", pod)


def kubectl(shop: Shop, *arguments: str) -> str:
    """What kubectl prints; "" where there was no earlier version to go back to.

    :raises PermanentError: it says no, in its words
    """
    from labs.toolbox import programs

    found = programs.find(programs.tool("kubectl"))
    if found is None:
        raise PermanentError("kubectl is not here.", "Run `lab tools fetch kubectl`.")
    cluster = ("--kubeconfig", str(shop.space.cluster.kubeconfig), "--namespace", shop.space.name)
    done = subprocess.run([found.path, *cluster, *arguments], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode and "no rollout history" not in done.stderr:
        raise PermanentError(f"kubectl says: {done.stderr.strip()}")
    return done.stdout


# --- evidence -----------------------------------------------------------------------------------------------------


def evidence(recorder: Recorder, shop: Shop, calm: Mapping[str, Any], seconds: float = EVIDENCE) -> dict[str, Any]:
    """What is known now, as JSON values.

    ``customers``: requests and failures of the last seconds, as customers saw them; ``pods``: by name of a pod its
    version, whether it is Ready, and the requests and failures that it counted; ``wanted``: pods in calm times,
    ``declared``: pods that the Deployment asks for now; ``version`` and ``version_before``: of the last rollout;
    ``changed``: seconds since then, None where there was none since the calm.
    """
    now = recorder.seconds
    came = [each for each in recorder.traffic.answers if each.over > now - seconds]
    deployment = shop.space.get("Deployment", "backend") or {}
    version = version_of(deployment)
    return {
        "customers": {"requests": len(came), "failed": sum(not each.good for each in came)},
        "pods": pods(recorder, shop, now - seconds),
        "wanted": REPLICAS,
        "declared": int(deployment.get("spec", {}).get("replicas", 0)),
        "version": version,
        "version_before": calm["version"],
        "changed": None if version == calm["version"] else round(now - calm["noticed"].setdefault(version, now), 1),
    }


def pods(recorder: Recorder, shop: Shop, since: float) -> dict[str, dict[str, Any]]:
    """The part of the evidence that is about pods."""
    scrapes = list(recorder.scrapes)
    before: dict[str, Mapping[str, float]] = {}
    for each in scrapes:
        if each["at"] <= since:
            before.update(each["pods"])
    last = scrapes[-1]["pods"] if scrapes else {}
    found = {}
    for pod in shop.space.pods("backend"):
        name = pod["metadata"]["name"]
        counted, then = last.get(name), before.get(name, {})
        found[name] = {"version": version_of({"spec": {"template": pod}}), "ready": ready(pod)} | {
            word: int(counted[key] - then.get(key, 0)) if counted else 0
            for word, key in (("requests", "answered"), ("failed", "failed"))}
    return found


def version_of(deployment: Object) -> str:
    """The build that a Deployment (or a pod, as a template) runs; "" for none: its image's digest, shortened."""
    volumes = deployment.get("spec", {}).get("template", {}).get("spec", {}).get("volumes") or ()
    reference = next((str(each["image"].get("reference", "")) for each in volumes if "image" in each), "")
    return reference.partition("sha256:")[2][:8] or reference


def failing(seen: Mapping[str, Any]) -> list[str]:
    """Of the pods in some evidence those that fail a tenth of what they are asked or more."""
    return [name for name, each in seen["pods"].items() if each["failed"] >= max(1, 0.1 * each["requests"])]


# --- a runbook ----------------------------------------------------------------------------------------------------


def alerts(rule: Mapping[str, Any], recorder: Recorder) -> bool:
    """Does an alert's condition hold now?

    :param rule: ``seen_by`` (``customers`` or ``pods``), ``seconds``, ``failed_share``
    """
    now = recorder.seconds
    if now < rule["seconds"]:
        return False
    if rule["seen_by"] == "customers":
        came = [each for each in recorder.traffic.answers if each.over > now - rule["seconds"]]
        asked, lost = float(len(came)), float(sum(not each.good for each in came))
    else:
        series = recorder.recording.pods(1.0)
        (asked, lost), (before, lost_before) = series.until(now), series.until(now - rule["seconds"])
        asked, lost = asked - before, lost - lost_before
    return asked > 0 and lost / asked >= rule["failed_share"]


def fits(condition: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    """Do all parts of a step's condition hold?

    ``pods_missing``: are fewer pods declared than wanted; ``changed_within``: was a version rolled out in so many
    seconds; ``failing``: ``some`` or ``all`` of the pods fail requests.
    """
    bad = failing(seen)
    which = "none" if not bad else "all" if len(bad) == len(seen["pods"]) else "some"
    true = {
        "pods_missing": lambda wanted: (seen["declared"] < seen["wanted"]) == wanted,
        "changed_within": lambda seconds: seen["changed"] is not None and seen["changed"] <= seconds,
        "failing": lambda wanted: which == wanted,
    }
    return all(true[key](wanted) for key, wanted in condition.items())


# --- an incident --------------------------------------------------------------------------------------------------


@dataclass
class Drill:
    """One incident, with traffic from ``start`` to ``end``.

    :param kind: one of ``KINDS``
    :param alert: rule of the alert
    :param runbook: steps that are taken by themselves once the alert fires; without them somebody has to ``act``
    :param patience: seconds that a step has before the next one may be taken
    """

    shop: Shop
    kind: str
    alert: Mapping[str, Any]
    runbook: Sequence[Mapping[str, Any]] = ()
    patience: float = 8.0
    timeline: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._recorder = Recorder(self.shop, RATE)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="drill", daemon=True)
        self._trouble: LabError | None = None
        self._acted = float("-inf")

    def __repr__(self) -> str:
        return "\n".join(f"{each['at']:6.1f} s  {each['what']:<14} {each['who']}: {each['said']}"
                         for each in sorted(self.timeline, key=lambda event: float(event["at"])))

    def start(self) -> Drill:
        """Begin: two seconds of calm, and then the trouble.  Returns itself."""
        version = version_of(self.shop.space.get("Deployment", "backend") or {})
        self._calm: dict[str, Any] = {"version": version, "noticed": {}}
        self._recorder.__enter__()
        self._recorder.until(CALM)
        self._note("fault", "lab", "the trouble is caused")
        CAUSES[self.kind](self.shop)
        self._thread.start()
        return self

    @property
    def seconds(self) -> float:
        """Since the traffic began."""
        return self._recorder.seconds

    def evidence(self) -> dict[str, Any]:
        """See ``evidence``."""
        return evidence(self._recorder, self.shop, self._calm)

    def note(self, who: str, said: str, what: str = "note") -> None:
        """Write something into the timeline, as a role; ``what="acknowledged"`` says that somebody took the alert."""
        self._note(what, who, said)

    def act(self, action: str, who: str = "operations", pods: Sequence[str] = ()) -> None:
        """Take an action; raises as ``act``."""
        self._note("action", who, action)
        act(self.shop, action, pods or failing(self.evidence()))

    def wait(self, what: str, within: float = 60.0) -> bool:
        """Wait for ``alert``, or until the customers are served again (``recovered``); whether that came."""
        if what == "alert":
            found = bool(until(lambda: self.happened("alert") or self._trouble, within))
        else:
            found = bool(until(self.recovered, within))
        if self._trouble is not None:
            raise self._trouble
        return found

    def happened(self, what: str) -> Event | None:
        """The first event of a kind."""
        return next((each for each in self.timeline if each["what"] == what), None)

    def failures(self) -> list[float]:
        """When customers failed, from the fault on."""
        began = (self.happened("fault") or {"at": 0.0})["at"]
        return sorted(each.over for each in self._recorder.traffic.answers if each.over >= began and not each.good)

    def recovered(self) -> bool:
        """Did customers fail, and has none for a while?"""
        lost = self.failures()
        answered = max((each.over for each in self._recorder.traffic.answers), default=0.0)
        return bool(lost) and answered - lost[-1] >= QUIET

    def end(self) -> list[Event]:
        """Send no more customers; the timeline, with what they noticed."""
        self._ended.set()
        self._thread.join()
        self._recorder.__exit__()
        lost = self.failures()
        if lost:
            self._note("impact", "customers", "first failed request", lost[0])
            if self.recovered():
                self._note("recovered", "customers", f"{len(lost)} requests failed until here", lost[-1])
        self.timeline.sort(key=lambda event: float(event["at"]))
        return self.timeline

    def starved(self) -> str:
        """Whether this machine was too busy; "" for not."""
        return self._recorder.recording.starved()

    def _note(self, what: str, who: str, said: str, at: float | None = None) -> None:
        self.timeline.append({"at": round(self.seconds if at is None else at, 1), "what": what, "who": who,
                              "said": said})

    def _watch(self) -> None:
        """Look at the alert again and again, and let the runbook work."""
        while not self._ended.wait(LOOKS_EVERY):
            try:
                self._look()
            except TemporaryError:  # the API server is away for a moment
                continue
            except LabError as error:
                self._trouble = error
                return

    def _look(self) -> None:
        if not alerts(self.alert, self._recorder):
            return
        if self.happened("alert") is None:
            self._note("alert", "monitoring", f"seen by {self.alert['seen_by']}")
        if not self.runbook or self.seconds - self._acted < self.patience:
            return
        seen = self.evidence()
        step = next((each for each in self.runbook if fits(each["if"], seen)), None)
        if step is not None:
            self._acted = self.seconds
            self._note("action", "runbook", step["do"])
            act(self.shop, step["do"], failing(seen))


def times(timeline: Sequence[Event]) -> dict[str, float | None]:
    """What an incident's timeline says about it, in seconds; None for what did not happen.

    ``detect``: from the first impact to the first alert after it; ``acknowledge``: from that alert to the first
    acknowledgement after it; ``recover``: from the first impact to the last recovery, unless an impact comes after it.
    """
    def moments(what: str, since: float = float("-inf")) -> list[float]:
        return sorted(float(each["at"]) for each in timeline if each["what"] == what and each["at"] >= since)

    impacts = moments("impact")
    if not impacts:
        return {"detect": None, "acknowledge": None, "recover": None}
    alert = next(iter(moments("alert", impacts[0])), None)
    taken = next(iter(moments("acknowledged", alert)), None) if alert is not None else None
    ends = moments("recovered", impacts[-1])
    return {
        "detect": None if alert is None else round(alert - impacts[0], 1),
        "acknowledge": None if alert is None or taken is None else round(taken - alert, 1),
        "recover": round(ends[-1] - impacts[0], 1) if ends else None,
    }


def play(shop: Shop, kind: str, alert: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], patience: float,
         within: float, alert_within: float) -> Drill:
    """An incident under a runbook, until it is over, cannot be won any more, or ``within`` seconds have passed.

    It cannot when the first action is not the right one, or no alert came ``alert_within`` seconds after the first
    request that failed.
    """
    drill = Drill(shop, kind, alert, steps, patience).start()
    deadline = time.monotonic() + within

    def unseen() -> bool:
        lost = drill.failures()
        return bool(lost) and not drill.happened("alert") and drill.seconds - lost[0] > alert_within

    def decided() -> bool:
        first = drill.happened("action")
        wrong = first is not None and first["said"] != RIGHT[kind]
        return wrong or (kind != "blip" and (unseen() or drill.recovered()))

    while time.monotonic() < deadline and not decided():
        time.sleep(0.1)
    drill.end()
    return drill
