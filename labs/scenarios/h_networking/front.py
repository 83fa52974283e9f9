"""What stands before the ingress on AWS: a hosted zone, a load balancer with its certificate, and a target group.

The record points at the load balancer, its rule sends the shop's host to the target group, and the target is the
ingress.  Beside it the node of a former ingress is still registered, which nobody has switched on again: the health
check keeps requests from it.
"""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from labs.aws.balancing.addresses import address_of, port_of
from labs.aws.balancing.records import FILE
from labs.cluster.ingress.flags import Listeners
from labs.cluster.space import until
from labs.errors import PermanentError, TemporaryError
from labs.scenarios.base import Values, pick
from labs.scenarios.h_networking.access_logs import logged
from labs.scenarios.h_networking.authority import Pair
from labs.scenarios.h_networking.sent import Sent
from labs.visuals import Hop
from labs.visuals.traffic import PASSED, STOPPED

NAME = "h1-front"
GROUP = "h1-ingress"
HTTPS = 443
NOBODY = 9
"""A port of this machine where nobody listens (discard)."""
FORMER = "127.207.255.254"
"""Where a former load balancer was."""
NO_SUCH_SITE = {"Type": "fixed-response", "FixedResponseConfig": {
    "StatusCode": "404", "ContentType": "text/plain", "MessageBody": "no such site"}}
Resolve = Callable[[str], Mapping[str, Any]]
"""From a name to how a resolver of the internet answers it (``labs.aws.dns.asking.explain``)."""
CALLS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "route53": ("change_resource_record_sets",),
    "ec2": ("authorize_security_group_ingress", "revoke_security_group_ingress"),
    "elbv2": ("modify_rule", "modify_listener", "modify_target_group", "register_targets", "deregister_targets"),
})
"""What a repair may call, by service."""


@dataclass(frozen=True)
class Found:
    """The front's ids in an account; a repair names them with a ``$``."""

    zone: str
    private_zone: str
    balancer_name: str
    balancer_zone: str
    security_group: str
    listener: str
    rule: str
    group: str
    certificate: str
    ingress_port: int


class Front:
    """The front of one learner.

    :param aws: the account's client factory (``labs.aws.account.AwsAccount``)
    :param ports: where the ingress listens
    """

    def __init__(self, aws: Any, values: Values, ports: Listeners) -> None:
        self.values, self.ports = values, ports
        self.ec2, self.elb, self.route53, self.acm = (
            aws.client(name) for name in ("ec2", "elbv2", "route53", "acm"))

    # --- making, removing ---------------------------------------------------------------------------------------

    def prepare(self, names: Any = ()) -> None:
        """Make it anew, with some faults in it."""
        self.remove()
        plan = Plan(self.values["host"], self.ports)
        for name in names:
            FAULTS[name][1](plan)
        subnets = self.ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"][:2]
        group = self._group(plan, subnets[0]["VpcId"])
        made = self.elb.create_load_balancer(
            Name=NAME, Subnets=[each["SubnetId"] for each in subnets],
            SecurityGroups=[self._wall(plan, subnets[0]["VpcId"])])["LoadBalancers"][0]
        certificate = self._certificate("old_front" if plan.other_certificate else "certificate")
        listener = self.elb.create_listener(
            LoadBalancerArn=made["LoadBalancerArn"], Protocol="HTTPS", Port=HTTPS, DefaultActions=[NO_SUCH_SITE],
            Certificates=[{"CertificateArn": certificate}])["Listeners"][0]["ListenerArn"]
        self.elb.create_rule(ListenerArn=listener, Priority=10,
                             Conditions=[{"Field": "host-header", "Values": [plan.rule_host]}],
                             Actions=[{"Type": "forward", "TargetGroupArn": group}])
        if plan.other_certificate:
            self._certificate("certificate")
        self._zones(plan, subnets[0]["VpcId"], made)

    def remove(self) -> list[str]:
        """Take everything away; a line for each thing."""
        removed = []
        for each in self._balancers():
            self.elb.delete_load_balancer(LoadBalancerArn=each["LoadBalancerArn"])
            removed.append(f"load balancer {NAME}")
        for each in self._groups():
            self.elb.delete_target_group(TargetGroupArn=each["TargetGroupArn"])
            removed.append(f"target group {GROUP}")
        for each in self.ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [NAME]}]
                                                      )["SecurityGroups"]:
            self.ec2.delete_security_group(GroupId=each["GroupId"])
            removed.append(f"security group {NAME}")
        for each in self._certificates():
            self.acm.delete_certificate(CertificateArn=each["CertificateArn"])
            removed.append(f"certificate for {each['DomainName']}")
        for each in self._hosted():
            self._empty(each["Id"])
            self.route53.delete_hosted_zone(Id=each["Id"])
            removed.append(f"hosted zone {each['Name']}")
        return removed

    def _wall(self, plan: Plan, vpc: str) -> str:
        made = str(self.ec2.create_security_group(GroupName=NAME, Description="of lab h1", VpcId=vpc)["GroupId"])
        self.ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": plan.open_port, "ToPort": plan.open_port,
             "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
        return made

    def _group(self, plan: Plan, vpc: str) -> str:
        made = self.elb.create_target_group(
            Name=GROUP, Protocol="HTTP", Port=80, TargetType="ip", VpcId=vpc, HealthCheckPath=plan.health_path,
            HealthCheckPort=str(self.ports.api), HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2,
            HealthyThresholdCount=2, UnhealthyThresholdCount=2)["TargetGroups"][0]["TargetGroupArn"]
        targets = [{"Id": "127.0.0.1", "Port": plan.target_port}, {"Id": FORMER, "Port": NOBODY}]
        self.elb.register_targets(TargetGroupArn=made, Targets=targets)
        return str(made)

    def _certificate(self, which: str) -> str:
        pair = Pair(**self.values[which])
        made = self.acm.import_certificate(
            Certificate=pair.certificate.encode(), PrivateKey=pair.key.encode(),
            CertificateChain=self.values["trust"].encode(), Tags=[{"Key": "lab", "Value": NAME}])
        return str(made["CertificateArn"])

    def _zones(self, plan: Plan, vpc: str, balancer: Mapping[str, Any]) -> None:
        public = self._zone()
        private = self._zone(VPC={"VPCRegion": "us-east-1", "VPCId": vpc})
        record: dict[str, Any] = {"Name": plan.record, "Type": "A"}
        if plan.former:
            record |= {"TTL": 60, "ResourceRecords": [{"Value": FORMER}]}
        else:
            record["AliasTarget"] = {"HostedZoneId": balancer["CanonicalHostedZoneId"],
                                     "DNSName": balancer["DNSName"], "EvaluateTargetHealth": False}
        self.route53.change_resource_record_sets(
            HostedZoneId=private if plan.private else public,
            ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]})

    def _zone(self, **more: Any) -> str:
        made = self.route53.create_hosted_zone(Name=self.values["host"], CallerReference=uuid.uuid4().hex, **more)
        return str(made["HostedZone"]["Id"]).removeprefix("/hostedzone/")

    def _empty(self, zone: str) -> None:
        records = self.route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        changes = [{"Action": "DELETE", "ResourceRecordSet": each} for each in records
                   if each["Type"] not in ("NS", "SOA")]
        if changes:
            self.route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})

    # --- finding ------------------------------------------------------------------------------------------------

    def _hosted(self) -> list[dict[str, Any]]:
        return [each for each in self.route53.list_hosted_zones()["HostedZones"]
                if each["Name"].rstrip(".") == self.values["host"]]

    def _balancers(self) -> list[dict[str, Any]]:
        return [each for each in self.elb.describe_load_balancers()["LoadBalancers"]
                if each["LoadBalancerName"] == NAME]

    def _groups(self) -> list[dict[str, Any]]:
        return [each for each in self.elb.describe_target_groups()["TargetGroups"]
                if each["TargetGroupName"] == GROUP]

    def _certificates(self) -> list[dict[str, Any]]:
        ours = {self.values["host"], f"old.{self.values['host']}"}
        return [each for each in self.acm.list_certificates()["CertificateSummaryList"] if each["DomainName"] in ours]

    def found(self) -> Found:
        """The ids; raises PermanentError where the front is not there."""
        balancers = self._balancers()
        if not balancers:
            raise PermanentError("There is no load balancer of lab h1 in this account.",
                                 'Make it with session.run("front").')
        balancer = balancers[0]
        listener = self.elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"][0]
        rule = next(each for each in self.elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
                    if each["Priority"] != "default")
        zones = {each["Config"]["PrivateZone"]: each["Id"].removeprefix("/hostedzone/") for each in self._hosted()}
        good = next(each["CertificateArn"] for each in self._certificates()
                    if each["DomainName"] == self.values["host"])
        return Found(zones[False], zones[True], balancer["DNSName"], balancer["CanonicalHostedZoneId"],
                     balancer["SecurityGroups"][0], listener["ListenerArn"], rule["RuleArn"],
                     self._groups()[0]["TargetGroupArn"], good, self.ports.http)

    # --- repairing ----------------------------------------------------------------------------------------------

    def repair(self, calls: list[dict[str, Any]]) -> list[str]:
        """Make calls of boto3: ``{"service", "call", "with": {parameters}}``; a text ``$zone`` stands for that id.

        :raises PermanentError: no such call is a repair
        :raises botocore.exceptions.ClientError: AWS refuses it
        """
        known = vars(self.found())
        clients = {"route53": self.route53, "ec2": self.ec2, "elbv2": self.elb}
        for each in calls:
            if each.get("call") not in CALLS.get(str(each.get("service")), ()):
                allowed = ", ".join(f"{service}.{name}" for service, names in CALLS.items() for name in names)
                raise PermanentError(f"{each.get('service')}.{each.get('call')} is no repair of the front.",
                                     f"A repair calls one of {allowed}.")
        for each in calls:
            getattr(clients[each["service"]], each["call"])(**_filled(each.get("with") or {}, known))
        return [f"{each['service']}: {each['call']}" for each in calls]

    # --- following ----------------------------------------------------------------------------------------------

    def name(self, resolve: Resolve) -> tuple[str, Hop]:
        """(address, hop) of the name; "" for an address that nobody told."""
        host, began = self.values["host"], time.perf_counter()
        said = resolve(host)
        spent = (time.perf_counter() - began) * 1000
        last = said["steps"][-1] if said["steps"] else {}
        told = [f"{said['status']}{', ' + ', '.join(said['values']) if said['values'] else ''}, TTL {said['ttl']}"
                + (", from the resolver's cache" if said["cached"] else "")]
        if last.get("zone"):
            told.append(f"zone {last.get('zone_name')} ({'private' if last.get('private') else 'public'}), record "
                        f"{last.get('record') or 'none'}")
        why = "" if said["values"] else f"{host} has no address on the internet: {last.get('reason') or said['status']}"
        address = said["values"][0] if said["values"] else ""
        return address, Hop("DNS", "Name", host, STOPPED if why else PASSED, tuple(told), why, spent,
                            "the resolver's own explanation", {key: value for key, value in last.items() if value})

    def hops(self, home: Path, sent: Sent) -> Iterator[Hop]:
        """The load balancer's rule and target, from its access log.

        :param home: the state folder with that log
        """
        record = logged(home / FILE, sent.request_id)
        if record is None:
            yield Hop("AWS", "Load balancer", sent.host, STOPPED, why="it has logged nothing of this request")
            return
        rules = self.elb.describe_rules(ListenerArn=record["listener_arn"])["Rules"]
        rule = next((each for each in rules if each["RuleArn"] == record["rule_arn"]), {})
        taken = record["target_port"] != "-" or record["target_port_list"] != "-"
        facts = (f"listener {record['listener_port']}, rule {record['matched_rule_priority']}, "
                 f"{record['actions_executed']}", f"X-Amzn-Trace-Id {record['trace_id']}")
        own = 1000 * sum(max(record[f"{part}_processing_time"], 0) for part in ("request", "response"))
        others = "; ".join(f"rule {each['Priority']} takes {_condition(each)}" for each in rules
                           if each["Priority"] != "default")
        why = "" if taken else (f"status {record['elb_status_code']} by rule {record['matched_rule_priority']}: "
                                f"{others}, and the request is for {sent.host}")
        yield Hop("AWS", "Load balancer", NAME, STOPPED if why else PASSED, facts, why, own, "its access log",
                  _plain(rule))
        if taken:
            yield self._target(record)

    def _target(self, record: Mapping[str, Any]) -> Hop:
        arn = record["target_group_arn"]
        told = self.elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        listed = [f"{each['Target']['Id']}:{each['Target']['Port']} {each['TargetHealth']['State']} "
                  f"{each['TargetHealth'].get('Reason', '')}".rstrip() for each in told]
        why = ""
        if record["target_status_code"] == "-":
            well = any("unhealthy" not in line for line in listed)
            why = (f"status {record['elb_status_code']}: {record['target_port']} did not answer"
                   + ("" if well else "; no target is healthy, so all of them get requests"))
        group = self.elb.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"][0]
        return Hop("AWS", "Target", str(record["target_port"]), STOPPED if why else PASSED, tuple(listed), why, None,
                   "the access log, DescribeTargetHealth", _plain(group))


def entrance() -> int:
    """Where load balancers' port 443 is on loopback."""
    return port_of(HTTPS)


def _filled(value: Any, known: Mapping[str, Any]) -> Any:
    """``value`` with every text ``$name`` replaced."""
    if isinstance(value, str) and value.startswith("$"):
        if value[1:] not in known:
            names = ", ".join(f"${name}" for name in known)
            raise PermanentError(f"{value} stands for nothing.", f"There are {names}.")
        return known[value[1:]]
    if isinstance(value, list):
        return [_filled(each, known) for each in value]
    if isinstance(value, dict):
        return {key: _filled(each, known) for key, each in value.items()}
    return value


def _condition(rule: Mapping[str, Any]) -> str:
    return ", ".join(f"{each['Field']} {' or '.join(each.get('Values') or each['HostHeaderConfig']['Values'])}"
                     for each in rule["Conditions"])


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    """An answer of AWS without what is empty."""
    kept: dict[str, Any] = json.loads(json.dumps({key: value for key, value in found.items() if value}, default=str))
    return kept


# --- what can be wrong --------------------------------------------------------------------------------------------


@dataclass
class Plan:
    """How the front is made; a fault changes one field."""

    host: str
    ports: Listeners
    former: bool = False
    private: bool = False
    open_port: int = HTTPS
    other_certificate: bool = False
    health_path: str = "/ping"
    record: str = ""
    rule_host: str = ""
    target_port: int = 0

    def __post_init__(self) -> None:
        self.record = self.record or self.host
        self.rule_host = self.rule_host or self.host
        self.target_port = self.target_port or self.ports.http


def _set(**fields: Any) -> Callable[[Plan], None]:
    def change(plan: Plan) -> None:
        for name, value in fields.items():
            setattr(plan, name, value(plan) if callable(value) else value)

    return change


FAULTS: Mapping[str, tuple[str, Callable[[Plan], None]]] = MappingProxyType({
    "record-name": ("the record is for another name", _set(record=lambda plan: f"wwww.{plan.host}")),
    "zone-view": ("the record is in the private zone only", _set(private=True)),
    "former-address": ("the record has the address of a former load balancer", _set(former=True)),
    "security-group": ("the load balancer's security group lets in another port", _set(open_port=80)),
    "front-certificate": ("the listener shows the certificate of another name", _set(other_certificate=True)),
    "listener-rule": ("the listener's rule is for another host", _set(rule_host=lambda plan: f"www.{plan.host}")),
    "target": ("the target is registered with a port where nothing listens", _set(target_port=NOBODY)),
    "health-path": ("the health check asks for a path that there is not", _set(health_path="/healthz")),
})
"""By name: what is wrong, in words, and the change of the plan that makes it so."""
LAYERS: Mapping[str, list[str]] = MappingProxyType({
    "name": ["record-name", "zone-view", "former-address"],
    "entrance": ["security-group", "front-certificate", "listener-rule"],
    "target": ["target", "health-path"],
})
"""A learner has one of each."""


def night(values: Values) -> dict[str, str]:
    """A learner's faults of the front, by layer."""
    return {layer: pick(values["night"].encode(), f"front {layer}", names) for layer, names in LAYERS.items()}


def settled(front: Front, resolve: Resolve, within: float = 20.0) -> None:
    """Return when it stands as the API says it: every target looked at, the listener open, the zone known to resolvers.

    :param resolve: past any cache
    :raises TemporaryError: it does not in so many seconds, with what was seen last
    """
    found = front.found()
    missing = ["nothing answers"]

    def stands() -> bool:
        missing[:] = [_missing(front, found, resolve)]
        return missing == [""]

    if not until(stands, within):
        raise TemporaryError(f"after {within:.0f} s {missing[0]}: do `dns` and `load-balancers` run?")


def _missing(front: Front, found: Found, resolve: Resolve) -> str:
    told = front.elb.describe_target_health(TargetGroupArn=found.group)["TargetHealthDescriptions"]
    states = [each["TargetHealth"]["State"] for each in told]
    if not states or {"initial", "unused"} & set(states):
        return f"targets are {', '.join(states)}"
    try:
        socket.create_connection((address_of(found.balancer_name), entrance()), 1.0).close()
    except OSError as error:
        return f"the listener cannot be reached: {error}"
    steps = resolve(front.values["host"])["steps"]
    return "" if steps and steps[-1].get("zone") == found.zone else "the resolver does not know the zone"
