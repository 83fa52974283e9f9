"""What Elastic Load Balancing's API says of load balancers, as objects that never change.

Conditions and actions stay as the API describes them ("RuleCondition" and "Action", Elastic Load Balancing API
Reference 2015-12-01).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Described = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """A rule of a listener; ``priority`` is "default" for the last one."""

    arn: str
    priority: str
    conditions: tuple[Described, ...]
    action: Described

    @classmethod
    def of(cls, said: Described) -> Rule:
        """The last action decides; those before it authenticate, which this data plane does not."""
        actions = sorted(said.get("Actions") or [{}], key=lambda each: each.get("Order") or 0)
        return cls(said["RuleArn"], said["Priority"], tuple(said.get("Conditions") or ()), actions[-1])

    @property
    def order(self) -> int:
        """Of evaluation: "in priority order, from the lowest value to the highest", the default rule last."""
        return 10**6 if self.priority == "default" else int(self.priority)


@dataclass(frozen=True)
class Certificate:
    """A certificate of a listener with its key, in PEM; an empty one where ACM has not issued it."""

    arn: str
    chain: str = ""
    key: str = ""

    @classmethod
    def of(cls, said: Described) -> Certificate:
        """As the gateway tells it."""
        return cls(said["arn"], "\n".join(filter(None, (said.get("certificate"), said.get("chain")))),
                   said.get("key", ""))


@dataclass(frozen=True)
class Listener:
    """A listener; the first certificate is the default one."""

    arn: str
    port: int
    protocol: str
    rules: tuple[Rule, ...]
    certificates: tuple[Certificate, ...]

    @classmethod
    def of(cls, said: Described) -> Listener:
        """Rules in the order of their evaluation."""
        rules = sorted(map(Rule.of, said["Rules"]), key=lambda each: each.order)
        return cls(said["ListenerArn"], int(said["Port"]), said["Protocol"], tuple(rules),
                   tuple(map(Certificate.of, said["Keys"])))


@dataclass(frozen=True)
class Balancer:
    """A load balancer."""

    arn: str
    name: str
    dns_name: str
    account: str
    region: str
    security_groups: tuple[str, ...]
    attributes: Mapping[str, str]
    listeners: tuple[Listener, ...]

    @classmethod
    def of(cls, said: Described, place: Described) -> Balancer:
        """One of a place."""
        return cls(said["LoadBalancerArn"], said["LoadBalancerName"], said["DNSName"], place["account"],
                   place["region"], tuple(said["SecurityGroups"]), said["Attributes"],
                   tuple(map(Listener.of, said["Listeners"])))

    @property
    def resource(self) -> str:
        """``app/NAME/ID``, as access logs name it."""
        return self.arn.rpartition(":loadbalancer/")[2]

    def seconds(self, attribute: str, otherwise: float) -> float:
        """An attribute that is a time."""
        return float(self.attributes.get(attribute) or otherwise)


@dataclass(frozen=True)
class Target:
    """A registered target: an instance or an address, and a port."""

    id: str
    port: int

    def __str__(self) -> str:
        return f"{self.id}:{self.port}"


@dataclass(frozen=True)
class Checks:
    """How a target group's targets are checked; times in seconds."""

    enabled: bool
    protocol: str
    port: str
    path: str
    interval: float
    timeout: float
    healthy: int
    unhealthy: int
    codes: str

    @classmethod
    def of(cls, said: Described) -> Checks:
        """Defaults are those of "Target group health checks for Application Load Balancers", Elastic Load Balancing
        User Guide."""
        enabled = said.get("HealthCheckEnabled")
        return cls(
            enabled is not False,
            said.get("HealthCheckProtocol") or "HTTP",
            str(said.get("HealthCheckPort") or "traffic-port"),
            said.get("HealthCheckPath") or "/",
            float(said.get("HealthCheckIntervalSeconds") or 30),
            float(said.get("HealthCheckTimeoutSeconds") or 5),
            int(said.get("HealthyThresholdCount") or 5),
            int(said.get("UnhealthyThresholdCount") or 2),
            (said.get("Matcher") or {}).get("HttpCode") or "200",
        )

    def expects(self, status: int) -> bool:
        """Is a status among "200", "200,202" or "200-299"?"""
        for each in self.codes.split(","):
            first, _, last = each.strip().partition("-")
            if first.isdigit() and int(first) <= status <= int(last or first):
                return True
        return False


@dataclass(frozen=True)
class TargetGroup:
    """A target group."""

    arn: str
    name: str
    type: str
    protocol: str
    checks: Checks
    targets: tuple[Target, ...]
    attributes: Mapping[str, str]
    tags: Mapping[str, str]

    @classmethod
    def of(cls, said: Described) -> TargetGroup:
        """As described, with its targets."""
        targets = tuple(Target(each["Id"], int(each.get("Port") or said.get("Port") or 80)) for each in said["Targets"])
        return cls(said["TargetGroupArn"], said["TargetGroupName"], said.get("TargetType") or "instance",
                   said.get("Protocol") or "HTTP", Checks.of(said), targets, said["Attributes"], said["Tags"])

    @property
    def deregistration_delay(self) -> float:
        """Seconds that a target drains."""
        return float(self.attributes.get("deregistration_delay.timeout_seconds") or 300)


@dataclass(frozen=True)
class Instance:
    """An EC2 instance that is a target."""

    address: str
    groups: tuple[str, ...]
    tags: Mapping[str, str]
    state: str


@dataclass(frozen=True)
class Configuration:
    """Everything; groups by ARN, instances and security groups by id."""

    balancers: tuple[Balancer, ...] = ()
    groups: Mapping[str, TargetGroup] = field(default_factory=dict)
    instances: Mapping[str, Instance] = field(default_factory=dict)
    security: Mapping[str, Described] = field(default_factory=dict)

    @classmethod
    def of(cls, places: Iterable[Described]) -> Configuration:
        """As the gateway tells it of each account and region."""
        places = list(places)
        instances = {name: Instance(one["address"], tuple(one["groups"]), one["tags"], one["state"])
                     for place in places for name, one in place["instances"].items()}
        return cls(
            tuple(Balancer.of(each, place) for place in places for each in place["balancers"]
                  if each.get("Type", "application") == "application"),
            {each["TargetGroupArn"]: TargetGroup.of(each) for place in places for each in place["groups"]},
            instances,
            {each["GroupId"]: each for place in places for each in place["security"]},
        )

    def using(self, group: str) -> list[Balancer]:
        """The load balancers of which a rule forwards to a target group."""
        return [each for each in self.balancers
                if any(group in forwarded(rule.action) for one in each.listeners for rule in one.rules)]


def forwarded(action: Described) -> dict[str, int]:
    """Target group → weight, of a forward action; {} for any other."""
    if action.get("Type") != "forward":
        return {}
    groups = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
    if not groups and action.get("TargetGroupArn"):
        return {action["TargetGroupArn"]: 1}
    return {each["TargetGroupArn"]: int(1 if each.get("Weight") is None else each["Weight"]) for each in groups}
