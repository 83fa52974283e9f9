"""The network of a real cluster: the API server's way in, Services, names, policies, and what programs in pods see.

Code is tried in pods by sending it to an agent that runs there.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dnslib
import pytest

from labs.cluster.network.addresses import DOOR, Ranges
from labs.services import state
from tests.labs.cluster import waiting
from tests.labs.cluster.network.pods import (
    SERVER,
    Kubectl,
    apply,
    certificate,
    pod,
    server,
    service,
    wait_ready,
)

pytestmark = pytest.mark.timeout(240)
NODES = 2
WITHIN = 60.0

AGENT = """
def answered(request, body):
    scope = {}
    try:
        exec(body.decode(), scope)
        return json.dumps(scope["result"])
    except Exception as error:
        return json.dumps(f"{type(error).__name__}: {error}")
"""
GET = """
import http.client, json, socket, sys
def get(host, port=80, timeout=5):
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", "/")
        return json.loads(connection.getresponse().read())
    except OSError as error:
        return type(error).__name__
    finally:
        connection.close()
"""
Run = Callable[..., Any]

WEBHOOK = SERVER + """
def answered(request, body):
    review = json.loads(body)
    labels = review["request"]["object"]["metadata"].get("labels") or {}
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {
        "uid": review["request"]["uid"], "allowed": "team" in labels, "status": {"message": "no team label"}}})
serve(8443)
"""
AGGREGATED = SERVER + """
def answered(request, body):
    if request.path.rstrip("/").endswith("/v1"):
        return json.dumps({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "tea.example.com/v1",
            "resources": [{"name": "pots", "singularName": "pot", "namespaced": False, "kind": "Pot",
                           "verbs": ["get", "list"]}]})
    return json.dumps({"kind": "PotList", "apiVersion": "tea.example.com/v1", "metadata": {},
                       "items": [{"kind": "Pot", "apiVersion": "tea.example.com/v1", "metadata": {"name": "green"},
                                  "for": request.headers.get("X-Remote-User")}]})
serve(443)
"""


def test_the_api_server_proxies_to_pods_and_services(kubectl: Kubectl) -> None:
    apply(kubectl, server("web", 8080), service("web", {"app": "web"}))
    wait_ready(kubectl, "web")
    said = json.loads(kubectl("get", "--raw", "/api/v1/namespaces/default/pods/web:8080/proxy/a/b").stdout)
    assert (said["pod"], said["path"]) == ("web", "/a/b")
    waiting.until(lambda: kubectl("get", "--raw", "/api/v1/namespaces/default/services/web/proxy/c",
                                  status=None).returncode == 0, "an endpoint", within=WITHIN)
    said = json.loads(kubectl("get", "--raw", "/api/v1/namespaces/default/services/web:80/proxy/c").stdout)
    assert (said["pod"], said["path"]) == ("web", "/c")


def test_nobody_listening_is_an_error_that_names_the_pod(kubectl: Kubectl) -> None:
    apply(kubectl, pod("deaf", "import time; time.sleep(600)", {"web": 8081}))
    wait_ready(kubectl, "deaf")
    refused = kubectl("get", "--raw", "/api/v1/namespaces/default/pods/deaf:8081/proxy/", status=1)
    assert "502" in refused.stderr or "ServiceUnavailable" in refused.stderr


def test_a_webhook_in_a_pod_decides_what_is_admitted(kubectl: Kubectl) -> None:
    trusted, pair = certificate("gate.default.svc")
    apply(kubectl, pod("gate", WEBHOOK, {"hook": 8443}, {"app": "gate"}, 8443, {"CERTIFICATE": pair}),
          service("gate", {"app": "gate"}, {"port": 443, "targetPort": "hook"}))
    wait_ready(kubectl, "gate")
    apply(kubectl, {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "gate"}, "webhooks": [{
            "name": "gate.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 5,
            "clientConfig": {"service": {"name": "gate", "namespace": "default"},
                             "caBundle": base64.b64encode(trusted.encode()).decode()},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
                       "resources": ["configmaps"]}],
            "objectSelector": {"matchExpressions": [{"key": "free", "operator": "DoesNotExist"}]}}]})
    try:
        waiting.until(lambda: "no team label" in kubectl("create", "configmap", "plain", "--dry-run=server",
                                                         status=None).stderr, "a refusal", within=WITHIN)
        apply(kubectl, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ours", "labels": {"team": "a"}}})
    finally:
        kubectl("delete", "validatingwebhookconfiguration", "gate")


def test_an_aggregated_api_in_a_pod_is_part_of_the_api(kubectl: Kubectl) -> None:
    trusted, pair = certificate("tea.default.svc")
    apply(kubectl, pod("tea", AGGREGATED, {"api": 443}, {"app": "tea"}, 443, {"CERTIFICATE": pair}),
          service("tea", {"app": "tea"}, {"port": 443, "targetPort": "api"}))
    wait_ready(kubectl, "tea")
    apply(kubectl, {
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.tea.example.com"},
        "spec": {"group": "tea.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100,
                 "caBundle": base64.b64encode(trusted.encode()).decode(),
                 "service": {"name": "tea", "namespace": "default", "port": 443}}})
    try:
        kubectl("wait", "apiservice/v1.tea.example.com", "--for=condition=Available", "--timeout=30s")
        said = json.loads(kubectl("get", "--raw", "/apis/tea.example.com/v1/pots").stdout)
        assert said["items"][0]["for"] == "kubernetes-admin"
    finally:
        kubectl("delete", "apiservice", "v1.tea.example.com")


def test_the_way_into_the_cluster_is_its_owners_alone(cluster_home: Path) -> None:
    assert state.short_path("egress.sock").stat().st_mode & 0o077 == 0


# --- what programs in pods see ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(kubectl: Kubectl, ranges: Ranges) -> Run:
    """``run(code, agent)``: what ``result`` is after the code ran in a pod, or the error."""
    apply(kubectl, server("agent", 8090, code=AGENT), server("agent-b", 8090, code=AGENT, labels={"app": "other"}))
    wait_ready(kubectl, "agent", "agent-b")

    addresses = {name: kubectl("get", "pod", name, "-o", "jsonpath={.status.podIP}").stdout
                 for name in ("agent", "agent-b")}

    def call(code: str, agent: str = "agent") -> Any:
        with urllib.request.urlopen(f"http://{ranges.end(addresses[agent])}:8090/", (GET + code).encode(),
                                    timeout=30) as answer:
            return json.load(answer)

    return call


@pytest.fixture(scope="module")
def shim(cluster_home: Path) -> bool:
    """Do pods see the network by the start-up shim alone?"""
    return bool(json.loads((cluster_home / "kubernetes/network.json").read_text())["shim"])


@pytest.fixture(scope="module")
def shop(kubectl: Kubectl, run: Run) -> None:
    """Two servers behind a Service, and a headless one."""
    apply(kubectl, *(server(f"shop-{each}", 80, {"app": "shop"}, hostname=f"shop-{each}", subdomain="crew")
                     for each in "ab"),
          service("shop", {"app": "shop"}), service("crew", {"app": "shop"}, clusterIP="None"),
          service("sticky", {"app": "shop"}, sessionAffinity="ClientIP"),
          service("door", {"app": "shop"}, {"name": "a", "port": 8000, "targetPort": "web"},
                  {"name": "b", "port": 9000, "targetPort": 80}, type="NodePort"),
          {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "elsewhere"},
           "spec": {"type": "ExternalName", "externalName": "shop.default.svc.cluster.local"}})
    wait_ready(kubectl, "shop-a", "shop-b")
    waiting.until(lambda: run("result = sorted({get('shop')['pod'] for _ in range(4)})") == ["shop-a", "shop-b"],
                  "both endpoints", WITHIN)


def test_a_service_is_reached_by_every_form_of_its_name(shop: None, run: Run, ranges: Ranges) -> None:
    names = ["shop", "shop.default", "shop.default.svc", "shop.default.svc.cluster.local", "elsewhere"]
    assert [each["pod"][:4] for each in run(f"result = [get(name) for name in {names}]")] == ["shop"] * 5
    found = run("result = [each[4][0] for each in socket.getaddrinfo('shop', 80, type=socket.SOCK_STREAM)]")
    assert [each.startswith(ranges.service_prefix) for each in found] == [True]
    assert run("socket.getaddrinfo('nobody', 80)") == "gaierror: [Errno -2] Name or service not known"


def test_a_server_sees_the_pod_that_calls(shop: None, run: Run, kubectl: Kubectl) -> None:
    address = kubectl("get", "pod", "agent", "-o", "jsonpath={.status.podIP}").stdout
    assert run("result = get('shop')")["from"] == address
    assert run("result = socket.gethostbyname(socket.gethostname())") == address


def test_ports_are_translated_by_name_and_number(shop: None, run: Run) -> None:
    assert [each["pod"][:4] for each in run("result = [get('door', 8000), get('door', 9000)]")] == ["shop", "shop"]
    assert run("result = get('door', 8001)") == "ConnectionRefusedError"


def test_a_client_with_affinity_stays_with_its_endpoint(shop: None, run: Run) -> None:
    assert len(run("result = sorted({get('sticky')['pod'] for _ in range(6)})")) == 1


def test_an_endpoint_that_goes_gets_no_traffic_a_second_later(shop: None, run: Run, kubectl: Kubectl) -> None:
    apply(kubectl, server("brief", 80), service("brief", {"app": "brief"}))
    wait_ready(kubectl, "brief")
    waiting.until(lambda: run("result = get('brief')") != "ConnectionRefusedError", "an endpoint", WITHIN)
    kubectl("label", "pod", "brief", "app=gone", "--overwrite")
    changed = time.monotonic()
    waiting.until(lambda: "addresses" not in kubectl(
        "get", "endpointslices", "-l", "kubernetes.io/service-name=brief", "-o", "jsonpath={.items[*].endpoints}"
    ).stdout, "an empty slice", WITHIN)
    seen = time.monotonic()
    waiting.until(lambda: run("result = get('brief')") == "ConnectionRefusedError", "a refusal", WITHIN)
    assert time.monotonic() - seen < 2.5, f"a second and the agent's answer; the slice took {seen - changed:.1f} s"


def test_a_service_without_selector_has_the_endpoints_it_is_given(shop: None, run: Run, kubectl: Kubectl) -> None:
    address = kubectl("get", "pod", "shop-a", "-o", "jsonpath={.status.podIP}").stdout
    apply(kubectl, service("given", None, {"port": 7000, "name": "x"}), {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "given-1", "labels": {"kubernetes.io/service-name": "given"}},
        "ports": [{"name": "x", "port": 80}], "endpoints": [{"addresses": [address]}]})
    waiting.until(lambda: run("result = get('given', 7000)") != "ConnectionRefusedError", "an endpoint", WITHIN)
    assert run("result = get('given', 7000)")["pod"] == "shop-a"


def test_localhost_is_the_pods_own(run: Run, kubectl: Kubectl) -> None:
    serve = """
server = socket.create_server(("127.0.0.1", 8000))
import threading
def once():
    made, address = server.accept()
    made.sendall(address[0].encode())
    made.close()
threading.Thread(target=once, daemon=True).start()
with socket.create_connection(("localhost", 8000), timeout=5) as made:
    result = [made.recv(99).decode(), server.getsockname(), list(made.getpeername())]
__builtins__["kept"] = server
"""
    assert run(serve) == ["127.0.0.1", ["127.0.0.1", 8000], ["127.0.0.1", 8000]]
    address = kubectl("get", "pod", "agent", "-o", "jsonpath={.status.podIP}").stdout
    assert run(f"result = get('{address}', 8000)", "agent-b") == "ConnectionRefusedError", "it is for localhost only"
    assert run("result = get('localhost', 8000)", "agent-b") == "ConnectionRefusedError", "and not another pod's"
    assert run(f"result = get('{address}', 8090)", "agent-b") != "ConnectionRefusedError", "what is for everybody is"


def test_a_node_port_answers_pods_at_their_nodes_address(shop: None, run: Run, kubectl: Kubectl) -> None:
    number = kubectl("get", "service", "door", "-o", "jsonpath={.spec.ports[0].nodePort}").stdout
    assert run(f"result = get('127.0.0.1', {number})")["pod"].startswith("shop-")
    assert run(f"result = get('127.0.0.1', {int(number) ^ 1})") == "ConnectionRefusedError"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_event_loops_see_the_same_network(shop: None, run: Run, loop: str) -> None:
    assert run(f"""
import asyncio, {loop}
async def talk():
    async def greet(reader, writer):
        writer.write(b"hello")
        writer.close()
    server = await asyncio.start_server(greet, None, 3000)
    reader, writer = await asyncio.open_connection("localhost", 3000)
    said = (await reader.read()).decode()
    writer.close()
    server.close()
    reader, writer = await asyncio.open_connection("shop", 80)
    writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
    answer = (await reader.read()).split(b" ")[1].decode()
    writer.close()
    try:
        await asyncio.open_connection("door", 8001)
    except OSError as error:
        return [said, answer, type(error).__name__]
loop = {loop}.new_event_loop()
result = loop.run_until_complete(talk())
loop.close()
""") == ["hello", "200", "ConnectionRefusedError"]


def test_another_language_sees_it_or_goes_through_the_proxy_it_is_told(shop: None, run: Run, shim: bool) -> None:
    assert run("""
import subprocess
code = (
    "import urllib.request, sys\\n"
    "for url in sys.argv[1:]:\\n"
    "    try: print(urllib.request.urlopen(url, timeout=5).status)\\n"
    "    except OSError as error: print(type(error).__name__)\\n")
done = subprocess.run([sys.executable, "-I", "-S", "-c", code, "http://shop/", "http://shop.default:80/x?y=1",
                       "http://localhost:8090/", "http://nobody/"], capture_output=True, text=True)
result = done.stdout.split() or done.stderr
""") == ["200", "200", "200", "RemoteDisconnected" if shim else "URLError"]


def test_the_door_lets_in_nobody_without_a_credential(run: Run, ranges: Ranges) -> None:
    with socket.create_connection((ranges.door, DOOR), timeout=5) as asked:
        asked.sendall(b"CONNECT shop:80 HTTP/1.1\r\nProxy-Authorization: Basic YTpi\r\n\r\n")
        assert asked.recv(99).startswith(b"HTTP/1.1 407")
    with socket.create_connection((ranges.door, DOOR), timeout=5) as asked:
        asked.sendall(b"labs a b resolve shop\n")
        assert asked.recv(99) == b"stranger\n"


# --- programs of this machine -------------------------------------------------------------------------------------


def test_programs_of_this_machine_reach_services(shop: None, kubectl: Kubectl, ranges: Ranges) -> None:
    address = kubectl("get", "service", "shop", "-o", "jsonpath={.spec.clusterIP}").stdout
    with urllib.request.urlopen(f"http://{ranges.end(address)}:30080/", timeout=5) as answer:
        assert json.load(answer)["from"] == "127.0.0.1"
    number = kubectl("get", "service", "door", "-o", "jsonpath={.spec.ports[0].nodePort}").stdout
    with urllib.request.urlopen(f"http://127.0.0.1:{number}/", timeout=5) as answer:
        assert json.load(answer)["pod"].startswith("shop-")


def test_who_routes_to_services_is_told_where_they_listen(shop: None, kubectl: Kubectl, ranges: Ranges) -> None:
    listed: list[dict[str, Any]] = []

    def told() -> bool:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(5)
            asked.connect(str(state.short_path("egress.sock")))
            asked.sendall(b"GET /endpoints/default/shop HTTP/1.1\r\n\r\n")
            answer = http.client.HTTPResponse(asked)
            answer.begin()
            listed[:] = json.loads(answer.read())
        return len(listed) == 2

    # on a busy machine a probe may come too late, and an endpoint be out for a second
    waiting.until(told, "both endpoints", WITHIN)
    for each in listed:
        assert each["end"] == ranges.end(each["address"])
        with urllib.request.urlopen(f"http://{each['end']}:{each['endPort']}/", timeout=5) as answer:
            assert json.load(answer)["pod"].startswith("shop-")


def ask(home: Path, name: str, kind: str, tcp: bool = False) -> dnslib.DNSRecord:
    """What the cluster's DNS answers."""
    port = json.loads((home / "kubernetes/network.json").read_text())["dns"]
    return dnslib.DNSRecord.parse(dnslib.DNSRecord.question(name, kind).send("127.0.0.1", port, tcp=tcp, timeout=5))


def test_names_are_answered_as_the_specification_says(shop: None, kubectl: Kubectl, cluster_home: Path) -> None:
    def data(name: str, kind: str, tcp: bool = False) -> list[str]:
        return sorted(str(each.rdata) for each in ask(cluster_home, name, kind, tcp).rr)

    address = kubectl("get", "service", "shop", "-o", "jsonpath={.spec.clusterIP}").stdout
    pods = sorted(kubectl("get", "pods", "-l", "app=shop", "-o", "jsonpath={.items[*].status.podIP}").stdout.split())
    root = "default.svc.cluster.local"
    for tcp in (False, True):
        assert data(f"shop.{root}", "A", tcp) == [address]
        assert data(f"crew.{root}", "A", tcp) == pods
    assert data(f"shop-a.crew.{root}", "A")[0] in pods
    assert data(f"_a._tcp.door.{root}", "SRV") == [f"0 100 8000 door.{root}."]
    assert data(f"elsewhere.{root}", "A") == sorted([f"shop.{root}.", address])
    assert data(".".join(reversed(address.split("."))) + ".in-addr.arpa", "PTR") == [f"shop.{root}."]
    assert ask(cluster_home, f"nobody.{root}", "A").header.rcode == dnslib.RCODE.NXDOMAIN
    assert data("kubernetes.default.svc.cluster.local", "A")[0].endswith(".0.1")


# --- policies -----------------------------------------------------------------------------------------------------


def policy(name: str, selector: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name},
            "spec": {"podSelector": {"matchLabels": selector}, **spec}}


def test_a_policy_decides_who_is_let_in(run: Run, kubectl: Kubectl) -> None:
    apply(kubectl, server("vault", 80), service("vault", {"app": "vault"}), policy(
        "vault", {"app": "vault"}, policyTypes=["Ingress"],
        ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "agent"}}}], "ports": [{"port": "web"}]}]))
    wait_ready(kubectl, "vault")
    waiting.until(lambda: run("result = get('vault')") != "ConnectionRefusedError", "an endpoint", WITHIN)
    assert run("result = get('vault')")["pod"] == "vault"
    waiting.until(lambda: run("result = get('vault', 80, 1)", "agent-b") == "TimeoutError",
                  "no answer, as with a real network plug-in", WITHIN)
    address = kubectl("get", "pod", "vault", "-o", "jsonpath={.status.podIP}").stdout
    assert run(f"result = get('{address}', 80, 1)", "agent-b") == "TimeoutError"
    through_proxy = """
import os, subprocess
code = "import urllib.request; urllib.request.urlopen('http://vault/', timeout=1)"
result = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True).stderr[-40:]
"""
    assert "timed out" in run(through_proxy, "agent-b"), "silence from the proxy, too"
    kubectl("delete", "networkpolicy", "vault")
    waiting.until(lambda: run("result = get('vault', 80, 1)", "agent-b") != "TimeoutError", "an answer", WITHIN)


def test_a_program_that_evades_the_shim_reaches_no_pod(
        run: Run, kubectl: Kubectl, ranges: Ranges, shim: bool) -> None:
    from labs import jail

    if shim and "ports" not in jail.promises().kept:
        pytest.skip("without Landlock 4 nothing keeps a container from a port")
    end = ranges.end(kubectl("get", "pod", "agent", "-o", "jsonpath={.status.podIP}").stdout)
    code = f"""
import subprocess
code = "import socket; socket.create_connection(('{end}', 8090), timeout=3)"
result = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True).stderr[-40:]
"""
    if shim:
        assert "Permission denied" in run(code, "agent-b"), "though its own pod listens on that very port"
        return
    apply(kubectl, policy("closed", {"app": "agent"}, policyTypes=["Ingress"], ingress=[]))
    waiting.until(lambda: "timed out" in run(code, "agent-b"), "no answer", WITHIN)
    kubectl("delete", "networkpolicy", "closed")


DATAGRAMS = """
import socket, threading
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
made.bind(("", 3000))
def echo():
    while True:
        data, peer = made.recvfrom(99)
        made.sendto(peer[0].encode(), peer)
threading.Thread(target=echo, daemon=True).start()
"""


def test_datagrams_reach_pods_and_services_that_policies_allow(run: Run, kubectl: Kubectl, shim: bool) -> None:
    if shim:
        pytest.skip("UDP needs seccomp notification")
    apply(kubectl, server("echo", 8090, code=DATAGRAMS),
          service("echo", {"app": "echo"}, {"port": 53, "targetPort": 3000, "protocol": "UDP"}))
    wait_ready(kubectl, "echo")
    own, there = (kubectl("get", "pod", name, "-o", "jsonpath={.status.podIP}").stdout for name in ("agent", "echo"))
    service_address = kubectl("get", "service", "echo", "-o", "jsonpath={.spec.clusterIP}").stdout
    code = """
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
made.settimeout(1)
try:
    made.sendto(b"hello", ({!r}, {}))
    data, peer = made.recvfrom(99)
    result = [data.decode(), peer[0], peer[1]]
except OSError as error:
    result = type(error).__name__
"""
    assert run(code.format(there, 3000)) == [own, there, 3000]
    waiting.until(lambda: run(code.format("echo", 53)) == [own, service_address, 53], "an endpoint", WITHIN)
    apply(kubectl, policy("echo", {"app": "echo"}, policyTypes=["Ingress"], ingress=[
        {"from": [{"podSelector": {"matchLabels": {"app": "other"}}}], "ports": [{"port": 3000, "protocol": "UDP"}]}]))
    waiting.until(lambda: run(code.format("echo", 53)) == "TimeoutError", "silence", WITHIN)
    assert run(code.format("echo", 53), "agent-b")[1:] == [service_address, 53]
    kubectl("delete", "networkpolicy", "echo")


def test_a_pod_that_may_send_nothing_knows_no_names(shop: None, run: Run, kubectl: Kubectl) -> None:
    apply(kubectl, policy("quiet", {"app": "other"}, policyTypes=["Egress"], egress=[
        {"to": [{"podSelector": {"matchLabels": {"app": "shop"}}}], "ports": [{"port": 80}]}]))
    address = kubectl("get", "service", "shop", "-o", "jsonpath={.spec.clusterIP}").stdout
    waiting.until(lambda: "Temporary failure" in run("socket.getaddrinfo('shop', 80)", "agent-b"), "no names", WITHIN)
    assert run(f"result = get('{address}')", "agent-b")["pod"].startswith("shop-"), "the Service's pods are allowed"
    apply(kubectl, policy("names", {"app": "other"}, policyTypes=["Egress"], egress=[{
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
        "ports": [{"port": 53, "protocol": "UDP"}]}]))
    waiting.until(lambda: isinstance(run("result = get('shop')", "agent-b"), dict), "names again", WITHIN)
    kubectl("delete", "networkpolicy", "quiet", "names")
