"""What happens to a workload while something is done to it: pods looked at, requests sent, everything noted.

    with Observation(space, "cart", path="/") as seen:
        …                               # break something
    seen.restarted(), seen.failed()

Requests go where a Service would send them: to the addresses that its EndpointSlices call ready, one after the other
("EndpointSlices", "Virtual IPs and Service Proxies", Kubernetes documentation).
"""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from labs.cluster.space import Object, Space, patient, ready, restarts
from labs.errors import LabError

LOOKED_EVERY = 0.2
ASKED_EVERY = 0.1
ANSWERED_WITHIN = 1.0  # seconds a customer waits
AT_ONCE = 32
STARVED = 3.0  # seconds between two looks, which are 0.2 apart where there is time
SLOW = 0.8  # the same, on average
FEW = 10  # looks that have no average yet
STEP = 0.5  # seconds that one sign of the text form stands for
NOBODY = "no ready endpoint"
NO_ANSWER = "no answer in"


@dataclass(frozen=True, slots=True)
class Request:
    """One request: when (seconds since the observation began), which pod, and its status, or why there is none."""

    at: float
    pod: str
    status: int
    said: str = ""

    @property
    def good(self) -> bool:
        """Was it answered with success?"""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Look:
    """The pods at one moment: name → (ready, restarts)."""

    at: float
    pods: dict[str, tuple[bool, int]]

    @property
    def ready(self) -> int:
        """How many pods are Ready."""
        return sum(one for one, _ in self.pods.values())


@dataclass
class Observation:
    """See the module.

    :param app: the workload: label ``app.kubernetes.io/name`` of its pods, and the name of its Service
    :param path: what is asked for; "" sends no requests
    :param every: seconds from one request to the next, whether that was answered or not
    """

    space: Space
    app: str
    path: str = ""
    looks: list[Look] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    every: float = ASKED_EVERY

    def __enter__(self) -> Observation:
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._looked = threading.Event()
        self._targets: list[tuple[str, str, int]] = []
        self._tasks = [threading.Thread(target=self._look, daemon=True)]
        if self.path:
            self._tasks.append(threading.Thread(target=self._ask, daemon=True))
        for task in self._tasks:
            task.start()
        self._looked.wait(5.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for task in self._tasks:
            task.join()

    def starved(self) -> str:
        """What shows that this machine was too busy for anything seen to count; "" for nothing."""
        moments = [one.at for one in self.looks]
        gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
        if (gap := max(gaps, default=0.0)) > STARVED:
            return f"nobody looked for {gap:.1f} s"
        if len(gaps) >= FEW and (mean := sum(gaps) / len(gaps)) > SLOW:
            return f"looks were {mean:.1f} s apart"
        return ""

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def watch(self, seconds: float, until: Any = None) -> Any:
        """Let time pass: ``seconds``, or until ``until(self)`` is true, then at most so long (see ``space.patient``).

        Returns what ``until`` said last.
        """
        end = time.monotonic() + (seconds if until is None else patient(seconds))
        found = False
        while time.monotonic() < end:
            if until is not None and (found := until(self)):
                return found
            self._ended.wait(min(0.05, max(0.0, end - time.monotonic())))
        return found

    def _look(self) -> None:
        while not self._ended.is_set():
            try:
                pods = self.space.pods(self.app)
                if self.path:
                    self._targets = endpoints(self.space, self.app)
            except LabError:
                pods = []  # looked at again below; nothing is noted of a moment that nobody saw
            if pods or not self.looks:
                now = {each["metadata"]["name"]: (ready(each), restarts(each)) for each in pods}
                self.looks.append(Look(round(self.seconds, 2), now))
            self._looked.set()
            self._ended.wait(LOOKED_EVERY)

    def _ask(self) -> None:
        self._looked.wait(5.0)
        began, sent = time.monotonic(), 0
        with ThreadPoolExecutor(AT_ONCE) as customers:
            while not self._ended.wait(max(0.0, began + (sent + 1) * self.every - time.monotonic())):
                sent += 1
                targets = self._targets
                at = round(self.seconds, 2)
                if not targets:
                    self.requests.append(Request(at, "", 0, NOBODY))
                    continue
                customers.submit(self._one, at, *targets[sent % len(targets)])

    def _one(self, at: float, pod: str, address: str, port: int) -> None:
        status, said = ask(self.space, address, port, self.path)
        self.requests.append(Request(at, pod, status, "" if 200 <= status < 300 else said[:80]))

    # --- what was seen ------------------------------------------------------------------------------------------

    @property
    def now(self) -> Look:
        """The last look."""
        return self.looks[-1] if self.looks else Look(0.0, {})

    def restarted(self) -> dict[str, int]:
        """By pod, how often it was restarted since the observation began; pods that were not are left out."""
        first: dict[str, int] = {}
        most: dict[str, int] = {}
        for look in self.looks:
            for name, (_, count) in look.pods.items():
                first.setdefault(name, count if look is self.looks[0] else 0)
                most[name] = max(most.get(name, 0), count)
        return {name: most[name] - first[name] for name in most if most[name] > first[name]}

    def first(self, happened: Any) -> float | None:
        """Seconds from the beginning to the first look for which ``happened(look)`` is true; None for never."""
        return next((look.at for look in self.looks if happened(look)), None)

    def fewest_ready(self) -> int:
        """The smallest number of pods that were Ready at the same moment."""
        return min((look.ready for look in self.looks), default=0)

    def failed(self, since: float = 0.0) -> list[Request]:
        """Requests without success, those from ``since`` on."""
        return sorted((one for one in list(self.requests) if not one.good and one.at >= since), key=lambda one: one.at)

    def answers(self) -> str:
        """How the requests went, in a line: ``57 of 60 answered; 3 × no ready endpoint``."""
        asked = list(self.requests)
        told = Counter(f"status {one.status}" if one.status else one.said for one in asked if not one.good)
        counts = "".join(f"; {count} × {what}" for what, count in told.most_common(3))
        return f"{sum(one.good for one in asked)} of {len(asked)} requests answered{counts}"

    def __str__(self) -> str:
        """A line for the requests and one for each pod, a sign for each half second, and what the signs mean."""
        last = max([0.0, *(one.at for one in self.looks), *(one.at for one in self.requests)])
        steps = [step * STEP for step in range(int(last / STEP) + 1)]
        names = sorted({name for look in self.looks for name in look.pods})
        width = max([len("requests"), *map(len, names)])
        rows = [(name, "".join(self._sign(name, step) for step in steps)) for name in names]
        lines = [f"{name:<{width}}  {signs}" for name, signs in rows]
        key = "a sign for each half second: ■ Ready  · not Ready  ↻ restarted"
        if self.path:
            served = "".join(self._answered(step) for step in steps)
            lines = [f"{'requests':<{width}}  {served}", *lines]
            key += "; requests: ✓ answered  ✗ some not"
        told = f"{self.restarts()} restarts" + (f"; {self.answers()}" if self.path else "")
        return "\n".join([*lines, key, told])

    def _sign(self, name: str, step: float) -> str:
        before = [look.pods[name] for look in self.looks if look.at < step and name in look.pods]
        inside = [look.pods[name] for look in self.looks if step <= look.at < step + STEP and name in look.pods]
        if not inside:
            return " "
        if inside[-1][1] > (before[-1][1] if before else inside[0][1]):
            return "↻"
        return "■" if inside[-1][0] else "·"

    def _answered(self, step: float) -> str:
        inside = [one.good for one in list(self.requests) if step <= one.at < step + STEP]
        return " " if not inside else "✓" if all(inside) else "✗"

    def restarts(self) -> int:
        """Restarts of all pods together, since the observation began."""
        return sum(self.restarted().values())

    def to_json(self) -> Object:
        """Everything that was noted, as JSON values."""
        return {"looks": [asdict(one) for one in self.looks], "requests": [asdict(one) for one in self.requests]}


def endpoints(space: Space, service: str) -> list[tuple[str, str, int]]:
    """(pod, address, port) of everything the Service's EndpointSlices call ready, by pod."""
    found = []
    for each in space.list("EndpointSlice", f"kubernetes.io/service-name={service}"):
        port = next((one["port"] for one in each.get("ports") or ()), 0)
        for one in each.get("endpoints") or ():
            if one.get("conditions", {}).get("ready"):
                found.append((one.get("targetRef", {}).get("name", ""), one["addresses"][0], port))
    return sorted(found)


def ask(
    space: Space, address: str, port: int, path: str, method: str = "GET", within: float = ANSWERED_WITHIN,
    body: str | None = None,
) -> tuple[int, str]:
    """(status, body) of one HTTP request to a pod; (0, why) when there is no answer in time."""
    if not address:
        return 0, "no address yet"
    if not space.cluster.embedded:
        return _ask_through(space, address, port, path, method, within)
    connection = http.client.HTTPConnection(space.cluster.end(address), port, timeout=within)
    try:
        connection.request(method, path, None if body is None else body.encode())
        answer = connection.getresponse()
        return answer.status, answer.read(65536).decode(errors="replace")
    except TimeoutError:
        return 0, f"{NO_ANSWER} {within:g} s"
    except (OSError, http.client.HTTPException) as error:
        return 0, "connection refused" if isinstance(error, ConnectionRefusedError) else repr(error)
    finally:
        connection.close()


def _ask_through(
    space: Space, address: str, port: int, path: str, method: str, within: float
) -> tuple[int, str]:
    """``ask`` through the API server, which reaches every pod, as this machine may not ("Access Services Running on
    Clusters", Kubernetes documentation)."""
    pods = f"/api/v1/namespaces/{space.name}/pods"
    try:
        found = space.cluster.call("GET", pods, fieldSelector=f"status.podIP={address}")["items"]
        if not found:
            return 0, "connection refused"
        status, said = space.cluster.visit(f"{pods}/{found[-1]['metadata']['name']}:{port}/proxy{path}", method, within)
    except LabError as error:
        return 0, str(error)
    if not status and "Timeout" in said:
        return 0, f"{NO_ANSWER} {within:g} s"
    return status, "connection refused" if not status and "connection refused" in said else said
