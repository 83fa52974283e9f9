"""Health checks of targets, and their states with AWS's reasons.

"Target group health checks for Application Load Balancers", "Register targets" and "Edit target group attributes"
(Elastic Load Balancing User Guide): a new target needs one success, whatever the threshold is; a target that left stays
"draining" until its deregistration delay is over; where every target is unhealthy, all of them get requests.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from labs.aws.balancing.addresses import Reach
from labs.aws.balancing.configuration import Configuration, Target, TargetGroup
from labs.aws.balancing.security import reaches

AGENT = "ELB-HealthChecker/2.0"
_MISMATCH, _TIMEOUT, _FAILED = "Target.ResponseCodeMismatch", "Target.Timeout", "Target.FailedHealthChecks"
Key = tuple[str, Target]
"""Target group's ARN and target."""


@dataclass
class State:
    """How one target is."""

    name: str = "initial"
    reason: str = "Elb.InitialHealthChecking"
    description: str = "Initial health checks in progress"
    passed: int = 0
    failed: int = 0
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def become(self, name: str, reason: str = "", description: str = "") -> bool:
        """Whether that is news."""
        news = (self.name, self.reason, self.description) != (name, reason, description)
        self.name, self.reason, self.description = name, reason, description
        return news

    def described(self) -> dict[str, str]:
        """As TargetHealth of the API."""
        said = {"State": self.name, "Reason": self.reason, "Description": self.description}
        return {key: value for key, value in said.items() if value}


class Health:
    """All targets of all target groups.

    :param told: called when a state changed
    """

    def __init__(self, reach: Reach, session: aiohttp.ClientSession, told: Callable[[], None]) -> None:
        self._reach, self._session, self._told = reach, session, told
        self._configuration = Configuration()
        self._states: dict[Key, State] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}

    def follow(self, configuration: Configuration) -> None:
        """Check what the configuration has now."""
        before, self._configuration = self._configuration, configuration
        wanted = {(group.arn, target) for group in configuration.groups.values() for target in group.targets}
        for key in set(self._states) - wanted:
            self._leave(key)
        for key in wanted:
            state = self._states.get(key)
            if state is None or state.name == "draining":
                self._states[key] = state = State()
                self._start(key)
            elif before.groups.get(key[0]) != configuration.groups[key[0]] or (
                    bool(before.using(key[0])) != bool(configuration.using(key[0]))):
                state.wake.set()        # it is looked at anew at once
        self._told()

    def _start(self, key: Key) -> None:
        if key in self._tasks:
            self._tasks[key].cancel()
        self._tasks[key] = asyncio.create_task(self._watch(key))

    def _leave(self, key: Key) -> None:
        state, group = self._states[key], self._configuration.groups.get(key[0])
        if state.name == "draining":
            return
        if key in self._tasks:
            self._tasks.pop(key).cancel()
        if group is None:
            del self._states[key]
            return
        state.become("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
        asyncio.get_running_loop().call_later(group.deregistration_delay, self._drained, key, state)

    def _drained(self, key: Key, state: State) -> None:
        if self._states.get(key) is state and state.name == "draining":
            del self._states[key]
            self._told()

    def usable(self, group: TargetGroup) -> list[Target]:
        """The targets that get requests: the healthy ones, or all where none is."""
        healthy = [each for each in group.targets if self.state(group, each) == "healthy"]
        return healthy or list(group.targets)

    def state(self, group: TargetGroup, target: Target) -> str:
        """``healthy``, ``unhealthy``, ``initial``, ``draining``, ``unused`` or ``unavailable``."""
        found = self._states.get((group.arn, target))
        return found.name if found else "unused"

    def described(self) -> dict[str, list[dict[str, Any]]]:
        """Target group's ARN → TargetHealthDescriptions."""
        told: dict[str, list[dict[str, Any]]] = {arn: [] for arn in self._configuration.groups}
        for (arn, target), state in self._states.items():
            group = self._configuration.groups.get(arn)
            if group is not None:
                told[arn].append({"Target": {"Id": target.id, "Port": target.port},
                                  "HealthCheckPort": str(_checked_port(group, target)),
                                  "TargetHealth": state.described()})
        return told

    def close(self) -> None:
        """End every check."""
        for each in self._tasks.values():
            each.cancel()

    async def _watch(self, key: Key) -> None:
        """Check one target until it leaves."""
        while True:
            group = self._configuration.groups[key[0]]
            state = self._states[key]
            state.wake.clear()
            await self._look(group, key[1], state)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(group.checks.interval):
                    await state.wake.wait()

    async def _look(self, group: TargetGroup, target: Target, state: State) -> None:
        if not self._configuration.using(group.arn):
            state.passed = state.failed = 0
            news = state.become("unused", "Target.NotInUse",
                                "Target group is not configured to receive traffic from the load balancer")
        elif not group.checks.enabled:
            news = state.become("unavailable", "Target.HealthCheckDisabled", "Health checks are disabled")
        else:
            news = judge(state, group, *await self._checked(group, target))
        if news:
            self._told()

    async def _checked(self, group: TargetGroup, target: Target) -> tuple[str, str]:
        """("", "") for a success, or the reason and its description."""
        checks, port = group.checks, _checked_port(group, target)
        balancers = self._configuration.using(group.arn)
        if not all(reaches(self._configuration, each, group, target, port) for each in balancers):
            await asyncio.sleep(checks.timeout)
            return _TIMEOUT, "Request timed out"
        host, number = self.end(group, target, port)
        url = f"{checks.protocol.lower()}://{host}:{number}{checks.path}"
        timeout = aiohttp.ClientTimeout(checks.timeout)
        try:
            async with self._session.get(url, timeout=timeout, allow_redirects=False, ssl=False, headers={
                    "User-Agent": AGENT, "Host": f"{target.id}:{port}", "Connection": "close"}) as answer:
                if checks.expects(answer.status):
                    return "", ""
                return _MISMATCH, f"Health checks failed with these codes: [{answer.status}]"
        except TimeoutError:
            return _TIMEOUT, "Request timed out"
        except (aiohttp.ClientError, OSError, ValueError):
            return _FAILED, "Health checks failed"

    def end(self, group: TargetGroup, target: Target, port: int) -> tuple[str, int]:
        """Where this machine reaches a target."""
        instance = self._configuration.instances.get(target.id)
        if instance is None:
            return self._reach.end(target.id, port)
        if any(tag.startswith("kubernetes.io/cluster/") for tag in instance.tags):
            return self._reach.node(port)
        return self._reach.end(instance.address, port)


def _checked_port(group: TargetGroup, target: Target) -> int:
    return target.port if group.checks.port == "traffic-port" else int(group.checks.port)


def judge(state: State, group: TargetGroup, reason: str, description: str) -> bool:
    """Count one check; whether the state is another now."""
    if not reason:
        state.passed, state.failed = state.passed + 1, 0
        enough = 1 if state.name != "unhealthy" else group.checks.healthy
        return state.passed >= enough and state.become("healthy")
    state.passed, state.failed = 0, state.failed + 1
    if state.name == "unused":
        state.become("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
    return state.failed >= group.checks.unhealthy and state.become("unhealthy", reason, description)
