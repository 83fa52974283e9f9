"""Names of hosted zones, asked for over the network.  Pages of the Route 53 Developer Guide unless said otherwise."""

from __future__ import annotations

import collections
import shutil
import subprocess
import time
from typing import Any

import pytest

from tests.labs.aws.dns.conftest import SPEED, World


def test_a_name_type_and_value_by_udp_and_tcp(world: World) -> None:
    zone = world.zone("simple.example")
    world.put(zone, "www.simple.example", "A", "192.0.2.1", "192.0.2.2", ttl=300)
    world.put(zone, "simple.example", "MX", "10 mail.simple.example")
    world.put(zone, "simple.example", "TXT", '"v=spf1 -all"')
    for tcp in (False, True):
        said = world.dns.dig("public", "www.simple.example", tcp=tcp)
        assert (said.status, said.values, said.ttl) == ("NOERROR", ["192.0.2.1", "192.0.2.2"], 300)
    assert world.dns.dig("public", "SIMPLE.example", "MX").values == ["10 mail.simple.example."]
    assert world.dns.dig("public", "simple.example", "TXT").values == ['"v=spf1 -all"']


def test_an_answer_too_long_for_udp_comes_by_tcp(world: World) -> None:
    zone = world.zone("long.example")
    world.put(zone, "long.example", "TXT", *(f'"{n:03}{"x" * 200}"' for n in range(10)))
    assert len(world.dns.dig("public", "long.example", "TXT").answers) == 10


def test_no_such_name_and_no_such_type_are_different_answers(world: World) -> None:
    zone = world.zone("nothing.example")
    world.put(zone, "a.b.nothing.example", "A", "192.0.2.1")
    world.put(zone, "nothing.example", "SOA", "ns-1.awsdns-1.com. h.example. 1 7200 900 1209600 120", ttl=900)
    missing = world.dns.dig("public", "none.nothing.example")
    assert missing.status == "NXDOMAIN"
    assert [row[:3] for row in missing.authority] == [("nothing.example", 120, "SOA")], "the lesser of TTL and minimum"
    for name, kind in (("a.b.nothing.example", "AAAA"), ("b.nothing.example", "A"), ("nothing.example", "A")):
        said = world.dns.dig("public", name, kind)
        assert said.nodata, name
        assert [row[2] for row in said.authority] == ["SOA"]


def test_a_missing_name_is_remembered_as_missing_until_the_negative_ttl_is_over(world: World) -> None:
    zone = world.zone("negative.example")
    world.put(zone, "negative.example", "SOA", "ns-1.awsdns-1.com. h.example. 1 7200 900 1209600 30", ttl=900)
    assert world.dns.dig("public", "new.negative.example").status == "NXDOMAIN"
    began = time.monotonic()
    world.put(zone, "new.negative.example", "A", "192.0.2.9")
    assert world.dns.dig("authority", "new.negative.example").values == ["192.0.2.9"]
    assert world.dns.dig("public", "new.negative.example", "AAAA").status == "NXDOMAIN", "of every type (RFC 2308)"
    until(lambda: world.dns.dig("public", "new.negative.example").values == ["192.0.2.9"])
    assert 30 / SPEED - 0.2 <= time.monotonic() - began <= 30 / SPEED + 2


def test_a_change_is_seen_after_about_a_second(world: World) -> None:
    zone = world.zone("change.example")
    world.put(zone, "www.change.example", "A", "192.0.2.1")
    assert world.dns.dig("authority", "www.change.example").values == ["192.0.2.1"]
    change = {"Action": "UPSERT", "ResourceRecordSet": {
        "Name": "www.change.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.2"}]}}
    world.aws.client("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})
    until(lambda: world.dns.dig("authority", "www.change.example").values == ["192.0.2.2"], 5)


def test_a_resolver_keeps_an_answer_for_its_ttl_and_counts_down(world: World) -> None:
    zone = world.zone("stale.example")
    world.put(zone, "www.stale.example", "A", "192.0.2.1", ttl=40)
    assert world.dns.dig("public", "www.stale.example").ttl == 40
    began = time.monotonic()
    world.put(zone, "www.stale.example", "A", "192.0.2.2", ttl=40)
    at_once = world.dns.dig("authority", "www.stale.example")
    assert (at_once.values, at_once.ttl, at_once.authoritative) == (["192.0.2.2"], 40, True)
    until(lambda: world.dns.dig("public", "www.stale.example").ttl <= 20)
    assert world.dns.dig("public", "www.stale.example").values == ["192.0.2.1"]
    until(lambda: world.dns.dig("public", "www.stale.example").values == ["192.0.2.2"])
    assert 40 / SPEED - 0.2 <= time.monotonic() - began <= 40 / SPEED + 2


def test_cnames_are_followed_and_each_link_has_a_ttl_of_its_own(world: World) -> None:
    zone, other = world.zone("chain.example"), world.zone("other.example")
    world.put(zone, "www.chain.example", "CNAME", "web.other.example", ttl=600)
    world.put(other, "web.other.example", "CNAME", "one.other.example", ttl=600)
    world.put(other, "one.other.example", "A", "192.0.2.1", ttl=20)
    said = world.dns.dig("public", "www.chain.example")
    assert [row[2:] for row in said.answers] == [
        ("CNAME", "web.other.example"), ("CNAME", "one.other.example"), ("A", "192.0.2.1")]
    world.put(other, "one.other.example", "A", "192.0.2.2", ttl=20)
    until(lambda: world.dns.dig("public", "www.chain.example").values == ["192.0.2.2"])
    assert world.dns.dig("public", "www.chain.example").answers[0][1] > 500, "the CNAME was not asked for again"
    assert world.dns.dig("public", "www.chain.example", "CNAME").values == ["web.other.example"]
    world.put(zone, "lost.chain.example", "CNAME", "none.other.example")
    lost = world.dns.dig("public", "lost.chain.example")
    assert (lost.status, len(lost.answers)) == ("NXDOMAIN", 1)
    assert [row[2] for row in world.dns.dig("authority", "www.chain.example").answers] == ["CNAME"], "not its zone"


def test_a_circle_of_cnames_fails(world: World) -> None:
    zone = world.zone("circle.example")
    world.put(zone, "a.circle.example", "CNAME", "b.circle.example")
    world.put(zone, "b.circle.example", "CNAME", "a.circle.example")
    assert world.dns.dig("public", "a.circle.example").status == "SERVFAIL"


def test_wildcards_cover_what_does_not_exist(world: World) -> None:
    zone = world.zone("wild.example")
    world.put(zone, "*.wild.example", "A", "192.0.2.1")
    world.put(zone, "there.wild.example", "TXT", '"x"')
    for name in ("any.wild.example", "a.b.wild.example"):
        assert world.dns.dig("public", name).values == ["192.0.2.1"]
    assert world.dns.dig("public", "there.wild.example").nodata, "the name exists"
    assert world.dns.dig("public", "below.there.wild.example").status == "NXDOMAIN", "no wildcard there"


def test_aliases_answer_as_addresses_at_the_apex_too(world: World) -> None:
    zone = world.zone("apex.example")
    world.put(zone, "web.apex.example", "A", "192.0.2.7", ttl=30)
    same = {"HostedZoneId": zone.rpartition("/")[2], "DNSName": "web.apex.example", "EvaluateTargetHealth": False}
    world.put(zone, "apex.example", "A", AliasTarget=same)
    assert world.dns.dig("public", "apex.example").answers == (("apex.example", 30, "A", "192.0.2.7"),)
    name = "shop-1.us-east-1.elb.amazonaws.com"
    elsewhere = {"HostedZoneId": "Z35SXDOTRQ7X7K", "DNSName": f"dualstack.{name}", "EvaluateTargetHealth": False}
    world.put(zone, "lb.apex.example", "A", AliasTarget=elsewhere)
    said = world.dns.dig("public", "lb.apex.example")
    assert (said.answers[0][2], said.ttl) == ("A", 60)
    assert said.values[0].startswith("127.")


def test_a_zone_below_another_needs_a_delegation(world: World) -> None:
    parent, child = world.zone("parent.example"), world.zone("dev.parent.example")
    world.put(child, "www.dev.parent.example", "A", "192.0.2.5")
    assert world.dns.dig("public", "www.dev.parent.example").status == "NXDOMAIN", "nobody is led there"
    assert world.dns.dig("authority", "www.dev.parent.example").values == ["192.0.2.5"]
    servers = world.aws.client("route53").get_hosted_zone(Id=child)["DelegationSet"]["NameServers"]
    world.put(parent, "dev.parent.example", "NS", *servers)
    world.put(parent, "gone.parent.example", "NS", "ns1.elsewhere.example")
    world.dns.flush()
    assert world.dns.dig("public", "www.dev.parent.example").values == ["192.0.2.5"]
    assert world.dns.dig("public", "www.gone.parent.example").status == "SERVFAIL"
    referral = world.dns.dig("authority", "www.gone.parent.example")
    assert (referral.authoritative, referral.authority[0][2:]) == (False, ("NS", "ns1.elsewhere.example"))


def test_name_servers_have_addresses_and_refuse_what_they_do_not_host(world: World) -> None:
    world.zone("served.example")
    server = world.dns.dig("public", "served.example", "NS").values[0]
    assert world.dns.dig("public", server).values == [world.dns.at("authority").rpartition(":")[0]]
    assert world.dns.dig("authority", "unknown.example").status == "REFUSED"
    assert world.dns.dig("public", "unknown.example").status == "NXDOMAIN"


# -- who asks ----------------------------------------------------------------------------------------------------------


def test_a_private_zone_answers_its_vpcs_only(world: World) -> None:
    inside, outside = world.vpc(), world.vpc()
    zone = world.zone("split.example", inside)
    public = world.zone("split.example")
    world.put(public, "www.split.example", "A", "203.0.113.10")
    world.put(public, "blog.split.example", "A", "203.0.113.11")
    world.put(zone, "www.split.example", "A", "10.20.0.10")
    seen = {view: world.dns.dig(view, "www.split.example").values for view in (inside, outside, "public", "authority")}
    assert seen == {inside: ["10.20.0.10"], outside: ["203.0.113.10"], "public": ["203.0.113.10"],
                    "authority": ["203.0.113.10"]}
    assert world.dns.dig(inside, "blog.split.example").status == "NXDOMAIN", "the private zone shadows the public one"
    world.aws.client("route53").associate_vpc_with_hosted_zone(
        HostedZoneId=zone, VPC={"VPCRegion": "us-east-1", "VPCId": outside})
    world.dns.refresh()
    world.dns.flush()
    assert world.dns.dig(outside, "www.split.example").values == ["10.20.0.10"]


def test_the_most_specific_private_zone_decides(world: World) -> None:
    vpc = world.vpc()
    outer, inner = world.zone("deep.example", vpc), world.zone("db.deep.example", vpc)
    world.put(outer, "one.db.deep.example", "A", "10.20.0.1")
    world.put(inner, "two.db.deep.example", "A", "10.20.0.2")
    assert world.dns.dig(vpc, "one.db.deep.example").status == "NXDOMAIN"
    assert world.dns.dig(vpc, "two.db.deep.example").values == ["10.20.0.2"]


def test_a_vpc_without_dns_hostnames_sees_no_private_zone_and_without_support_nothing(world: World) -> None:
    vpc = world.vpc(hostnames=False)
    world.put(world.zone("quiet.example", vpc), "www.quiet.example", "A", "10.20.0.1")
    assert world.dns.dig(vpc, "www.quiet.example").status == "NXDOMAIN"
    world.aws.client("ec2").modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": False})
    world.dns.refresh()
    world.dns.flush()
    assert world.dns.dig(vpc, "www.quiet.example").status == "SERVFAIL"


# -- routing policies --------------------------------------------------------------------------------------------------


def test_weights_share_out_answers_that_are_not_cached(world: World) -> None:
    zone = world.zone("weights.example")
    for name, weight in (("blue", 90), ("green", 10), ("idle", 0)):
        world.put(zone, "www.weights.example", "A", f"192.0.2.{weight + 1}", SetIdentifier=name, Weight=weight, ttl=60)
    said = collections.Counter(world.dns.dig("authority", "www.weights.example").values[0] for _ in range(300))
    assert set(said) == {"192.0.2.91", "192.0.2.11"}
    assert 240 <= said["192.0.2.91"] <= 294, "270 of 300 are expected; 5 standard deviations"
    cached = {world.dns.dig("public", "www.weights.example").values[0] for _ in range(20)}
    assert len(cached) == 1, "a resolver gives all its clients the one it drew"


def test_multivalue_answers_eight_at_most(world: World) -> None:
    zone = world.zone("multi.example")
    for number in range(10):
        world.put(zone, "www.multi.example", "A", f"192.0.2.{number}", SetIdentifier=str(number), MultiValueAnswer=True)
    assert len(world.dns.dig("public", "www.multi.example").values) == 8


def until(condition: Any, seconds: float = 15.0) -> None:
    """Wait for something to be the case."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


# -- the stock client --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("dig") is None, reason="no dig (bind9-dnsutils)")
def test_dig_works_on_it(world: World) -> None:
    zone = world.zone("dig.example")
    world.put(zone, "www.dig.example", "A", "192.0.2.1", ttl=300)
    host, port = world.dns.at("public").split(":")
    done = subprocess.run(["dig", f"@{host}", "-p", port, "www.dig.example", "+noall", "+answer", "+comments"],
                          capture_output=True, text=True, timeout=20, check=True)
    assert "status: NOERROR" in done.stdout
    assert "flags: qr rd ra;" in done.stdout
    assert done.stdout.split("www.dig.example.")[-1].split() == ["300", "IN", "A", "192.0.2.1"]
    assert "WARNING" not in done.stdout
