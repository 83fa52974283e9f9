"""Policies, names and the choice of an endpoint, without a cluster."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dnslib
import pytest

from labs.cluster.network import dns, names, plane, routing
from labs.cluster.network.addresses import Ranges
from labs.cluster.network.policy import Party, allows, selects
from labs.cluster.network.router import Caller, Router
from labs.cluster.network.routing import Chooser, Client
from labs.cluster.network.table import Endpoint, Table

Object = dict[str, Any]


def pod(name: str, namespace: str = "default", **labels: str) -> Object:
    return {"metadata": {"name": name, "namespace": namespace, "uid": name, "labels": labels}, "spec": {
        "containers": [{"name": "main", "ports": [{"name": "web", "containerPort": 8080}]}]}}


def policy(spec: Object, namespace: str = "default") -> Object:
    return {"metadata": {"name": "p", "namespace": namespace}, "spec": {"podSelector": {}, **spec}}


WEB, DB, FAR = Party("10.244.0.2", pod("web", app="web")), Party("10.244.0.3", pod("db", app="db")), Party(
    "10.244.1.9", pod("far", "other", app="web"))
HOST, OUTSIDE = Party("127.0.0.1"), Party("192.0.2.7")
FROM_WEB = {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}
TEAM = {"namespaceSelector": {"matchLabels": {"team": "b"}}}


@pytest.mark.parametrize(("policies", "source", "target", "port", "wanted"), [
    ([], WEB, DB, 80, True),
    ([policy({})], WEB, DB, 80, False),                         # selected, and nothing allows
    ([policy({}, "other")], WEB, DB, 80, True),                 # of another namespace
    ([policy({"podSelector": {"matchLabels": {"app": "web"}}})], WEB, DB, 80, True),
    ([policy({})], HOST, DB, 80, True),                         # the kubelet's probes
    ([policy({"ingress": [{}]})], WEB, DB, 80, True),           # an empty rule allows all
    ([policy({"ingress": [FROM_WEB]})], WEB, DB, 80, True),
    ([policy({"ingress": [FROM_WEB]})], FAR, DB, 80, False),    # a pod selector means the policy's namespace
    ([policy({"ingress": [{"from": [TEAM]}]})], FAR, DB, 80, True),
    ([policy({"ingress": [{"from": [{**TEAM, "podSelector": {"matchLabels": {"app": "x"}}}]}]})], FAR, DB, 80, False),
    ([policy({}), policy({"ingress": [FROM_WEB]})], WEB, DB, 80, True),     # policies add up
    ([policy({"ingress": [{"ports": [{"port": 80}]}]})], WEB, DB, 80, True),
    ([policy({"ingress": [{"ports": [{"port": 80}]}]})], WEB, DB, 81, False),
    ([policy({"ingress": [{"ports": [{"port": 80, "endPort": 90}]}]})], WEB, DB, 90, True),
    ([policy({"ingress": [{"ports": [{"port": "web"}]}]})], WEB, DB, 8080, True),
    ([policy({"ingress": [{"ports": [{"port": "web"}]}]})], WEB, DB, 80, False),
    ([policy({"ingress": [{"ports": [{"port": 80, "protocol": "UDP"}]}]})], WEB, DB, 80, False),
    ([policy({"policyTypes": ["Egress"]})], WEB, DB, 80, False),
    ([policy({"policyTypes": ["Egress"]})], FAR, DB, 80, True),             # it judges who sends
    ([policy({"policyTypes": ["Egress"]})], HOST, DB, 80, True),
    ([policy({"policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]})],
     WEB, OUTSIDE, 80, True),
    ([policy({"policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {
        "cidr": "192.0.2.0/24", "except": ["192.0.2.7/32"]}}]}]})], WEB, OUTSIDE, 80, False),
    ([policy({"egress": [{"to": [TEAM]}], "ingress": [{}]})], WEB, DB, 80, False),  # rules without policyTypes count
    ([policy({})], DB, DB, 80, True),                           # a pod reaches itself
])
def test_a_connection_is_judged_by_both_sides(policies: list[Object], source: Party, target: Party, port: int,
                                              wanted: bool) -> None:
    def labels_of(name: str) -> dict[str, str]:
        return {"team": "b"} if name == "other" else {}

    assert allows(policies, labels_of, source, target, port) is wanted


@pytest.mark.parametrize(("selector", "wanted"), [
    ({}, True), (None, True), ({"matchLabels": {"a": "1"}}, True), ({"matchLabels": {"a": "2"}}, False),
    ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
    ({"matchExpressions": [{"key": "b", "operator": "In", "values": ["1"]}]}, False),
    ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
    ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
    ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
    ({"matchExpressions": [{"key": "a", "operator": "Near"}]}, False)])
def test_label_selectors(selector: Object | None, wanted: bool) -> None:
    assert selects(selector, {"a": "1"}) is wanted


# --- endpoints ----------------------------------------------------------------------------------------------------

KEY = ("default", "shop")


def ends(*given: Endpoint, service: Object | None = None, client: Client | None = None, times: int = 12) -> set[str]:
    """The addresses a client gets."""
    chooser = Chooser()
    found = [chooser.choose(KEY, {"spec": service or {}}, "", given, client or Client("c")) for _ in range(times)]
    return {each.address for each in found if each is not None}


def test_ready_endpoints_take_turns_and_others_get_nothing() -> None:
    assert ends(Endpoint("a", 1), Endpoint("b", 1), Endpoint("c", 1, ready=False, serving=False)) == {"a", "b"}
    assert ends(Endpoint("a", 1, ready=False, serving=False)) == set()


def test_endpoints_that_end_serve_when_no_other_is_left() -> None:
    ending = Endpoint("a", 1, ready=False, serving=True, terminating=True)
    assert ends(ending, Endpoint("b", 1)) == {"b"}
    assert ends(ending) == {"a"}


def test_affinity_lasts_as_long_as_its_timeout_and_its_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(routing.time, "monotonic", lambda: now[0])
    service = {"spec": {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10}}}}
    chooser, two = Chooser(), [Endpoint("a", 1), Endpoint("b", 1)]

    def choose(client: str, among: list[Endpoint]) -> str:
        found = chooser.choose(KEY, service, "", among, Client(client))
        assert found is not None
        return found.address

    first = choose("x", two)
    assert [choose("x", two) for _ in range(3)] == [first] * 3
    assert choose("y", two) != first, "another client's turn"
    now[0] += 9
    assert choose("x", two) == first, "each use counts anew"
    other = [each for each in two if each.address != first]
    assert choose("x", other) == other[0].address
    now[0] += 11
    assert len({choose(f"z{number}", two) for number in range(4)}) == 2


def test_traffic_stays_near_where_the_service_asks_for_it() -> None:
    here, there = Endpoint("a", 1, node="n1", zones=("z1",)), Endpoint("b", 1, node="n2", zones=("z2",))
    client = Client("c", "n1", "z1")
    assert ends(here, there, client=client) == {"a"}, "hints"
    assert ends(here, there, client=Client("c", "n3", "z3")) == {"a", "b"}, "no hint is for this zone"
    assert ends(here, Endpoint("b", 1), client=client) == {"a", "b"}, "hints count only when all have one"
    local = {"internalTrafficPolicy": "Local"}
    assert ends(there, service=local, client=client) == set(), "Local knows no other node"


# --- names --------------------------------------------------------------------------------------------------------


@pytest.fixture
def table() -> Table:
    made = Table(Ranges())
    for name in ("default", "shop"):
        made.put("namespaces", {"metadata": {"name": name}})

    def add(name: str, **spec: Any) -> None:
        made.put("services", {"metadata": {"name": name, "namespace": "shop"}, "spec": spec})

    ports = [{"name": "web", "port": 80, "protocol": "TCP"}]
    add("web", clusterIP="10.96.1.1", clusterIPs=["10.96.1.1"], ports=ports)
    add("crew", clusterIP="None", ports=ports)
    add("empty", clusterIP="None", ports=ports)
    add("out", type="ExternalName", externalName="www.example.com.")
    add("in", type="ExternalName", externalName="web.shop.svc.cluster.local")
    made.put("slices", {
        "metadata": {"name": "crew-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "crew"}},
        "addressType": "IPv4", "ports": [{"name": "web", "port": 8080}], "endpoints": [
            {"addresses": ["10.244.0.2"], "hostname": "db-0", "conditions": {"ready": True}},
            {"addresses": ["10.244.0.3"], "conditions": {"ready": True}},
            {"addresses": ["10.244.0.4"], "conditions": {"ready": False}}]})
    return made


@pytest.mark.parametrize(("name", "kind", "wanted"), [
    ("web.shop.svc", "A", ["10.96.1.1"]), ("WEB.shop.SVC", "A", ["10.96.1.1"]), ("web.shop.svc", "AAAA", []),
    ("_web._tcp.web.shop.svc", "SRV", ["0 100 80 web.shop.svc.cluster.local."]), ("_x._tcp.web.shop.svc", "SRV", None),
    ("crew.shop.svc", "A", ["10.244.0.2", "10.244.0.3"]), ("empty.shop.svc", "A", []),
    ("db-0.crew.shop.svc", "A", ["10.244.0.2"]), ("10-244-0-3.crew.shop.svc", "A", ["10.244.0.3"]),
    ("db-1.crew.shop.svc", "A", None),
    ("_web._tcp.crew.shop.svc", "SRV", ["0 50 8080 db-0.crew.shop.svc.cluster.local.",
                                        "0 50 8080 10-244-0-3.crew.shop.svc.cluster.local."]),
    ("out.shop.svc", "A", ["www.example.com."]), ("in.shop.svc", "A", ["web.shop.svc.cluster.local.", "10.96.1.1"]),
    ("10-244-7-7.shop.pod", "A", ["10.244.7.7"]), ("x.shop.pod", "A", None), ("web.none.svc", "A", None),
    ("none.shop.svc", "A", None), ("shop.svc", "A", []), ("svc", "A", []), ("dns-version", "TXT", ['"1.1.0"'])])
def test_answers(table: Table, name: str, kind: str, wanted: list[str] | None) -> None:
    said = dns.answer(table, dnslib.DNSRecord.question(f"{name}.cluster.local", kind))
    assert said is not None
    assert said.header.rcode == (dnslib.RCODE.NXDOMAIN if wanted is None else dnslib.RCODE.NOERROR)
    assert [str(each.rdata) for each in said.rr] == (wanted or [])
    assert bool(said.auth) is not bool(wanted), "an empty answer names the zone"


def test_reverse_names_and_what_is_not_ours(table: Table) -> None:
    def ptr(name: str) -> list[str] | None:
        said = dns.answer(table, dnslib.DNSRecord.question(name, "PTR"))
        return None if said is None else [str(each.rdata) for each in said.rr]

    assert ptr("1.1.96.10.in-addr.arpa") == ["web.shop.svc.cluster.local."]
    assert ptr("2.0.244.10.in-addr.arpa") == ["db-0.crew.shop.svc.cluster.local."]
    assert ptr("1.2.0.192.in-addr.arpa") is None
    assert dns.answer(table, dnslib.DNSRecord.question("www.example.com", "A")) is None


def test_a_node_port_belongs_to_the_service_that_has_it_now() -> None:
    table = Table(Ranges())

    def service(name: str, number: int) -> Object:
        return {"metadata": {"name": name, "namespace": "default"},
                "spec": {"ports": [{"port": 80, "nodePort": number}, {"port": 53, "nodePort": 2, "protocol": "UDP"}]}}

    table.put("services", service("a", 30001))
    table.put("services", service("b", 30002))
    assert [(found := table.node_port(each)) and found[0][1] for each in (30001, 30002, 2)] == ["a", "b", None]
    table.put("services", service("a", 30003))
    assert table.node_port(30001) is None
    table.put("services", service("b", 30003))      # told before the deletion of the one that had it
    table.remove("services", ("default", "a"))
    found = table.node_port(30003)
    assert found is not None
    assert found[0] == ("default", "b")


@pytest.mark.parametrize(("host", "port"), [("10.96.0.1", 443), ("10.244.0.1", 6443)])
def test_the_api_server_is_reached_at_its_service_and_its_endpoint(host: str, port: int) -> None:
    found = Router(Ranges(), Table(Ranges()), 6443).ways(Caller("10.244.0.2", pod("web")), host, port)
    assert [(each.address, each.port) for each in found] == [("127.0.0.1", 6443)]


def test_the_issuers_name_is_answered_beside_the_clusters_own() -> None:
    table = Table(Ranges())
    table.hosts["oidc.eks.us-east-1.amazonaws.com"] = "10.244.0.1"
    said = dns.answer(table, dnslib.DNSRecord.question("OIDC.eks.us-east-1.amazonaws.com"))
    assert said is not None
    assert [str(each.rdata) for each in said.rr] == ["10.244.0.1"]


def test_rubbish_gets_no_answer_and_long_answers_are_cut(table: Table) -> None:
    server = dns.Server(table, list)
    question = dnslib.DNSRecord.question("crew.shop.svc.cluster.local", "A").pack()
    assert asyncio.run(server.reply(b"\0", 512)) is None
    assert asyncio.run(server.reply(b"\xff" * 40, 512)) is None
    cut = dnslib.DNSRecord.parse(asyncio.run(server.reply(question, 40)) or b"")
    assert cut.header.tc
    elsewhere = asyncio.run(server.reply(dnslib.DNSRecord.question("a.example.com").pack(), 512))
    assert dnslib.DNSRecord.parse(elsewhere or b"").header.rcode == dnslib.RCODE.SERVFAIL, "nobody to ask"


def test_short_names_are_searched_for_as_resolv_conf_says() -> None:
    asking = pod("web", "shop")
    assert names.candidates(asking, "db") == ["db.shop.svc.cluster.local", "db.svc.cluster.local", "db.cluster.local",
                                              "db"]
    assert names.candidates(asking, "a.b.c.d.e.f")[0] == "a.b.c.d.e.f"
    assert names.candidates(asking, "db.") == ["db"]
    assert names.resolv_conf(asking, "10.96.0.10") == (
        "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n")
    asking["spec"] |= {"dnsPolicy": "None", "dnsConfig": {
        "nameservers": ["192.0.2.1"], "searches": ["x"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}}
    assert names.resolv_conf(asking, "10.96.0.10") == "search x\nnameserver 192.0.2.1\noptions ndots:2 edns0\n"


# --- the start-up shim --------------------------------------------------------------------------------------------


def python(code: str, folder: Path, **more: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env={
        "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(plane.STARTUP), str(folder)]), **more})
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sitecustomize.py").write_text("print('theirs')\n")
    return tmp_path


def test_the_shim_runs_the_sitecustomize_that_it_hides(folder: Path) -> None:
    assert python("print('program')", folder) == "theirs\nprogram\n"


def test_the_shim_loads_no_socket_for_a_program_that_needs_none(folder: Path) -> None:
    assert "False" in python("import sys; print('socket' in sys.modules)", folder, LABS_NETWORK="port=1 direct=1")


def test_a_broken_setting_does_not_stop_a_program(folder: Path) -> None:
    assert "program" in python("print('program')", folder, LABS_NETWORK="rubbish")
