"""Route 53 and ACM.  Pages: Amazon Route 53 API Reference; AWS Certificate Manager API Reference and User Guide."""

from __future__ import annotations

import datetime
import http.server
import random
import threading
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from labs.cluster.certificates import authorities
from tests.labs.aws.scenarios_infra.conftest import Cloud


def change(action: str, name: str, kind: str = "A", ttl: int = 60, **more: Any) -> dict[str, Any]:
    values = more.pop("values", ["192.0.2.1"])
    record = {"Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": v} for v in values], **more}
    if "AliasTarget" in record:
        del record["TTL"], record["ResourceRecords"]
    return {"Action": action, "ResourceRecordSet": record}


def zone(cloud: Any, name: str = "shop.example.com", **more: Any) -> str:
    made = cloud.route53.create_hosted_zone(Name=name, CallerReference=f"{name}-1", **more)
    return str(made["HostedZone"]["Id"])


def records(cloud: Any, zone_id: str) -> dict[tuple[str, str], dict[str, Any]]:
    pages = cloud.route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone_id)
    return {(r["Name"], r["Type"]): r for page in pages for r in page["ResourceRecordSets"]}


def apply(cloud: Any, zone_id: str, *changes: dict[str, Any]) -> dict[str, Any]:
    return dict(cloud.route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": [*changes]}))


def test_public_zone_life(cloud: Any, refused: Any) -> None:
    dns = cloud.route53
    made = dns.create_hosted_zone(Name="shop.example.com", CallerReference="one",
                                  HostedZoneConfig={"Comment": "the shop"})
    zone_id = made["HostedZone"]["Id"]
    assert zone_id.startswith("/hostedzone/Z")
    assert made["HostedZone"]["Name"] == "shop.example.com."
    assert made["HostedZone"]["Config"] == {"Comment": "the shop", "PrivateZone": False}
    assert len(made["DelegationSet"]["NameServers"]) == 4
    assert made["ChangeInfo"]["Status"] in ("PENDING", "INSYNC")
    refused(("HostedZoneAlreadyExists", "ConflictingDomainExists"), dns.create_hosted_zone, Name="shop.example.com",
            CallerReference="one")
    read = dns.get_hosted_zone(Id=zone_id)
    assert read["HostedZone"]["ResourceRecordSetCount"] == 2
    assert set(records(cloud, zone_id)) == {("shop.example.com.", "NS"), ("shop.example.com.", "SOA")}
    assert [z["Id"] for z in dns.list_hosted_zones()["HostedZones"]] == [zone_id]
    by_name = dns.list_hosted_zones_by_name(DNSName="shop.example.com")["HostedZones"]
    assert [z["Id"] for z in by_name] == [zone_id]
    dns.update_hosted_zone_comment(Id=zone_id, Comment="new")
    assert dns.get_hosted_zone(Id=zone_id)["HostedZone"]["Config"]["Comment"] == "new"
    apply(cloud, zone_id, change("CREATE", "www.shop.example.com"))
    refused("HostedZoneNotEmpty", dns.delete_hosted_zone, Id=zone_id)
    apply(cloud, zone_id, change("DELETE", "www.shop.example.com"))
    dns.delete_hosted_zone(Id=zone_id)
    refused("NoSuchHostedZone", dns.get_hosted_zone, Id=zone_id)
    refused("NoSuchHostedZone", dns.delete_hosted_zone, Id=zone_id)
    refused("NoSuchHostedZone", dns.list_resource_record_sets, HostedZoneId=zone_id)


def test_records_are_created_upserted_and_deleted(cloud: Any, refused: Any) -> None:
    zone_id = zone(cloud)
    answer = apply(cloud, zone_id, change("CREATE", "www.shop.example.com"))
    identifier = answer["ChangeInfo"]["Id"]
    cloud.route53.get_waiter("resource_record_sets_changed").wait(
        Id=identifier, WaiterConfig={"Delay": 1, "MaxAttempts": 10}
    )
    assert cloud.route53.get_change(Id=identifier)["ChangeInfo"]["Status"] == "INSYNC"
    batch = lambda *changes: {"HostedZoneId": zone_id, "ChangeBatch": {"Changes": list(changes)}}  # noqa: E731
    send = cloud.route53.change_resource_record_sets
    refused("InvalidChangeBatch", send, **batch(change("CREATE", "www.shop.example.com")))
    refused("InvalidChangeBatch", send, **batch(change("DELETE", "none.shop.example.com")))
    refused("InvalidChangeBatch", send, **batch(change("DELETE", "www.shop.example.com", ttl=61)))
    refused("InvalidChangeBatch", send, **batch(change("CREATE", "www.elsewhere.example.org")))
    refused("InvalidChangeBatch", send, **batch(change("CREATE", "bad.shop.example.com", values=["not an address"])))
    refused("NoSuchHostedZone", send, HostedZoneId="Z0123456789ABCDEFGHIJ",
            ChangeBatch={"Changes": [change("CREATE", "www.shop.example.com")]})
    # A batch is atomic: the good change does not happen when another fails.
    refused("InvalidChangeBatch", send,
            **batch(change("CREATE", "good.shop.example.com"), change("DELETE", "none.shop.example.com")))
    assert ("good.shop.example.com.", "A") not in records(cloud, zone_id)
    apply(cloud, zone_id, change("UPSERT", "www.shop.example.com", ttl=30, values=["192.0.2.2", "192.0.2.3"]),
          change("UPSERT", "shop.example.com", "MX", values=["10 mail.shop.example.com"]))
    found = records(cloud, zone_id)
    assert found["www.shop.example.com.", "A"]["TTL"] == 30
    assert [r["Value"] for r in found["www.shop.example.com.", "A"]["ResourceRecords"]] == ["192.0.2.2", "192.0.2.3"]
    apply(cloud, zone_id, change("DELETE", "www.shop.example.com", ttl=30, values=["192.0.2.2", "192.0.2.3"]))
    assert ("www.shop.example.com.", "A") not in records(cloud, zone_id)


def test_a_cname_stands_alone(cloud: Any, refused: Any) -> None:
    zone_id = zone(cloud)
    apply(cloud, zone_id, change("CREATE", "www.shop.example.com"))
    send = cloud.route53.change_resource_record_sets
    cname = change("CREATE", "www.shop.example.com", "CNAME", values=["other.example.com"])
    apex = change("CREATE", "shop.example.com", "CNAME", values=["other.example.com"])
    for bad in (cname, apex):
        refused("InvalidChangeBatch", send, HostedZoneId=zone_id, ChangeBatch={"Changes": [bad]})


def test_alias_to_a_load_balancer(cloud: Any) -> None:
    zone_id = zone(cloud)
    _, subnets = cloud.network()
    balancer = cloud.elbv2.create_load_balancer(Name="shop", Subnets=subnets)["LoadBalancers"][0]
    target = {"HostedZoneId": balancer["CanonicalHostedZoneId"], "DNSName": balancer["DNSName"],
              "EvaluateTargetHealth": True}
    apply(cloud, zone_id, change("CREATE", "shop.example.com", AliasTarget=target))
    found = records(cloud, zone_id)["shop.example.com.", "A"]
    assert found["AliasTarget"]["EvaluateTargetHealth"] is True
    assert found["AliasTarget"]["DNSName"].rstrip(".").lower().removeprefix("dualstack.") == (
        balancer["DNSName"].lower()
    )
    assert "TTL" not in found


def test_weighted_and_failover_records(cloud: Any, refused: Any) -> None:
    zone_id = zone(cloud)
    check = cloud.route53.create_health_check(
        CallerReference="hc",
        HealthCheckConfig={"Type": "HTTP", "IPAddress": "192.0.2.1", "Port": 80, "ResourcePath": "/healthz",
                           "RequestInterval": 30, "FailureThreshold": 3},
    )["HealthCheck"]["Id"]
    apply(
        cloud,
        zone_id,
        change("CREATE", "w.shop.example.com", SetIdentifier="blue", Weight=90),
        change("CREATE", "w.shop.example.com", SetIdentifier="green", Weight=10, values=["192.0.2.2"]),
        change("CREATE", "f.shop.example.com", SetIdentifier="primary", Failover="PRIMARY", HealthCheckId=check),
        change("CREATE", "f.shop.example.com", SetIdentifier="secondary", Failover="SECONDARY",
               values=["192.0.2.2"]),
    )
    sets = cloud.route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
    weights = {r["SetIdentifier"]: r["Weight"] for r in sets if "Weight" in r}
    assert weights == {"blue": 90, "green": 10}
    failover = {r["Failover"]: r.get("HealthCheckId") for r in sets if "Failover" in r}
    assert failover == {"PRIMARY": check, "SECONDARY": None}
    send = cloud.route53.change_resource_record_sets
    for bad in (change("CREATE", "w.shop.example.com"), change("CREATE", "x.shop.example.com", Weight=1)):
        refused(("InvalidChangeBatch", "InvalidInput"), send, HostedZoneId=zone_id, ChangeBatch={"Changes": [bad]})


def test_health_checks(cloud: Any, refused: Any) -> None:
    dns = cloud.route53
    config = {"Type": "HTTPS", "FullyQualifiedDomainName": "shop.example.com", "Port": 443, "ResourcePath": "/ready"}
    made = dns.create_health_check(CallerReference="one", HealthCheckConfig=config)["HealthCheck"]
    identifier = made["Id"]
    read = dns.get_health_check(HealthCheckId=identifier)["HealthCheck"]
    assert read["HealthCheckConfig"]["ResourcePath"] == "/ready"
    assert read["HealthCheckVersion"] == 1
    again = dns.create_health_check(CallerReference="one", HealthCheckConfig=config)["HealthCheck"]
    assert again["Id"] == identifier  # the same request by the same caller reference
    refused("HealthCheckAlreadyExists", dns.create_health_check, CallerReference="one",
            HealthCheckConfig={**config, "Port": 8443})
    updated = dns.update_health_check(HealthCheckId=identifier, FailureThreshold=5, ResourcePath="/x")["HealthCheck"]
    assert (updated["HealthCheckConfig"]["FailureThreshold"], updated["HealthCheckVersion"]) == (5, 2)
    dns.change_tags_for_resource(ResourceType="healthcheck", ResourceId=identifier,
                                 AddTags=[{"Key": "Name", "Value": "shop"}])
    tags = dns.list_tags_for_resource(ResourceType="healthcheck", ResourceId=identifier)["ResourceTagSet"]["Tags"]
    assert tags == [{"Key": "Name", "Value": "shop"}]
    assert dns.get_health_check_status(HealthCheckId=identifier)["HealthCheckObservations"]
    assert [h["Id"] for h in dns.list_health_checks()["HealthChecks"]] == [identifier]
    dns.delete_health_check(HealthCheckId=identifier)
    refused("NoSuchHealthCheck", dns.get_health_check, HealthCheckId=identifier)


def test_health_check_asks_the_endpoint(cloud: Any) -> None:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/ok" else 503)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for path, status in (("/ok", "Success"), ("/bad", "Failure")):
            config = {"Type": "HTTP", "IPAddress": "127.0.0.1", "Port": server.server_port, "ResourcePath": path}
            made = cloud.route53.create_health_check(CallerReference=path, HealthCheckConfig=config)["HealthCheck"]
            seen = cloud.route53.get_health_check_status(HealthCheckId=made["Id"])["HealthCheckObservations"]
            assert {entry["StatusReport"]["Status"].partition(":")[0] for entry in seen} == {status}
        server.shutdown()


def test_private_zone_belongs_to_vpcs(cloud: Any, refused: Any) -> None:
    dns = cloud.route53
    vpc, _ = cloud.network()
    other = cloud.ec2.create_vpc(CidrBlock="10.30.0.0/16")["Vpc"]["VpcId"]
    link = lambda v: {"VPCRegion": "us-east-1", "VPCId": v}  # noqa: E731
    made = dns.create_hosted_zone(Name="internal.shop", CallerReference="p", VPC=link(vpc))
    zone_id = made["HostedZone"]["Id"]
    assert made["HostedZone"]["Config"]["PrivateZone"] is True
    assert dns.get_hosted_zone(Id=zone_id)["VPCs"] == [link(vpc)]
    dns.associate_vpc_with_hosted_zone(HostedZoneId=zone_id, VPC=link(other))
    assert len(dns.get_hosted_zone(Id=zone_id)["VPCs"]) == 2
    found = dns.list_hosted_zones_by_vpc(VPCId=vpc, VPCRegion="us-east-1")["HostedZoneSummaries"]
    assert [z["Name"] for z in found] == ["internal.shop."]
    dns.disassociate_vpc_from_hosted_zone(HostedZoneId=zone_id, VPC=link(other))
    refused("LastVPCAssociation", dns.disassociate_vpc_from_hosted_zone, HostedZoneId=zone_id, VPC=link(vpc))
    refused("VPCAssociationNotFound", dns.disassociate_vpc_from_hosted_zone, HostedZoneId=zone_id, VPC=link(other))
    refused("InvalidVPCId", dns.create_hosted_zone, Name="x.shop", CallerReference="q",
            VPC=link("vpc-0123456789abcdef0"))
    public = zone(cloud)
    refused("PublicZoneVPCAssociation", dns.associate_vpc_with_hosted_zone, HostedZoneId=public, VPC=link(vpc))
    dns.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone_id.rpartition("/")[2],
                                 AddTags=[{"Key": "env", "Value": "dev"}])
    tags = dns.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone_id.rpartition("/")[2])
    assert tags["ResourceTagSet"]["Tags"] == [{"Key": "env", "Value": "dev"}]


def test_pages_of_records_and_zones(cloud: Any) -> None:
    zone_id = zone(cloud)
    apply(cloud, zone_id, *[change("CREATE", f"h{n}.shop.example.com") for n in range(8)])
    first = cloud.route53.list_resource_record_sets(HostedZoneId=zone_id, MaxItems="4")
    assert first["IsTruncated"] is True
    rest = cloud.route53.list_resource_record_sets(
        HostedZoneId=zone_id, StartRecordName=first["NextRecordName"], StartRecordType=first["NextRecordType"]
    )
    assert rest["IsTruncated"] is False
    assert len(first["ResourceRecordSets"]) + len(rest["ResourceRecordSets"]) == 10
    for name in ("a.example.com", "b.example.com"):
        zone(cloud, name)
    first = cloud.route53.list_hosted_zones(MaxItems="2")
    assert first["IsTruncated"] is True
    rest = cloud.route53.list_hosted_zones(MaxItems="2", Marker=first["NextMarker"])
    assert len(rest["HostedZones"]) == 1
    assert cloud.route53.get_hosted_zone_count()["HostedZoneCount"] == 3


@pytest.mark.parametrize(("name", "may"), [("one.example.com", True), ("two.example.com", False)])
def test_permissions_are_per_zone(cloud: Any, refused: Any, name: str, may: bool) -> None:
    zones = {n: zone(cloud, n) for n in ("one.example.com", "two.example.com")}
    arn = f"arn:aws:route53:::{zones['one.example.com'].lstrip('/')}"
    user = cloud.user(
        {"Effect": "Allow", "Action": ["route53:ChangeResourceRecordSets", "route53:GetHostedZone"], "Resource": arn}
    )
    params = {"HostedZoneId": zones[name], "ChangeBatch": {"Changes": [change("CREATE", f"www.{name}")]}}
    if may:
        user.route53.change_resource_record_sets(**params)
        user.route53.get_hosted_zone(Id=zones[name])
    else:
        refused("AccessDenied", user.route53.change_resource_record_sets, **params)
        refused("AccessDenied", user.route53.get_hosted_zone, Id=zones[name])
    refused("AccessDenied", user.route53.list_hosted_zones)


def test_record_conditions(cloud: Any, refused: Any) -> None:
    zone_id = zone(cloud)
    user = cloud.user(
        {"Effect": "Allow", "Action": "route53:ChangeResourceRecordSets", "Resource": "*",
         "Condition": {"ForAllValues:StringEquals": {
             "route53:ChangeResourceRecordSetsRecordTypes": ["A"],
             "route53:ChangeResourceRecordSetsNormalizedRecordNames": ["www.shop.example.com"],
             "route53:ChangeResourceRecordSetsActions": ["CREATE", "UPSERT"]}}}
    )
    send = user.route53.change_resource_record_sets

    def batch(one: dict[str, Any]) -> dict[str, Any]:
        return {"HostedZoneId": zone_id, "ChangeBatch": {"Changes": [one]}}

    send(**batch(change("CREATE", "WWW.shop.example.com.")))
    refused("AccessDenied", send, **batch(change("CREATE", "other.shop.example.com")))
    refused("AccessDenied", send, **batch(change("UPSERT", "www.shop.example.com", "TXT", values=['"x"'])))
    refused("AccessDenied", send, **batch(change("DELETE", "www.shop.example.com")))


# -- ACM ---------------------------------------------------------------------------------------------------------------


def pem(name: str, days: int, serial: int) -> tuple[bytes, bytes]:
    """A self-signed certificate and its key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def test_certificate_is_requested_and_validated_by_dns(cloud: Any, refused: Any) -> None:
    acm = cloud.acm
    arn = acm.request_certificate(
        DomainName="shop.example.com", ValidationMethod="DNS", SubjectAlternativeNames=["www.shop.example.com"],
        IdempotencyToken="once", Tags=[{"Key": "env", "Value": "dev"}],
    )["CertificateArn"]
    assert arn.startswith(cloud.arn("acm", "certificate/"))
    again = acm.request_certificate(
        DomainName="shop.example.com", ValidationMethod="DNS", SubjectAlternativeNames=["www.shop.example.com"],
        IdempotencyToken="once", Tags=[{"Key": "env", "Value": "dev"}],
    )["CertificateArn"]
    assert again == arn
    read = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert read["Type"] == "AMAZON_ISSUED"
    assert read["Status"] in ("PENDING_VALIDATION", "ISSUED")
    assert set(read["SubjectAlternativeNames"]) == {"shop.example.com", "www.shop.example.com"}
    record = read["DomainValidationOptions"][0]["ResourceRecord"]
    assert record["Type"] == "CNAME"
    assert record["Name"].startswith("_")
    assert record["Value"].endswith(".acm-validations.aws.")
    zone_id = zone(cloud)
    for option in read["DomainValidationOptions"]:
        record = option["ResourceRecord"]
        apply(cloud, zone_id, change("UPSERT", record["Name"], "CNAME", values=[record["Value"]]))
    acm.get_waiter("certificate_validated").wait(CertificateArn=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 15})
    read = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert read["Status"] == "ISSUED"
    assert read["NotAfter"] > read["NotBefore"]
    assert acm.get_certificate(CertificateArn=arn)["Certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert acm.list_tags_for_certificate(CertificateArn=arn)["Tags"] == [{"Key": "env", "Value": "dev"}]
    (listed,) = acm.list_certificates(CertificateStatuses=["ISSUED"])["CertificateSummaryList"]
    assert (listed["CertificateArn"], listed["DomainName"]) == (arn, "shop.example.com")
    acm.delete_certificate(CertificateArn=arn)
    refused("ResourceNotFoundException", acm.describe_certificate, CertificateArn=arn)
    refused("ResourceNotFoundException", acm.delete_certificate, CertificateArn=arn)


def test_certificate_is_imported_and_imported_again(cloud: Any, refused: Any) -> None:
    acm = cloud.acm
    certificate, key = pem("shop.example.com", 20, 1001)
    arn = acm.import_certificate(Certificate=certificate, PrivateKey=key, Tags=[{"Key": "a", "Value": "b"}])[
        "CertificateArn"
    ]
    read = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert (read["Type"], read["Status"], read["DomainName"]) == ("IMPORTED", "ISSUED", "shop.example.com")
    assert read["RenewalEligibility"] == "INELIGIBLE"
    assert int(read["Serial"].replace(":", ""), 16) == 1001
    newer, newer_key = pem("shop.example.com", 90, 1002)
    again = acm.import_certificate(CertificateArn=arn, Certificate=newer, PrivateKey=newer_key)["CertificateArn"]
    assert again == arn
    changed = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert int(changed["Serial"].replace(":", ""), 16) == 1002
    assert changed["NotAfter"] > read["NotAfter"]
    assert acm.get_certificate(CertificateArn=arn)["Certificate"].strip() == newer.decode().strip()
    assert acm.list_tags_for_certificate(CertificateArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    refused("ValidationException", acm.import_certificate, Certificate=b"not a certificate", PrivateKey=key)
    refused("ValidationException", acm.import_certificate, Certificate=newer, PrivateKey=key)  # another one's key
    missing = cloud.arn("acm", "certificate/00000000-0000-0000-0000-000000000000")
    refused("ResourceNotFoundException", acm.import_certificate, CertificateArn=missing, Certificate=newer,
            PrivateKey=newer_key)
    requested = acm.request_certificate(DomainName="x.example.com", ValidationMethod="DNS")["CertificateArn"]
    refused("ValidationException", acm.import_certificate, CertificateArn=requested, Certificate=newer,
            PrivateKey=newer_key)


def chained(host: str, key: Any) -> tuple[bytes, bytes, bytes]:
    """(certificate, its issuer's, the issuer's root), PEM: an authority, below another."""
    root = authorities.make(authorities.ROOT)
    intermediate = authorities.make(authorities.INTERMEDIATE, root)
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(intermediate[0].subject)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=True)
        .sign(intermediate[1], hashes.SHA256()))
    texts = [authorities.pem(each).encode() for each in (made, intermediate[0], root[0])]
    return texts[0], texts[1], texts[2]


def test_a_certificate_comes_with_the_chain_that_vouches_for_it(cloud: Any, refused: Any) -> None:
    acm, key = cloud.acm, ec.generate_private_key(ec.SECP256R1())
    leaf, intermediate, root = chained("shop.example.com", key)
    material = {"Certificate": leaf, "PrivateKey": authorities.private(key).encode()}
    assert "not a valid self signed" in refused("ValidationException", acm.import_certificate, **material)
    for chain in (root, root + intermediate, leaf):
        told = refused("ValidationException", acm.import_certificate, **material, CertificateChain=chain)
        assert "Could not validate the certificate with the certificate chain" in told
    told = refused("ValidationException", acm.import_certificate, **{**material, "Certificate": leaf + intermediate})
    assert "more than one certificate" in told
    arn = acm.import_certificate(**material, CertificateChain=intermediate + root)["CertificateArn"]
    read = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert (read["DomainName"], read["KeyAlgorithm"]) == ("shop.example.com", "EC-prime256v1")
    assert (read["RenewalEligibility"], read["NotAfter"]) == (
        "INELIGIBLE", x509.load_pem_x509_certificate(leaf).not_valid_after_utc)


def test_another_import_may_change_names_but_not_the_kind_of_key(cloud: Any, refused: Any) -> None:
    acm, key = cloud.acm, ec.generate_private_key(ec.SECP256R1())
    leaf, intermediate, _ = chained("shop.example.com", key)
    private = authorities.private(key).encode()
    arn = acm.import_certificate(Certificate=leaf, PrivateKey=private, CertificateChain=intermediate)["CertificateArn"]
    other, by, _ = chained("www.shop.example.com", key)
    acm.import_certificate(CertificateArn=arn, Certificate=other, PrivateKey=private, CertificateChain=by)
    assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainName"] == "www.shop.example.com"
    certificate, rsa_key = pem("shop.example.com", 30, 7)
    told = refused("ValidationException", acm.import_certificate, CertificateArn=arn, Certificate=certificate,
                   PrivateKey=rsa_key)
    assert "key type and size cannot be changed" in told


def test_certificate_tags(cloud: Any, refused: Any) -> None:
    acm = cloud.acm
    arn = acm.request_certificate(DomainName="shop.example.com", ValidationMethod="DNS")["CertificateArn"]
    acm.add_tags_to_certificate(CertificateArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    acm.remove_tags_from_certificate(CertificateArn=arn, Tags=[{"Key": "a"}])
    assert acm.list_tags_for_certificate(CertificateArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    missing = cloud.arn("acm", "certificate/00000000-0000-0000-0000-000000000000")
    refused("ResourceNotFoundException", acm.list_tags_for_certificate, CertificateArn=missing)


def test_a_certificate_in_use_stays(cloud: Any, refused: Any) -> None:
    acm, elb = cloud.acm, cloud.elbv2
    certificate, key = pem("shop.example.com", 90, 7)
    arn = acm.import_certificate(Certificate=certificate, PrivateKey=key)["CertificateArn"]
    _, subnets = cloud.network()
    balancer = elb.create_load_balancer(Name="shop", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}
    listener = elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTPS", Port=443, DefaultActions=[fixed],
                                   Certificates=[{"CertificateArn": arn}])["Listeners"][0]["ListenerArn"]
    assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["InUseBy"] == [balancer]
    refused("ResourceInUseException", acm.delete_certificate, CertificateArn=arn)
    elb.delete_listener(ListenerArn=listener)
    acm.delete_certificate(CertificateArn=arn)


def test_certificate_permissions(cloud: Any, refused: Any) -> None:
    one, two = (
        cloud.acm.request_certificate(DomainName=f"{n}.example.com", ValidationMethod="DNS")["CertificateArn"]
        for n in ("one", "two")
    )
    user = cloud.user({"Effect": "Allow", "Action": "acm:DescribeCertificate", "Resource": one})
    user.acm.describe_certificate(CertificateArn=one)
    refused("AccessDeniedException", user.acm.describe_certificate, CertificateArn=two)
    refused("AccessDeniedException", user.acm.list_certificates)


# -- test answers, delegation sets, query logging ----------------------------------------------------------------------


def public_zone(cloud: Any, name: str = "example.com", **more: Any) -> str:
    made = cloud.route53.create_hosted_zone(Name=name, CallerReference=f"{name}-{cloud.number}", **more)
    return str(made["HostedZone"]["Id"].rpartition("/")[2])


def upsert(cloud: Any, zone: str, *records: dict[str, Any]) -> None:
    changes = [{"Action": "UPSERT", "ResourceRecordSet": {"TTL": 60, "Type": "A", **record}} for record in records]
    cloud.route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def values(*addresses: str) -> dict[str, Any]:
    return {"ResourceRecords": [{"Value": address} for address in addresses]}


def asked(cloud: Any, zone: str, name: str, kind: str = "A") -> tuple[str, list[str]]:
    answer = cloud.route53.test_dns_answer(HostedZoneId=zone, RecordName=name, RecordType=kind)
    return answer["ResponseCode"], answer["RecordData"]


def test_answers_follow_weights_aliases_and_wildcards(cloud: Any, refused: Any) -> None:
    zone = public_zone(cloud)
    weighted = {"Name": "www.example.com"}
    upsert(cloud, zone, {**weighted, "SetIdentifier": "old", "Weight": 0, **values("192.0.2.1")},
           {**weighted, "SetIdentifier": "new", "Weight": 10, **values("192.0.2.2")},
           {"Name": "*.apps.example.com", **values("192.0.2.3")},
           {"Name": "blog.example.com", "Type": "CNAME", **values("blog.example.org")})  # fmt: skip
    target = {"HostedZoneId": zone, "DNSName": "www.example.com", "EvaluateTargetHealth": False}
    alias = {"Name": "example.com", "Type": "A", "AliasTarget": target}
    cloud.route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": alias}]}
    )
    assert {asked(cloud, zone, "www.example.com")[1][0] for _ in range(10)} == {"192.0.2.2"}
    assert asked(cloud, zone, "example.com") == ("NOERROR", ["192.0.2.2"])
    assert asked(cloud, zone, "x.apps.example.com") == ("NOERROR", ["192.0.2.3"])
    assert asked(cloud, zone, "blog.example.com") == ("NOERROR", ["blog.example.org"])
    assert asked(cloud, zone, "www.example.com", "AAAA") == ("NOERROR", [])
    assert asked(cloud, zone, "none.example.com") == ("NXDOMAIN", [])
    refused("InvalidInput", cloud.route53.test_dns_answer, HostedZoneId=zone, RecordName="other.org", RecordType="A")


def test_failover_answers_with_what_is_healthy(cloud: Any, refused: Any) -> None:
    zone, route53 = public_zone(cloud), cloud.route53
    alarm = {"AlarmName": "down", "Namespace": "Shop", "MetricName": "Errors", "Statistic": "Sum", "Period": 60,
             "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"}  # fmt: skip
    cloud.cloudwatch.put_metric_alarm(**alarm)
    config = {"Type": "CLOUDWATCH_METRIC", "AlarmIdentifier": {"Region": "us-east-1", "Name": "down"},
              "InsufficientDataHealthStatus": "Healthy"}  # fmt: skip
    check = route53.create_health_check(CallerReference=cloud.number, HealthCheckConfig=config)["HealthCheck"]["Id"]
    pair = {"Name": "api.example.com"}
    upsert(cloud, zone,
           {**pair, "SetIdentifier": "a", "Failover": "PRIMARY", "HealthCheckId": check, **values("192.0.2.1")},
           {**pair, "SetIdentifier": "b", "Failover": "SECONDARY", **values("192.0.2.2")})  # fmt: skip
    assert asked(cloud, zone, "api.example.com") == ("NOERROR", ["192.0.2.1"])
    cloud.cloudwatch.set_alarm_state(AlarmName="down", StateValue="ALARM", StateReason="drill")
    assert asked(cloud, zone, "api.example.com") == ("NOERROR", ["192.0.2.2"])
    missing = {**pair, "Type": "A", "TTL": 60, "SetIdentifier": "c", "Failover": "PRIMARY",
               "HealthCheckId": "00000000-0000-0000-0000-000000000000", **values("192.0.2.3")}  # fmt: skip
    refused("NoSuchHealthCheck", route53.change_resource_record_sets, HostedZoneId=zone,
            ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": missing}]})  # fmt: skip


def test_zones_share_a_delegation_set(cloud: Any, refused: Any) -> None:
    route53 = cloud.route53
    made = route53.create_reusable_delegation_set(CallerReference="one")["DelegationSet"]
    refused("DelegationSetAlreadyCreated", route53.create_reusable_delegation_set, CallerReference="one")
    for name in ("example.com", "example.org"):
        zone = public_zone(cloud, name, DelegationSetId=made["Id"])
        assert route53.get_hosted_zone(Id=zone)["DelegationSet"]["NameServers"] == made["NameServers"]
        assert asked(cloud, zone, name, "NS") == ("NOERROR", [f"{server}." for server in made["NameServers"]])
    refused("DelegationSetInUse", route53.delete_reusable_delegation_set, Id=made["Id"])
    refused("NoSuchDelegationSet", route53.create_hosted_zone, Name="example.net", CallerReference="n",
            DelegationSetId="N00000000000")  # fmt: skip
    for zone in route53.list_hosted_zones()["HostedZones"]:
        route53.delete_hosted_zone(Id=zone["Id"])
    route53.delete_reusable_delegation_set(Id=made["Id"])
    assert route53.list_reusable_delegation_sets()["DelegationSets"] == []


def test_query_logging_needs_a_log_group(cloud: Any, refused: Any) -> None:
    route53, zone = cloud.route53, public_zone(cloud)
    group = {"HostedZoneId": zone,
             "CloudWatchLogsLogGroupArn": cloud.arn("logs", "log-group:/aws/route53/example.com")}  # fmt: skip
    refused("NoSuchCloudWatchLogsLogGroup", route53.create_query_logging_config, **group)
    cloud.logs.create_log_group(logGroupName="/aws/route53/example.com")
    made = route53.create_query_logging_config(**group)["QueryLoggingConfig"]["Id"]
    refused("QueryLoggingConfigAlreadyExists", route53.create_query_logging_config, **group)
    assert [c["Id"] for c in route53.list_query_logging_configs(HostedZoneId=zone)["QueryLoggingConfigs"]] == [made]
    route53.delete_query_logging_config(Id=made)
    refused("NoSuchQueryLoggingConfig", route53.get_query_logging_config, Id=made)


def test_limits_tags_and_signing_of_zones(cloud: Any) -> None:
    route53, zone = cloud.route53, public_zone(cloud)
    route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone, AddTags=[{"Key": "a", "Value": "b"}])
    (tagged,) = route53.list_tags_for_resources(ResourceType="hostedzone", ResourceIds=[zone])["ResourceTagSets"]
    assert tagged["Tags"] == [{"Key": "a", "Value": "b"}]
    assert route53.get_account_limit(Type="MAX_HOSTED_ZONES_BY_OWNER")["Count"] == 1
    assert route53.get_hosted_zone_limit(HostedZoneId=zone, Type="MAX_RRSETS_BY_ZONE")["Count"] == 2
    assert route53.get_dnssec(HostedZoneId=zone)["Status"]["ServeSignature"] == "NOT_SIGNING"
    assert {"ContinentCode": "EU", "ContinentName": "Europe"} in route53.list_geo_locations()["GeoLocationDetailsList"]


def test_a_health_check_is_inverted_and_disabled(cloud: Any) -> None:
    config = {"Type": "TCP", "IPAddress": "192.0.2.1", "Port": 80}
    made = cloud.route53.create_health_check(CallerReference=cloud.number, HealthCheckConfig=config)
    check = made["HealthCheck"]["Id"]
    cloud.route53.update_health_check(HealthCheckId=check, Inverted=True, Disabled=True)
    read = cloud.route53.get_health_check(HealthCheckId=check)["HealthCheck"]["HealthCheckConfig"]
    assert (read["Inverted"], read["Disabled"]) == (True, True)


def another(running: Any) -> Cloud:
    """A second account, as its root user."""
    root = running.account(str(random.randrange(10**11, 10**12)))
    return Cloud(root, root)


def test_another_accounts_vpc_is_authorised_first(cloud: Any, refused: Any, infra_gateway: Any) -> None:
    vpc, _ = cloud.network()
    own = {"VPCRegion": cloud.region, "VPCId": vpc}
    made = cloud.route53.create_hosted_zone(Name="corp.internal", CallerReference=cloud.number, VPC=own)
    zone = made["HostedZone"]["Id"].rpartition("/")[2]
    other = another(infra_gateway)
    far, _ = other.network()
    theirs = {"HostedZoneId": zone, "VPC": {"VPCRegion": cloud.region, "VPCId": far}}
    refused("NoSuchHostedZone", other.route53.associate_vpc_with_hosted_zone, **theirs)
    cloud.route53.create_vpc_association_authorization(**theirs)
    other.route53.associate_vpc_with_hosted_zone(**theirs)
    linked = {entry["VPCId"] for entry in cloud.route53.get_hosted_zone(Id=zone)["VPCs"]}
    assert linked == {vpc, far}
    cloud.route53.delete_vpc_association_authorization(**theirs)
    refused("VPCAssociationAuthorizationNotFound", cloud.route53.delete_vpc_association_authorization, **theirs)
