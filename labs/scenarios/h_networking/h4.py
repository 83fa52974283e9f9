"""Lab h4: a domain with a public and a private zone, resolvers that cache, and a name that moves under load."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from labs.errors import PermanentError
from labs.scenarios.base import Fault, Lab, Values
from labs.scenarios.creation import administrator
from labs.scenarios.h_networking import switching, timelines, zones

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount
    from labs.scenarios.h_networking.resolvers import Resolvers


class H4(Lab):
    """Route 53's zones, answered for real; what clients in different places see of them, and when."""

    id: ClassVar[str] = "h4"
    title: ClassVar[str] = "Who is told what, and for how long"
    needs: ClassVar[tuple[str, ...]] = ("aws",)
    minutes: ClassVar[int] = 75
    faults: ClassVar[Mapping[str, Fault]] = MappingProxyType({
        "name-typo": lambda aws, values: _rename_www(aws, values),
        "wrong-view": lambda aws, values: _swap(aws, values),
        "shadow": lambda aws, values: _shadow(aws, values),
        "stale": lambda aws, values: _long_ttl(aws, values),
    })

    def values(self, seed: bytes) -> Values:
        """Names and addresses, the cases of the prediction, and what the failover must keep to."""
        values = {**zones.names(seed), **switching.addresses(seed)}
        return {**values, "cases": timelines.cases(seed, values), "required": zones.required(values)}

    def prepare(self, aws: AwsAccount, values: Values) -> None:
        zones.ensure(aws, values)
        timelines.ensure(aws, values)

    def start(self, aws: AwsAccount, values: Values) -> Resolvers:
        """The resolvers, for as long as this process lives."""
        from labs.scenarios.h_networking.resolvers import Resolvers

        return Resolvers(aws, values)

    def observe(self, aws: AwsAccount, values: Values) -> dict[str, Any]:
        """The records of both zones besides NS and SOA, and the VPCs of the private one by their names."""
        route53 = administrator(aws, "route53")
        found, _ = zones.zones_of(aws, values)
        vpcs = {zones.find_vpc(aws, values, name): name for name in zones.CIDRS}
        told: dict[str, Any] = {}
        for kind, zone in found.items():
            records = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
            told[kind] = [f"{each['Name'].rstrip('.')} {each['Type']} {each['ResourceRecords'][0]['Value']}"
                          f" (TTL {each['TTL']})" for each in records if each["Type"] not in ("NS", "SOA")]  # fmt: skip
        linked = route53.get_hosted_zone(Id=found["private"]).get("VPCs") or []
        return {**told, "vpcs": sorted(vpcs.get(each["VPCId"], each["VPCId"]) for each in linked)}

    def reset(self, aws: AwsAccount, values: Values) -> list[str]:
        return zones.remove(aws, values)

    def solution(self, aws: AwsAccount, values: Values) -> None:
        zones.apply(aws, values, repaired(values))

    def run(self, aws: AwsAccount, values: Values, program: str, **options: Any) -> Any:
        """``repair``: the colleague's zones with changes; ``failover``, ``switch``: the two trials."""
        if program == "repair":
            zones.ensure(aws, values)
            zones.apply(aws, values, options)
            return self.observe(aws, values)
        if program == "failover":
            return switching.fail_over(aws, values, **options)
        if program == "switch":
            return switching.switch(aws, values, **options)
        raise PermanentError(f"lab h4 has no program {program!r}", "It has repair, failover and switch.")


# -- faults ------------------------------------------------------------------------------------------------------------


def _rename_www(aws: AwsAccount, values: Values) -> None:
    zone = zones.zones_of(aws, values)[0]["public"]
    record = zones.record(zones.full(values, "www"), "A", values["www"])
    wrong = {**record, "Name": zones.full(values, "wwww")}
    administrator(aws, "route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [
        {"Action": "DELETE", "ResourceRecordSet": record}, {"Action": "UPSERT", "ResourceRecordSet": wrong}]})


def _swap(aws: AwsAccount, values: Values) -> None:
    """The private zone goes to the VPC that had it not."""
    zones.associate(aws, zones.zones_of(aws, values)[0]["private"], [zones.find_vpc(aws, values, "office")])


def _shadow(aws: AwsAccount, values: Values) -> None:
    """The private zone of the shop's VPC, which lacks what the public one has."""
    zones.associate(aws, zones.zones_of(aws, values)[0]["private"], [zones.find_vpc(aws, values, "shop")])


def _long_ttl(aws: AwsAccount, values: Values) -> None:
    zone = zones.zones_of(aws, values)[0]["public"]
    zones.put(aws, zone, zones.record(zones.full(values, "www"), "A", values["www"], 86400))


### BEGIN SOLUTION
def repaired(values: Values) -> dict[str, Any]:
    """The changes that exercise 2 asks for."""
    def change(action: str, label: str, kind: str, value: str) -> dict[str, Any]:
        return {"Action": action, "ResourceRecordSet": zones.record(zones.full(values, label), kind, value)}

    mail = f"10 mail.{values['domain']}"
    return {
        "public_changes": [change("DELETE", "db", "A", values["db_inside"])],
        "private_changes": [
            change("DELETE", values["typo"], "A", values["api_inside"]),
            change("UPSERT", "api", "A", values["api_inside"]),
            change("UPSERT", "db", "A", values["db_inside"]),
            change("UPSERT", "www", "A", values["www"]),
            change("UPSERT", "", "MX", mail),
        ],
        "vpcs": ["shop"],
    }
### END SOLUTION
