"""One pod from its assignment to its end: again and again, what should be is compared with what is.

"Pod Lifecycle" and "Init Containers" (Kubernetes documentation).  A step changes what can be changed at once and says
when to look again; a new version of the pod, the end of a container and a probe's verdict wake it before.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from labs.cluster.network.plane import Network
from labs.cluster.nodes import admission, disk, hooks, pressure, resize, roots, sandbox, states, usage, volatile
from labs.cluster.nodes.api import Client, Object, Refused
from labs.cluster.nodes.aws import Aws
from labs.cluster.nodes.backoff import Backoff
from labs.cluster.nodes.containers import Attempts, Container
from labs.cluster.nodes.environment import ConfigError, expand, links, variables
from labs.cluster.nodes.events import Events
from labs.cluster.nodes.images import Image, ImageError, Images
from labs.cluster.nodes.node import Node, now
from labs.cluster.nodes.probes import Health
from labs.cluster.nodes.resize import Resize
from labs.cluster.nodes.trust import Certificates, anchors
from labs.cluster.nodes.volumes import VolumeError, Volumes
from labs.cluster.storage.mounts import Mounts
from labs.cluster.storage.places import Disks
from labs.errors import TemporaryError

LOOKED_EVERY = 5.0
"""Seconds until mounted ConfigMaps and Secrets are looked at again (a kubelet: up to 60 and its cache)."""
RETRIED_AFTER = 2.0
LEAST_GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL after a preStop hook that took all of the grace period (a kubelet's minimum)."""
FOREVER = 3600.0
EVICTED_WITHIN = 1.0
"""Seconds between SIGTERM and SIGKILL of an eviction, whatever the pod asks for."""
UNTOLD = 50
"""Events that are kept while a node is cut off."""
FINISHED = ("Succeeded", "Failed")
NEVER_PULLED = {"InvalidImageName": "InspectFailed", "ErrImageNeverPull": "ErrImageNeverPull"}
"""Reasons that no waiting mends, and the event's reason of each."""


@dataclass(frozen=True)
class Place:
    """What every worker uses.

    :param lock: the file that whoever plays the nodes holds locked
    :param network: what connects pods
    """

    client: Client
    events: Events
    images: Images
    backoff: Backoff
    home: Path
    lock: Path
    api_port: int
    aws: Aws
    network: Network


@dataclass
class Stop:
    """A container that is being ended: since when (monotonic), how long it may take, and its preStop hook."""

    since: float
    grace: float
    hook: asyncio.Task[None] | None = None


class Worker:
    """One pod on one node; ``removed`` is set when the API server does not know it any more."""

    def __init__(self, pod: Object, node: Node, place: Place, folder: Path, address: str,
                 neighbours: Callable[[], list[Object]]) -> None:
        self.pod = pod
        self.node = node
        self.place = place
        self.folder = folder
        self.address = address
        self.removed = False
        self._admitted = False
        self._neighbours = neighbours       # the pods that its node has taken
        self.attempts = Attempts(folder / "containers")
        mounts = Mounts(place.client, node.name, node.labels(), Disks(place.home))
        self.volumes = Volumes(folder / "volumes", self._fetch, self._token, self._anchors,
                               Certificates(place.client, pod, node.name), mounts.find, self._unpacked,
                               node.allocatable())
        self.resize = Resize()
        self._news = asyncio.Event()
        self._waiting: dict[str, tuple[str, str]] = {}
        self._images: dict[str, tuple[float, float, str]] = {}      # name → (wait, not before, why)
        self._stopping: dict[str, Stop] = {}
        self._health: dict[str, Health] = {}
        self._starting: dict[str, asyncio.Task[None]] = {}      # name → its postStart hook
        self._told: set[tuple[str, int]] = set()
        self._sent: Object = {}
        self._deadline_passed = False
        self._evicted = ""      # why, when it is
        self._refused = ""      # the reason why the node did not take it
        self._disk: dict[str, float] = {}       # what waits for a slow disk → monotonic time when that is over
        self._fetched: dict[str, Object] = {}       # what a node that is cut off still knows
        self._untold: list[tuple[str, str, str, str, str]] = []

    @property
    def loopback(self) -> str:
        """Where the pod's own servers listen: 127.244.x.y, usually, for the pod address 10.244.x.y."""
        return self.place.network.ranges.end(self.address) if self.address else "127.0.0.1"

    @property
    def uid(self) -> str:
        """The pod's."""
        return str(self.pod["metadata"]["uid"])

    def waits(self, name: str) -> bool:
        """Does a container wait to be started again?"""
        return name in self._waiting

    def wake(self) -> None:
        """Look again now."""
        self._news.set()

    async def run(self) -> None:
        """Until the pod is gone."""
        self.attempts.load(self.wake)
        for spec in self._specs():
            if (last := self.attempts.last(spec["name"])) and last.running:
                self.resize.load(spec["name"], last.about.get("resources") or {})
                self._watch_health(spec, last)
        while True:
            self._news.clear()
            try:
                delay = await self._step()
            except (Refused, TemporaryError, OSError) as error:
                print(f"{self._name()}: {error}", file=sys.stderr)
                delay = 1.0
            if delay is None:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(delay, 0.01)):
                    await self._news.wait()

    def _name(self) -> str:
        return f"{self.pod['metadata']['namespace']}/{self.pod['metadata']['name']}"

    def _full_name(self) -> str:
        """As a kubelet names a pod in what it says."""
        described = self.pod["metadata"]
        return f"{described['name']}_{described['namespace']}({described['uid']})"

    def _specs(self) -> Iterator[Object]:
        yield from self.pod["spec"].get("ephemeralContainers") or []
        yield from self.pod["spec"].get("initContainers") or []
        yield from self.pod["spec"]["containers"]

    async def _step(self) -> float | None:
        """Seconds until the next look; None when nothing is left of the pod."""
        if self.removed or self.pod["metadata"].get("deletionTimestamp"):
            return await self._terminate()
        if not (self._admitted or self._evicted or self.attempts.any() or
                self.pod.get("status", {}).get("phase") in FINISHED):
            self._admit()
        if self._evicted or self.pod.get("status", {}).get("phase") in FINISHED or self._overdue():
            return await self._finish()
        return min(await self._advance(), self._until_deadline())

    def _admit(self) -> None:
        """Take the pod, or refuse it for good."""
        self._evicted = pressure.refused(self.pod, self.node.pressures)
        self._refused = "Evicted" if self._evicted else ""
        if not self._evicted:
            self._refused, self._evicted = admission.refused(self.pod, self._neighbours(), self.node.allocatable())
        self._admitted = not self._evicted
        if self._evicted:
            self._tell("Warning", self._refused, self._evicted)

    def counts(self) -> bool:
        """Does it take room on its node?"""
        going = self.removed or self.pod["metadata"].get("deletionTimestamp")
        over = self._evicted or self.pod.get("status", {}).get("phase") in FINISHED
        running = bool(self.attempts.running())
        return running if going else not over and (self._admitted or self.attempts.any())

    def _allocate(self) -> None:
        """Have what the containers ask for now, when the node has room for it."""
        self._tell_events(self.resize.allocate(self.pod, lambda pod: admission.refused(
            pod, (each for each in self._neighbours() if each["metadata"]["uid"] != self.uid),
            self.node.allocatable())))

    async def _advance(self) -> float:
        """Start what should run."""
        self._allocate()
        if (wait := self._waits_for_disk("volumes")) > 0:
            await self._report()
            return wait
        try:
            folders, writable = await self.volumes.prepare(self.pod)
        except VolumeError as error:
            self._tell("Warning", "FailedMount", str(error))
            await self._report()
            return RETRIED_AFTER
        mounted = (folders, writable)
        policy = self.pod["spec"].get("restartPolicy", "Always")
        delay = LOOKED_EVERY
        for spec in self.pod["spec"].get("ephemeralContainers") or []:      # before all others, whatever hinders those
            delay = min(delay, await self._ensure(spec, "Never", mounted))
        for spec in self.pod["spec"].get("initContainers") or []:
            stays = states.sidecar(spec)
            own = "Always" if stays else "Never" if policy == "Never" else "OnFailure"
            delay = min(delay, await self._ensure(spec, own, mounted))
            if not states.initialised([self._seen(spec)]):
                await self._report()
                return delay
        for spec in self.pod["spec"]["containers"]:
            delay = min(delay, await self._ensure(spec, policy, mounted))
            if spec["name"] in self._starting:
                break       # the next one starts when the postStart hook is done
        await self._report()
        return delay

    async def _ensure(self, spec: Object, policy: str, mounted: tuple[dict[str, Path], dict[str, bool]]) -> float:
        """Have a container run as its policy says; seconds until that should be looked at again."""
        name = spec["name"]
        spec = self.resize.spec(spec)
        last = self.attempts.last(name)
        if last is not None and last.running:
            if name not in self._stopping and resize.resized(seen := self._seen(spec)):
                await self._resize(seen, last)
            return self._enforce(name, last)
        if last is not None and last.exit is not None:
            self._forget(name)
            if not (states.restarts(policy, last.exit) or last.about.get("resized")):
                self._waiting.pop(name, None)
                return FOREVER
            wait = float(last.about.get("backoff", 0.0))
            if last.exit.finished > time.time():        # the clock was set back
                last.exit = dataclasses.replace(last.exit, finished=time.time())
            left = last.exit.finished + wait - time.time()
            if left > 0:
                return self._back_off(spec, last, wait, left)
        return await self._start(spec, last, mounted)

    async def _resize(self, seen: states.Seen, container: Container) -> None:
        """Give a container what is allocated to it now."""
        name, wanted = container.name, seen.spec.get("resources") or {}
        if resize.restarts(seen):
            self._tell("Normal", "Killing", f"Container {name} resize requires restart", name)
            container.about["resized"] = True
            self._stop(name, self.grace())
            return
        limits, had = sandbox.limits(wanted), sandbox.limits(states.resources(seen))
        used = (await asyncio.to_thread(usage.sample, container)).memory if limits["memory"] < had["memory"] else 0
        why = resize.too_low(name, had["memory"], limits["memory"], used)
        self._tell_events(self.resize.cannot(self.pod, name, why))
        if not why:
            container.resize(wanted, limits)

    def _back_off(self, spec: Object, last: Container, wait: float, left: float) -> float:
        name = spec["name"]
        self._waiting[name] = ("CrashLoopBackOff", f"back-off {_duration(wait)} restarting failed container={name} "
                               f"pod={self._full_name()}")
        if (name, last.attempt) not in self._told:
            self._told.add((name, last.attempt))
            self._tell("Warning", "BackOff", f"Back-off restarting failed container {name} in pod {self._full_name()}",
                       name)
        return left

    async def _start(self, spec: Object, last: Container | None,
                     mounted: tuple[dict[str, Path], dict[str, bool]]) -> float:
        """One more attempt."""
        name = spec["name"]
        if (wait := self._waits_for_disk(f"{name}/{last.attempt + 1 if last else 0}")) > 0:
            self._waiting.pop(name, None)
            return wait
        if self.node.full:
            return self._cannot(name, "CreateContainerError", f"mkdir {self.folder.name}: no space left on device")
        image, wait = await self._image(spec)
        if image is None:
            return wait
        try:
            owner = roots.user(image, self.pod, spec)
            environment = roots.variables(image, await self._environment(spec, image), owner)
        except ConfigError as error:
            return self._cannot(name, "CreateContainerConfigError", str(error))
        except roots.UserError as error:
            return self._cannot(name, "CreateContainerError", str(error))
        command = _command(spec, image, environment)
        if not command:
            return self._cannot(name, "CreateContainerError", "no command specified")
        ran = last.exit.finished - last.started if last and last.exit and last.started else 0.0
        backoff = self.place.backoff.after(float(last.about.get("backoff", 0.0)), ran) if last else 0.0
        container = self.attempts.new(name, {
            "backoff": backoff, "image": image.identifier, "message_policy": spec.get("terminationMessagePolicy"),
            "stop_signal": roots.stop_signal(image), "skew": self.node.skew, "terminal": bool(spec.get("tty")),
            "cpu": sandbox.limits(spec.get("resources") or {})["cpu"], "resources": spec.get("resources") or {}})
        root = container.folder / "root"
        own_folder = {} if image.root and sandbox.mountable() else {"HOME": str(root), "TMPDIR": str(root)}
        environment = {**own_folder, **({"TERM": "xterm"} if spec.get("tty") else {}), **environment}
        network = self.place.network
        network.router.host_ports.update(self.place.aws.ports())
        environment = network.environment(self.pod, self.address, environment, bool(own_folder))
        try:
            mounts = sandbox.mounts(spec, *mounted, container.folder, environment, bool(own_folder))
            jailed = sandbox.specification(self.pod, spec, image, environment, mounts, root, self.place.api_port)
            jailed = network.grant(jailed, self.pod, self.address, bool(own_folder))
            if image.root and sandbox.mountable():
                jailed = await asyncio.to_thread(roots.specification, jailed, self.pod, spec, image, owner,
                                                 container.folder, self.address if jailed.network else self.loopback,
                                                 network.resolv_conf)
            elif jailed.network:
                jailed = dataclasses.replace(jailed, mounts=tuple(sorted(
                    roots.named(jailed.mounts, self.pod, container.folder, self.address, network.resolv_conf,
                                **{"nsswitch.conf": "hosts: files dns\n"}), key=lambda mount: mount.target)))
            elif image.root:
                jailed, command = roots.without_root(jailed, image, command, environment)
        except (ValueError, OSError, ConfigError) as error:
            self.attempts.withdraw(name)
            kind = "CreateContainerConfigError" if isinstance(error, ValueError) else "CreateContainerError"
            return self._cannot(name, kind, str(error))
        self._tell("Normal", "Created", "Container created", name)
        await container.start(jailed, command, self.place.home, self.place.lock, self.wake,
                              stdin=bool(spec.get("stdin")), stdin_once=bool(spec.get("stdinOnce")))
        self._waiting.pop(name, None)
        if container.exit is not None and container.exit.reason == "StartError":
            self._tell("Warning", "Failed", f"Error: {container.exit.message}", name)
            return 0.0
        self._tell("Normal", "Started", "Container started", name)
        hook = (spec.get("lifecycle") or {}).get("postStart")
        if hook is None:
            self._watch_health(spec, container)
        else:
            self._starting[name] = asyncio.create_task(self._after_start(hook, spec, container))
        return FOREVER if container.running else 0.0

    async def _after_start(self, hook: Object, spec: Object, container: Container) -> None:
        """"postStart": only then does the container count as running; a failure ends it."""
        name = spec["name"]
        try:
            await hooks.run(hook, spec, container, self.loopback, self._full_name())
        except hooks.HookError as error:
            if container.running and name not in self._stopping:
                self._waiting[name] = ("PostStartHookError", str(error))
                self._tell("Warning", "FailedPostStartHook", "PostStartHook failed", name)
                self._tell("Normal", "Killing", "FailedPostStartHook", name)
                self._stop(name, self.grace())
        else:
            if container.running and name not in self._stopping:
                self._watch_health(spec, container)
        finally:
            self._starting.pop(name, None)
            self.wake()

    async def _before_stop(self, hook: Object, spec: Object, container: Container) -> None:
        """"preStop": a failure is told, no more."""
        try:
            await hooks.run(hook, spec, container, self.loopback, self._full_name())
        except hooks.HookError:
            if container.running:
                self._tell("Warning", "FailedPreStopHook", "PreStopHook failed", spec["name"])
        finally:
            self.wake()

    def _waits_for_disk(self, what: str) -> float:
        """Seconds until a slow disk has given what something needs, which happens once."""
        if not (seconds := disk.delay(self.node)):
            return 0.0
        return self._disk.setdefault(what, time.monotonic() + seconds) - time.monotonic()

    def _cannot(self, name: str, reason: str, message: str) -> float:
        self._waiting[name] = (reason, message)
        self._tell("Warning", "Failed", f"Error: {message}", name)
        return RETRIED_AFTER

    async def _image(self, spec: Object) -> tuple[Image | None, float]:
        """The image, or None and the seconds until the next try."""
        name, image = spec["name"], spec["image"]
        wait, not_before, why = self._images.get(name, (0.0, 0.0, ""))
        left = not_before - time.monotonic()
        if left > 0:
            if self._waiting.get(name, ("", ""))[0] != "ImagePullBackOff":
                self._tell("Normal", "BackOff", f'Back-off pulling image "{image}"', name)
                self._tell("Warning", "Failed", "Error: ImagePullBackOff", name)
            self._waiting[name] = ("ImagePullBackOff", f'Back-off pulling image "{image}": {why}')
            return None, left
        try:
            found = await self.place.images.get(
                image, spec.get("imagePullPolicy", "IfNotPresent"), self.pod,
                lambda: self._tell("Normal", "Pulling", f'Pulling image "{image}"', name))
        except ImageError as error:
            if error.reason in NEVER_PULLED:
                self._tell("Warning", NEVER_PULLED[error.reason], str(error), name)
                self._tell("Warning", "Failed", f"Error: {error.reason}", name)
                self._waiting[name] = (error.reason, str(error))
                return None, LOOKED_EVERY
            wait = self.place.backoff.after(wait)
            self._images[name] = (wait, time.monotonic() + wait, f"{error.reason}: {error}")
            self._tell("Warning", "Failed", f'Failed to pull image "{image}": {error}', name)
            self._tell("Warning", "Failed", f"Error: {error.reason}", name)
            self._waiting[name] = (error.reason, str(error))
            return None, min(wait / 2, 1.0)     # the next look says that it waits
        self._images.pop(name, None)
        took = f"{_duration(round(found.took, 3))}" if found.took >= 1 else f"{found.took * 1000:.0f}ms"
        self._tell("Normal", "Pulled", f'Successfully pulled image "{image}" in {took} ({took} including waiting). '
                   f"Image size: {found.size} bytes." if found.pulled else
                   f'Container image "{image}" already present on machine', name)
        return found, 0.0

    async def _unpacked(self, source: Object) -> Path:
        """"Use an Image Volume With a Pod"."""
        name = source.get("reference", "")
        try:
            found = await self.place.images.get(name, source.get("pullPolicy", "IfNotPresent"), self.pod, lambda: None)
        except ImageError as error:
            raise ConfigError(f"{error.reason}: {error}") from error
        if not found.root:
            raise ConfigError(f"{name} has no files of its own")
        return Path(found.root)

    async def _environment(self, spec: Object, image: Image) -> dict[str, str]:
        """Variables: the image's, what a kubelet adds, the container's."""
        pod = {**self.pod, "status": {**self.pod.get("status", {}), "podIP": self.address, "hostIP": "127.0.0.1",
                                      "podIPs": [{"ip": self.address}], "hostIPs": [{"ip": "127.0.0.1"}]}}
        programs = Path(sys.executable).parent
        own = {} if image.root else {"PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        base = {
            **own, **self.place.aws.environment(), **image.environment,
            **links(self.pod, self.place.network.table.services),
            "HOSTNAME": roots.hostname(self.pod), "POD_IP": self.loopback,
            "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.place.api_port),
            "KUBERNETES_SERVICE_PORT_HTTPS": str(self.place.api_port)}
        return await variables(pod, spec, self._fetch, base, self.node.allocatable())

    async def _fetch(self, kind: str, name: str) -> Object | None:
        return await self._get(f"/api/v1/namespaces/{self.pod['metadata']['namespace']}/{kind}/{name}")

    async def _get(self, path: str, **query: str) -> Object | None:
        """What the API server answers, None for nothing; of a node that is cut off, what was answered last."""
        asked = f"{path} {query}"
        if self.node.away and asked in self._fetched:
            return self._fetched[asked]
        try:
            found = await self.place.client.get(path, **query)
        except Refused as error:
            if error.status == 404:
                self._fetched.pop(asked, None)
                return None
            raise
        self._fetched[asked] = found
        return found

    async def _anchors(self, wanted: Object) -> bytes:
        return await anchors(self._get, wanted)

    async def _token(self, wanted: Object) -> tuple[str, float]:
        """"TokenRequest": a token for the pod's account, bound to the pod; replaced after four fifths of its life."""
        described = self.pod["metadata"]
        account = self.pod["spec"].get("serviceAccountName", "default")
        seconds = wanted.get("expirationSeconds", 3600)
        made = await self.place.client.create(
            f"/api/v1/namespaces/{described['namespace']}/serviceaccounts/{account}/token", {
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {
                    "audiences": [wanted["audience"]] if wanted.get("audience") else [], "expirationSeconds": seconds,
                    "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": described["name"],
                                       "uid": described["uid"]}}})
        ends = datetime.fromisoformat(made["status"]["expirationTimestamp"]).timestamp()
        return str(made["status"]["token"]), time.time() + 0.8 * min(ends - time.time(), seconds)

    # --- health ---------------------------------------------------------------------------------------------------

    def _watch_health(self, spec: Object, container: Container) -> None:
        self._forget(spec["name"])
        self._health[spec["name"]] = Health(self, spec, container)

    def _forget(self, name: str) -> None:
        if (stop := self._stopping.pop(name, None)) is not None and stop.hook is not None:
            stop.hook.cancel()
        if (starting := self._starting.pop(name, None)) is not None and starting is not asyncio.current_task():
            starting.cancel()
        if (health := self._health.pop(name, None)) is not None:
            health.end()

    def unhealthy(self, name: str, kind: str, message: str) -> None:
        """A probe failed."""
        self._tell("Warning", "Unhealthy", f"{kind} probe failed: {message}", name)

    def restart(self, name: str, kind: str, grace: float) -> None:
        """A liveness or startup probe failed too often: end the container, its policy restarts it."""
        if name not in self._stopping:
            self._tell("Normal", "Killing", f"Container {name} failed {kind.lower()} probe, will be restarted", name)
            self._stop(name, grace)
            self.wake()

    # --- ending ---------------------------------------------------------------------------------------------------

    def grace(self) -> float:
        """The pod's grace period in seconds."""
        return float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))

    def _stop(self, name: str, grace: float) -> None:
        """The preStop hook, SIGTERM after it or at once; ``_enforce`` follows with SIGKILL."""
        stop = self._stopping[name] = Stop(time.monotonic(), grace)
        last = self.attempts.last(name)
        spec = next((each for each in self._specs() if each["name"] == name), {})
        hook = (spec.get("lifecycle") or {}).get("preStop")
        if last is not None and hook is not None and grace > 0:
            stop.hook = asyncio.create_task(self._before_stop(hook, spec, last))
        elif last is not None:
            last.signal(signal.SIGTERM)

    def _enforce(self, name: str, container: Container) -> float:
        """SIGKILL when the grace period is over; seconds until then."""
        stop = self._stopping.get(name)
        if stop is None:
            return FOREVER
        left = stop.since + stop.grace - time.monotonic()
        if stop.hook is not None and (stop.hook.done() or left <= 0):
            # the hook's time is the pod's, but something is left for the program in any case
            stop.hook.cancel()
            stop.hook, stop.since, stop.grace = None, time.monotonic(), max(left, LEAST_GRACE)
            container.signal(signal.SIGTERM)
            return stop.grace
        if left > 0:
            return left
        container.signal(signal.SIGKILL)
        return 1.0

    def _end(self, grace: float) -> float | None:
        """End every container, those that serve others last; None when none runs."""
        running = self.attempts.running()
        apps = {each["name"] for kind in ("containers", "ephemeralContainers")
                for each in self.pod["spec"].get(kind) or []}
        now = [each for each in running if each.name in apps] or running
        for container in now:
            if container.name not in self._stopping:
                self._tell("Normal", "Killing", f"Stopping container {container.name}", container.name)
                self._stop(container.name, grace)
            self._stopping[container.name].grace = min(grace, self._stopping[container.name].grace)
        return min((self._enforce(each.name, each) for each in now), default=None)

    async def _terminate(self) -> float | None:
        """"Termination of Pods": end the containers, say so, and let the API server forget the pod."""
        described = self.pod["metadata"]
        grace = float(described.get("deletionGracePeriodSeconds") or (1 if self.removed else 0))
        for health in self._health.values():
            health.end()
        delay = self._end(grace)
        if delay is not None:
            await self._report()
            return delay
        for spec in self._specs():
            self._waiting.pop(spec["name"], None)
        await self._report()
        if not self.removed:
            path = f"/api/v1/namespaces/{described['namespace']}/pods/{described['name']}"
            try:
                await self.place.client.delete(path, {
                    "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
                    "preconditions": {"uid": described["uid"]}})
            except Refused as error:
                if error.status not in (404, 409):
                    raise
        volatile.remove(self.folder / "volumes")
        shutil.rmtree(self.folder, ignore_errors=True)
        return None

    async def _finish(self) -> float:
        """A pod that is over, but not deleted: nothing of it runs (a sidecar may), and nothing is started."""
        delay = self._end(EVICTED_WITHIN if self._evicted else self.grace())
        await self._report()
        if delay is None and self._evicted:
            await asyncio.to_thread(volatile.remove, self.folder / "volumes")
        return LOOKED_EVERY if delay is None else delay

    def active(self) -> list[Container]:
        """The containers that run, of a pod that is not on its way out."""
        ending = self._evicted or self.removed or self.pod["metadata"].get("deletionTimestamp")
        return [] if ending else self.attempts.running()

    def evict(self, message: str) -> None:
        """The node runs short, or the pod uses more than it may: end it for good."""
        self._evicted = message
        self._tell("Warning", "Evicted", message)
        self.wake()

    def _until_deadline(self) -> float:
        """Seconds that ``activeDeadlineSeconds`` leaves."""
        limit = self.pod["spec"].get("activeDeadlineSeconds")
        began = (self.pod.get("status") or {}).get("startTime") or self._sent.get("startTime")
        if limit is None or not began:
            return FOREVER
        return float(datetime.fromisoformat(began).timestamp() + limit - self.node.clock())

    def _overdue(self) -> bool:
        if not self._deadline_passed and self._until_deadline() <= 0:
            self._deadline_passed = True
            self._tell("Normal", "DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
        return self._deadline_passed

    async def end_now(self, grace: float) -> None:
        """The node goes down: end every container, and say nothing."""
        for spec in self._specs():
            self._forget(spec["name"])
        for health in self._health.values():
            health.end()
        await asyncio.gather(*(each.stop(grace) for each in self.attempts.running()))

    async def lose_power(self) -> None:
        """The node is off: every container is killed where it stands."""
        for health in self._health.values():
            health.end()
        await asyncio.gather(*(each.lose() for each in self.attempts.running()))

    # --- reporting ------------------------------------------------------------------------------------------------

    def _seen(self, spec: Object) -> states.Seen:
        name = spec["name"]
        health = self._health.get(name)
        return states.Seen(self.resize.spec(spec), self.attempts.last(name), self.attempts.previous(name),
                           self._waiting.get(name), health.ready if health else False,
                           health.started if health else False, name in self._starting)

    async def _report(self) -> None:
        """Send the status where it changed."""
        if self.removed:
            return
        self._tell_all()
        inits = [self._seen(spec) for spec in self.pod["spec"].get("initContainers") or []]
        apps = [self._seen(spec) for spec in self.pod["spec"]["containers"]]
        self._tell_events(self.resize.settle(self.pod, (*inits, *apps)))
        before = self.pod.get("status") or {}
        mine = self._sent.get("conditions", [])
        others = [each for each in before.get("conditions") or []
                  if each["type"] not in {one["type"] for one in mine}]
        said = {**before, **self._sent, "conditions": [*mine, *others]}
        status = states.pod_status({**self.pod, "status": said}, self.address, inits, apps, self.node.clock(),
                                   self.resize.conditions((*inits, *apps)))
        if debuggers := self.pod["spec"].get("ephemeralContainers"):
            status["ephemeralContainerStatuses"] = [
                states.container_status(self._seen(each)) | {"ready": False} for each in debuggers]
        if self._refused:
            status = {"phase": "Failed", "reason": self._refused, "message": f"Pod was rejected: {self._evicted}",
                      "startTime": status["startTime"]}
        elif self._evicted:
            reason = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet",
                      "message": self._evicted, "lastTransitionTime": states.moment(self.node.clock())}
            known = [each for each in self._sent.get("conditions", []) if each["type"] == "DisruptionTarget"]
            status |= {"phase": "Failed", "reason": "Evicted", "message": self._evicted}
            status["conditions"] += known or [reason]
        elif self._deadline_passed:
            status |= {"phase": "Failed", "reason": "DeadlineExceeded",
                       "message": "Pod was active on the node longer than the specified deadline"}
        elif before.get("phase") in FINISHED:
            status["phase"] = before["phase"]       # a phase that is over does not come back
        described = self.pod["metadata"]
        for each in (status, *status.get("conditions", [])):
            each["observedGeneration"] = described.get("generation")
        if status == self._sent:
            return
        types = {each["type"] for each in status.get("conditions", [])}
        gone = [{"$patch": "delete", "type": name} for name in resize.CONDITIONS
                if name not in types and name in {each["type"] for each in (*mine, *others)}]
        sent = {**status, "conditions": [*status["conditions"], *gone]} if gone else status
        try:
            await self.place.client.patch(
                f"/api/v1/namespaces/{described['namespace']}/pods/{described['name']}/status",
                {"metadata": {"uid": described["uid"]}, "status": sent})
        except Refused as error:
            if error.status not in (404, 409):
                raise
            return
        self._sent = status
        if status["phase"] in FINISHED:
            self.pod["status"] = {**before, **status}
            self.wake()

    def _tell(self, kind: str, reason: str, message: str, container: str = "") -> None:
        path = ""
        if container:
            listed = next((listed for listed in ("initContainers", "ephemeralContainers")
                           if any(each["name"] == container for each in self.pod["spec"].get(listed) or [])),
                          "containers")
            path = f"spec.{listed}{{{container}}}"
        self._untold.append((kind, reason, message, path, now(skew=self.node.skew)))
        self._tell_all()

    def _tell_events(self, events: Iterable[resize.Event]) -> None:
        for kind, reason, message in events:
            self._tell(kind, reason, message)

    def _tell_all(self) -> None:
        """Send what was to be told; kept while the node does not reach the API server."""
        while self._untold and not self.node.away:
            self.place.events.tell(self.pod, *self._untold.pop(0))
        del self._untold[:-UNTOLD]


def _command(spec: Object, image: Image, environment: dict[str, str]) -> list[str]:
    """"Define a Command and Arguments for a Container": a command of its own drops the image's arguments too."""
    given: list[Any] = spec.get("command") or list(image.entrypoint)
    arguments = spec.get("args") or ([] if spec.get("command") else list(image.command))
    return [expand(str(word), environment) for word in (*given, *arguments)]


def _duration(seconds: float) -> str:
    """As Go writes it: 10s, 1m20s."""
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{rest:g}s" if minutes else f"{rest:g}s"
