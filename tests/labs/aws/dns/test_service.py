"""The program behind `lab up dns`, and the cluster's DNS in front of it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dnslib
import pytest

from labs.aws.account import AwsAccount
from labs.aws.dns.asking import dig, explain, told, views
from labs.cluster.network import dns
from labs.cluster.network.addresses import Ranges
from labs.cluster.network.table import Table
from labs.errors import PermanentError
from labs.services import ports, state
from tests.labs import gateways
from tests.labs.aws.dns.test_answers import until

ROOT = Path(__file__).resolve().parents[4]
ACCOUNT = "123456789012"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with gateways.running(tmp_path_factory.mktemp("aws")) as url:
        yield url


def started(home: Path, endpoint: str, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "labs.aws.dns", "--home", str(home), "--port", str(port), "--socket",
               str(state.short_path("dns.sock", home)), "--endpoint", endpoint, "--account", ACCOUNT]
    with (home / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    until(lambda: answers(home) or process.poll() is not None)
    assert process.poll() is None, (home / "log").read_text()[-2000:]
    return process


def answers(home: Path) -> bool:
    try:
        return bool(views(home))
    except PermanentError:
        return False


def test_it_survives_a_kill_with_its_addresses_and_ends_on_sigterm(endpoint: str, tmp_path: Path) -> None:
    port = ports.choose(5300)
    aws = AwsAccount(endpoint, ACCOUNT)
    aws.client("ec2").create_vpc(CidrBlock="10.30.0.0/16")
    first = started(tmp_path, endpoint, port)
    before = views(tmp_path)
    assert len(before["vpcs"]) >= 2
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    with pytest.raises(PermanentError, match="lab up dns"):
        views(tmp_path)
    again = started(tmp_path, endpoint, port)
    try:
        assert views(tmp_path) == before
        vpc = aws.client("ec2").create_vpc(CidrBlock="10.31.0.0/16")["Vpc"]["VpcId"]
        until(lambda: vpc in views(tmp_path)["vpcs"])
        with pytest.raises(PermanentError, match="no view 'vpc-none'"):
            explain("a.example", view="vpc-none", home=tmp_path)
    finally:
        again.terminate()
    assert again.wait(10) == 0


def test_pods_see_what_the_clusters_vpc_sees(endpoint: str, tmp_path: Path) -> None:
    """The cluster's DNS passes other names on to the resolver of the VPC that is tagged for a cluster."""
    aws = AwsAccount(endpoint, ACCOUNT)
    ec2, route53 = aws.client("ec2"), aws.client("route53")
    vpc = ec2.create_vpc(CidrBlock="10.40.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "kubernetes.io/cluster/shop", "Value": "shared"}])
    zone = route53.create_hosted_zone(Name="pods.example", CallerReference="pods",
                                      VPC={"VPCRegion": "us-east-1", "VPCId": vpc})["HostedZone"]["Id"]
    record = {"Name": "db.pods.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.40.0.9"}]}
    route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]})
    process = started(tmp_path, endpoint, ports.choose(5300))
    try:
        at = views(tmp_path)
        assert at["cluster"] == at["vpcs"][vpc]
        assert dig(at["public"], "db.pods.example").status == "NXDOMAIN"
        assert dig(at["cluster"], "db.pods.example").values == ["10.40.0.9"]
        server = dns.Server(Table(Ranges(0)), lambda: dns.upstream(tmp_path / "dns.json"))
        question = dnslib.DNSRecord.question("db.pods.example").pack()
        said = dnslib.DNSRecord.parse(asyncio.run(server.reply(question, 512)) or b"")
        assert [str(each.rdata) for each in said.rr] == ["10.40.0.9"]
        assert dig(at["cluster"], "web.shop.svc.cluster.local").status == "SERVFAIL", "no cluster runs here"
        last = told("/log", home=tmp_path)[-1]
        assert (last["name"], last["view"], last["status"]) == ("web.shop.svc.cluster.local", vpc, "SERVFAIL")
    finally:
        process.terminate()
    assert process.wait(10) == 0
