"""AWS Price List: the on-demand prices of ``prices``, in the shape of AWS's offers.

A selection: EC2 and RDS by type, EBS by volume type, NAT gateways, load balancers, EKS, S3 storage; the prices of
us-east-1 in every region listed.  No reserved terms and no files.  Pages: "AWS Price List Query API" (AWS Billing User
Guide); GetProducts (AWS Price List Service API Reference).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from labs.aws.engines.own import Neighbours, prices
from labs.aws.engines.own.operations import Operations, Params, page
from labs.aws.gateway.calls import AwsError

_PAGES: tuple[str, str, int, str] = ("MaxResults", "NextToken", 100, "InvalidNextTokenException")
_SYSTEMS = {"Linux": 1.0, "Windows": 1.9, "RHEL": 1.6}  # price of the same machine, beside Linux
_VOLUME_NAMES = {"gp2": "General Purpose", "gp3": "General Purpose", "io1": "Provisioned IOPS",
                 "io2": "Provisioned IOPS", "st1": "Throughput Optimized HDD", "sc1": "Cold HDD",
                 "standard": "Magnetic"}  # fmt: skip
Product = tuple[str, dict[str, str], float, str]  # family, attributes, USD a unit, unit


def _place(region: str) -> dict[str, str]:
    return {"regionCode": region, "location": prices.REGIONS[region], "locationType": "AWS Region"}


def _compute(region: str) -> Iterator[Product]:
    place = {"servicecode": "AmazonEC2", "servicename": "Amazon Elastic Compute Cloud", **_place(region)}
    for kind, (price, processors, memory) in prices.INSTANCES.items():
        for system, factor in _SYSTEMS.items():
            about = {"instanceType": kind, "instanceFamily": "General purpose", "vcpu": str(processors),
                     "memory": memory, "operatingSystem": system, "tenancy": "Shared", "preInstalledSw": "NA",
                     "capacitystatus": "Used", "licenseModel": "No License required", "usagetype": f"BoxUsage:{kind}",
                     "operation": "RunInstances", "marketoption": "OnDemand", "currentGeneration": "Yes"}  # fmt: skip
            yield "Compute Instance", {**place, **about}, price * factor, "Hrs"
    for kind, price in prices.VOLUMES.items():
        about = {"volumeApiName": kind, "volumeType": _VOLUME_NAMES[kind], "usagetype": f"EBS:VolumeUsage.{kind}"}
        yield "Storage", {**place, **about}, price, "GB-Mo"
    gateway = {"group": "NGW:NatGateway", "usagetype": "NatGateway-Hours", "operation": "NatGateway"}
    yield "NAT Gateway", {**place, **gateway}, prices.NAT_GATEWAY, "Hrs"


def _databases(region: str) -> Iterator[Product]:
    place = {"servicecode": "AmazonRDS", "servicename": "Amazon Relational Database Service", **_place(region)}
    for kind, price in prices.DATABASES.items():
        for engine in ("PostgreSQL", "MySQL", "MariaDB"):
            for zones, option in ((1, "Single-AZ"), (2, "Multi-AZ")):
                about = {"instanceType": kind, "databaseEngine": engine, "deploymentOption": option,
                         "licenseModel": "No license required", "usagetype": f"InstanceUsage:{kind}"}  # fmt: skip
                yield "Database Instance", {**place, **about}, price * zones, "Hrs"


def _others(code: str, name: str, family: str, about: dict[str, str], price: float, unit: str) -> Any:
    def products(region: str) -> Iterator[Product]:
        yield family, {"servicecode": code, "servicename": name, **_place(region), **about}, price, unit

    return products


_SERVICES: dict[str, Any] = {
    "AmazonEC2": _compute,
    "AmazonRDS": _databases,
    "AmazonS3": _others("AmazonS3", "Amazon Simple Storage Service", "Storage", {
        "storageClass": "General Purpose", "volumeType": "Standard", "usagetype": "TimedStorage-ByteHrs"},
        prices.OBJECT_STORAGE, "GB-Mo"),
    "AWSELB": _others("AWSELB", "Elastic Load Balancing", "Load Balancer-Application", {
        "group": "ELB:Balancer", "usagetype": "LoadBalancerUsage", "operation": "LoadBalancing:Application"},
        prices.LOAD_BALANCER, "Hrs"),
    "AmazonEKS": _others("AmazonEKS", "Amazon Elastic Kubernetes Service", "Compute", {
        "usagetype": "AmazonEKS-Hours:perCluster", "operation": "CreateOperation"}, prices.CLUSTER, "hours"),
}  # fmt: skip


def _offer(product: Product) -> Params:
    """A product with its on-demand term, as a price list has it; its SKU follows from what it is."""
    family, attributes, price, unit = product
    text = json.dumps([family, attributes], sort_keys=True)
    sku = hashlib.sha256(text.encode()).hexdigest()[:16].upper()
    term, rate = f"{sku}.JRTCKXETXF", f"{sku}.JRTCKXETXF.6YS6EN2CT7"
    amount = f"{price:.10f}"
    dimension = {"unit": unit, "endRange": "Inf", "beginRange": "0", "rateCode": rate, "appliesTo": [],
                 "description": f"${price:g} per {unit}", "pricePerUnit": {"USD": amount}}  # fmt: skip
    on_demand = {"priceDimensions": {rate: dimension}, "sku": sku, "effectiveDate": "2026-11-01T00:00:00Z",
                 "offerTermCode": "JRTCKXETXF", "termAttributes": {}}  # fmt: skip
    return {
        "product": {"productFamily": family, "attributes": attributes, "sku": sku},
        "serviceCode": attributes["servicecode"],
        "terms": {"OnDemand": {term: on_demand}},
        "version": "20261101000000",
        "publicationDate": "2026-11-01T00:00:00Z",
    }


class Pricing(Operations):
    """The service; it has no state."""

    def reset(self) -> None:
        """Nothing to forget."""

    @staticmethod
    def _products(code: Any) -> list[Product]:
        offered = _SERVICES.get(str(code))
        if offered is None:
            raise AwsError("InvalidParameterException", f"Invalid service code: {code}", 400)
        return [product for region in prices.REGIONS for product in offered(region)]

    async def _do_describe_services(self, params: Params, neighbours: Neighbours) -> Params:
        codes = [params["ServiceCode"]] if params.get("ServiceCode") else sorted(_SERVICES)
        found = []
        for code in codes:
            names = {name for family, attributes, *_ in self._products(code) for name in attributes}
            found.append({"ServiceCode": code, "AttributeNames": sorted({*names, "productFamily"})})
        return {**page(found, params, "Services", *_PAGES), "FormatVersion": "aws_v1"}

    async def _do_get_attribute_values(self, params: Params, neighbours: Neighbours) -> Params:
        name = str(params.get("AttributeName"))
        values = sorted({_value(product, name) for product in self._products(params.get("ServiceCode"))} - {""})
        if not values:
            raise AwsError("InvalidParameterException", f"Invalid attribute name: {name}", 400)
        return page([{"Value": value} for value in values], params, "AttributeValues", *_PAGES)

    async def _do_get_products(self, params: Params, neighbours: Neighbours) -> Params:
        wanted = params.get("Filters") or []
        found = [p for p in self._products(params.get("ServiceCode")) if all(_matches(p, f) for f in wanted)]
        answer = page(found, params, "PriceList", *_PAGES)
        answer["PriceList"] = [json.dumps(_offer(product)) for product in answer["PriceList"]]
        return {**answer, "FormatVersion": "aws_v1"}


def _value(product: Product, name: str) -> str:
    return product[0] if name.lower() == "productfamily" else product[1].get(name, "")


def _matches(product: Product, wanted: Mapping[str, Any]) -> bool:
    """One filter; TERM_MATCH is the whole value, in any case."""
    value, asked = _value(product, str(wanted.get("Field"))).lower(), str(wanted.get("Value")).lower()
    several = [part.strip() for part in asked.split(",")]
    tests = {"TERM_MATCH": value == asked, "EQUALS": value == asked, "CONTAINS": asked in value,
             "ANY_OF": value in several, "NONE_OF": value not in several}  # fmt: skip
    kind = str(wanted.get("Type"))
    if kind not in tests:
        raise AwsError("InvalidParameterException", f"Unknown filter type: {kind}", 400)
    return tests[kind]


SERVICE = Pricing
