"""A real Traefik in front of a real cluster: routes, certificates, endpoints that come and go, policies, kills."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import labs
from labs.cluster.ingress import manifests
from labs.cluster.ingress.flags import Listeners
from labs.cluster.network import ends
from labs.cluster.network.addresses import Ranges
from labs.services import control, state
from labs.shop.package import config_map
from tests.browser import chromium, needs_chromium
from tests.labs.cluster import waiting
from tests.labs.cluster.network.pods import SERVER, Kubectl, apply, certificate, server, service, wait_ready
from tests.labs.cluster.test_shop_manifests import built, objects
from tests.programs import INGRESS, need

pytestmark = pytest.mark.timeout(240)
NODES = 2
WITHIN = 60.0
Object = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came back through the ingress; ``pod`` is who answered, "" for Traefik itself."""

    status: int
    pod: str = ""


@pytest.fixture(scope="module")
def ingress(cluster_home: Path) -> Listeners:
    """Traefik runs."""
    need(*INGRESS)
    control.up(["ingress"])
    return Listeners.read(cluster_home)


@pytest.fixture(scope="module")
def pods(ingress: Listeners, kubectl: Kubectl) -> None:
    """Two pods behind a Service each."""
    for name in ("web", "api"):
        apply(kubectl, server(name), service(name, {"app": name}))
    wait_ready(kubectl, "web", "api")


def status(port: int, host: str, path: str = "/") -> int:
    """The status of one request, whoever answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()


def get(port: int, host: str, path: str = "/") -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": host})
        said = connection.getresponse()
        body = said.read()
        return Answer(said.status, json.loads(body)["pod"] if said.status == 200 else "")
    finally:
        connection.close()


def until(port: int, host: str, wanted: Answer, path: str = "/") -> None:
    """Until that is the answer."""
    last: list[Answer] = []

    def same() -> bool:
        last[:] = [get(port, host, path)]
        return last[0] == wanted

    try:
        waiting.until(same, "", WITHIN)
    except AssertionError:
        raise AssertionError(f"http://{host}{path} answers {last}, not {wanted}") from None


def rules(name: str, host: str, *paths: tuple[str, str, str], class_name: str = "traefik", **spec: Any) -> Object:
    """An Ingress; each path is (path type, path, Service)."""
    listed = [{"path": path, "pathType": kind, "backend": {"service": {"name": target, "port": {"number": 80}}}}
              for kind, path, target in paths or (("Prefix", "/", "web"),)]
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name},
            "spec": {**({"ingressClassName": class_name} if class_name else {}),
                     "rules": [{"host": host, "http": {"paths": listed}}], **spec}}


def test_hosts_and_paths_choose_the_service(pods: None, ingress: Listeners, kubectl: Kubectl) -> None:
    apply(kubectl, rules("paths", "paths.test", ("Prefix", "/", "web"), ("Prefix", "/api", "api"),
                         ("Exact", "/exactly", "api")))
    until(ingress.http, "paths.test", Answer(200, "web"))
    for path, pod in {"/api": "api", "/api/": "api", "/api/a?b=c": "api", "/apis": "web", "/exactly": "api",
                      "/exactly/": "web", "/exactly/a": "web", "/other": "web"}.items():
        assert get(ingress.http, "paths.test", path) == Answer(200, pod), path
    assert get(ingress.http, "nowhere.test") == Answer(404)


def test_an_ingress_of_another_class_is_nobodys_and_one_without_gets_the_default(
    pods: None, ingress: Listeners, kubectl: Kubectl
) -> None:
    apply(kubectl, rules("other", "other.test", class_name="nginx"))
    apply(kubectl, rules("none", "none.test", class_name=""))
    until(ingress.http, "none.test", Answer(200, "web"))        # made later, so the first has been seen
    assert get(ingress.http, "other.test") == Answer(404)
    assert kubectl("get", "ingress", "none", "-o", "jsonpath={.spec.ingressClassName}").stdout == "traefik"


def test_the_status_tells_where_it_listens(pods: None, ingress: Listeners, kubectl: Kubectl) -> None:
    apply(kubectl, rules("told", "told.test"))
    waiting.until(lambda: kubectl("get", "ingress", "told", "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}"
                                  ).stdout == "127.0.0.1", "an address in the Ingress's status", WITHIN)


def test_the_secret_of_the_asked_name_is_shown(pods: None, ingress: Listeners, kubectl: Kubectl) -> None:
    made = {}
    for name in ("one", "two"):
        made[name] = secret(kubectl, name, f"{name}.test")
        apply(kubectl, rules(name, f"{name}.test", tls=[{"hosts": [f"{name}.test"], "secretName": name}]))
        until(ingress.http, f"{name}.test", Answer(200, "web"))
    for name, served in made.items():
        assert shown(ingress.https, f"{name}.test") == served
        context = ssl.create_default_context(cadata=served.public_bytes(serialization.Encoding.PEM).decode())
        with socket.create_connection(("127.0.0.1", ingress.https), 10) as plain, \
                context.wrap_socket(plain, server_hostname=f"{name}.test") as secured:
            secured.sendall(f"GET / HTTP/1.1\r\nHost: {name}.test\r\nConnection: close\r\n\r\n".encode())
            assert secured.recv(99).startswith(b"HTTP/1.1 200 ")
    assert "TRAEFIK DEFAULT CERT" in shown(ingress.https, "three.test").subject.rfc4514_string()


def secret(kubectl: Kubectl, name: str, host: str, namespace: str = "default") -> x509.Certificate:
    """Make or replace a TLS Secret; the new certificate."""
    text, pair = certificate(host)
    chain, _, key = pair.partition("-----BEGIN PRIVATE KEY-----")
    apply(kubectl, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/tls",
                    "stringData": {"tls.crt": chain, "tls.key": f"-----BEGIN PRIVATE KEY-----{key}"}},
          namespace=namespace)
    return x509.load_pem_x509_certificate(text.encode())


def shown(port: int, name: str) -> x509.Certificate:
    """The certificate for a name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 10) as plain, \
            context.wrap_socket(plain, server_hostname=name) as made:
        found = made.getpeercert(binary_form=True)
    assert found is not None
    return x509.load_der_x509_certificate(found)


UNREADY = """
def answered(request, body):
    global ready
    if request.command == "POST":
        ready = False
    if request.path == "/ready" and not ready:
        request.path = "gone"
        raise ConnectionAbortedError
    return json.dumps({"pod": os.environ["HOSTNAME"], "path": request.path, "from": request.client_address[0]})
ready = True
"""


def test_an_unready_pod_leaves_the_route(ingress: Listeners, kubectl: Kubectl) -> None:
    probe = {"httpGet": {"port": 80, "path": "/ready"}, "periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 5}
    for name in ("left", "stays"):
        made = server(name, 80, {"app": "pair"}, code=UNREADY)
        made["spec"]["containers"][0]["readinessProbe"] = probe
        apply(kubectl, made)
    apply(kubectl, service("pair", {"app": "pair"}), rules("pair", "pair.test", ("Prefix", "/", "pair")))
    wait_ready(kubectl, "left", "stays")
    waiting.until(lambda: {get(ingress.http, "pair.test").pod for _ in range(8)} == {"left", "stays"}, "both", WITHIN)
    for name, wanted in {"left": {Answer(200, "stays")}, "stays": {Answer(503)}}.items():
        kubectl("exec", name, "--", "python3", "-c", "import urllib.request as u; "
                "u.urlopen(u.Request('http://127.0.0.1/', b'x'))")
        waiting.until(lambda wanted=wanted: {get(ingress.http, "pair.test") for _ in range(8)} == wanted,
                      f"only {wanted}", WITHIN)


def test_what_a_policy_keeps_from_the_ingress_times_out(pods: None, ingress: Listeners, kubectl: Kubectl) -> None:
    apply(kubectl, server("closed"), service("closed", {"app": "closed"}),
          rules("closed", "closed.test", ("Prefix", "/", "closed")))
    wait_ready(kubectl, "closed")
    until(ingress.http, "closed.test", Answer(200, "closed"))
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "closed"},
              "spec": {"podSelector": {"matchLabels": {"app": "closed"}}, "policyTypes": ["Ingress"]}}
    apply(kubectl, policy)
    until(ingress.http, "closed.test", Answer(504))
    policy["spec"] = {**policy["spec"], "ingress": [{"from": [{         # type: ignore[dict-item]
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "traefik"}}}]}]}
    apply(kubectl, policy)
    until(ingress.http, "closed.test", Answer(200, "closed"))
    assert get(ingress.http, "paths.test").status in (200, 404), "others are as they were"
    kubectl("label", "pod", "closed", "app=renamed", "--overwrite")     # of no Service, so no endpoint is left
    until(ingress.http, "closed.test", Answer(503))
    kubectl("delete", "networkpolicy", "closed")


def test_the_shops_policies_let_it_to_the_frontend_only(ingress: Listeners, kubectl: Kubectl) -> None:
    kubectl("create", "namespace", "shop")
    network = Path(labs.__file__).parent / "shop" / "deploy" / "base" / "network.yaml"
    kubectl("apply", "--validate=false", "-n", "shop", "-f", str(network))
    for name in ("frontend", "backend"):
        made = server(name, labels={"app.kubernetes.io/name": name})
        made["spec"]["containers"][0]["ports"][0]["name"] = "http"
        ports = {"port": 80, "targetPort": "http"}
        apply(kubectl, made, service(name, {"app.kubernetes.io/name": name}, ports),
              rules(name, f"{name}.test", ("Prefix", "/", name)), namespace="shop")
    wait_ready(kubectl, "frontend", "backend", namespace="shop")
    until(ingress.http, "frontend.test", Answer(200, "frontend"))
    until(ingress.http, "backend.test", Answer(504))


def test_who_asks_for_ends_gets_no_more_than_the_api_server_gives(
    pods: None, ranges: Ranges, kubectl: Kubectl, cluster_home: Path
) -> None:
    token = (cluster_home / "kubernetes" / "ingress.token").read_text()
    assert (cluster_home / "kubernetes" / "ingress.token").stat().st_mode & 0o077 == 0

    def ask(path: str, credential: str) -> tuple[int, Object]:
        wanted = urllib.request.Request(f"http://{ranges.door}:{ends.PORT}{path}",
                                        headers={"Authorization": f"Bearer {credential}"} if credential else {})
        try:
            with urllib.request.urlopen(wanted, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    assert ask(slices, "")[0] == 403
    assert ask(slices, "wrong")[0] == 401
    assert ask("/api/v1/pods", token)[0] == 403
    said = ask(f"{slices}?labelSelector=kubernetes.io/service-name=web", token)[1]
    address = kubectl("get", "pod", "web", "-o", "jsonpath={.status.podIP}").stdout
    assert [each["addresses"] for item in said["items"] for each in item["endpoints"]] == [[ranges.end(address)]]
    version = int(kubectl("get", "service", "web", "-o", "jsonpath={.metadata.resourceVersion}").stdout)
    assert int(ask("/api/v1/namespaces/default/services/web", token)[1]["metadata"]["resourceVersion"]) == version


# --- kills --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ingress", "nodes", "kubernetes"])
def test_after_a_kill_it_routes_as_before_and_sees_what_changes(
    name: str, pods: None, ingress: Listeners, kubectl: Kubectl, cluster_home: Path
) -> None:
    apply(kubectl, rules("kept", "kept.test"))
    until(ingress.http, "kept.test", Answer(200, "web"))
    row = next(row for row in control.status() if row.name == name)
    assert row.pid is not None
    os.kill(row.pid, signal.SIGKILL)
    waiting.until(lambda: next(each for each in control.status() if each.name == name).pid not in (None, row.pid),
                  f"{name} is back", WITHIN)

    waiting.until(lambda: answers(ingress.http, "kept.test", "web"), "the route of before", WITHIN)
    assert Listeners.read(cluster_home) == ingress
    waiting.until(lambda: kubectl("get", "--raw", "/readyz", status=None).stdout == "ok", "the API server", WITHIN)
    apply(kubectl, rules("kept", "moved.test"))
    until(ingress.http, "moved.test", Answer(200, "web"))
    assert get(ingress.http, "kept.test") == Answer(404)


def answers(port: int, host: str, pod: str) -> bool:
    """Does that pod answer?  Nobody may listen at the moment."""
    try:
        return get(port, host) == Answer(200, pod)
    except OSError:
        return False


def test_it_comes_back_with_everything_else(
    pods: None, ingress: Listeners, kubectl: Kubectl, cluster_home: Path
) -> None:
    apply(kubectl, rules("all", "all.test"))
    until(ingress.http, "all.test", Answer(200, "web"))
    os.kill(int((cluster_home / "supervisor.pid").read_text()), signal.SIGKILL)
    waiting.until(lambda: not answers(ingress.http, "all.test", "web"), "the kernel ends what it kept", WITHIN)
    assert control.keep()
    waiting.until(lambda: answers(ingress.http, "all.test", "web"), "the route of before", WITHIN)
    assert Listeners.read(cluster_home) == ingress


def test_it_stops_and_starts_where_it_was(pods: None, ingress: Listeners, kubectl: Kubectl, cluster_home: Path) -> None:
    apply(kubectl, rules("again", "again.test"))
    assert control.down(["ingress"]) == ["ingress"]
    with pytest.raises(ConnectionRefusedError):
        get(ingress.http, "again.test")
    (context,) = [each for each in control.up(["ingress"]) if each.name == "ingress"]
    assert context.endpoint == f"http://127.0.0.1:{ingress.http}"
    assert get(ingress.http, "again.test") == Answer(200, "web"), "ready means that there are routes"
    assert Listeners.read(cluster_home) == ingress


def test_it_serves_the_gateway_api_where_the_cluster_has_that(
    pods: None, ingress: Listeners, kubectl: Kubectl
) -> None:
    apply(kubectl, rules("beside", "beside.test"))
    folder = Path(manifests.__file__).with_name("crds")
    kubectl("apply", "--server-side", "--validate=false", "-f", str(folder))
    kubectl("wait", "--for=condition=Established", "--timeout=30s",
            *(f"crd/{path.stem.partition('_')[2]}.{manifests.GATEWAY}" for path in folder.glob("*.yaml")))
    control.down(["ingress"])
    control.up(["ingress"])
    api = f"{manifests.GATEWAY}/v1"
    backends = [{"name": "web", "port": 80, "weight": 0}, {"name": "api", "port": 80, "weight": 1}]
    apply(kubectl,
          {"apiVersion": api, "kind": "Gateway", "metadata": {"name": "front"}, "spec": {
              "gatewayClassName": "traefik",
              "listeners": [{"name": "web", "protocol": "HTTP", "port": ingress.http}]}},
          {"apiVersion": api, "kind": "HTTPRoute", "metadata": {"name": "weighted"}, "spec": {
              "parentRefs": [{"name": "front"}], "hostnames": ["weighted.test"],
              "rules": [{"backendRefs": backends}]}})
    until(ingress.http, "weighted.test", Answer(200, "api"))
    assert {get(ingress.http, "weighted.test").pod for _ in range(8)} == {"api"}
    assert get(ingress.http, "beside.test") == Answer(200, "web"), "Ingresses are served, too"
    kubectl("wait", "gateway/front", "--for=condition=Programmed", "--timeout=30s")
    assert kubectl("get", "gateway", "front", "-o", "jsonpath={.status.addresses[*].value}").stdout == "127.0.0.1"


# --- under load ---------------------------------------------------------------------------------------------------


def deployment(version: str) -> Object:
    """Two pods that say a version, and end some time after they are out of every route."""
    container = {
        "name": "main", "image": "host", "command": ["python3", "-u", "-c", f"{SERVER}\nserve(8080)"],
        "ports": [{"name": "web", "containerPort": 8080}], "env": [{"name": "VERSION", "value": version}],
        "readinessProbe": {"httpGet": {"port": "web"}, "periodSeconds": 1, "timeoutSeconds": 5},
        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}}}
    labels = {"app": "rolled"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "rolled"}, "spec": {
        "replicas": 2, "selector": {"matchLabels": labels},
        "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}}}


@pytest.mark.long
def test_no_request_fails_while_a_deployment_rolls(ingress: Listeners, kubectl: Kubectl) -> None:
    apply(kubectl, deployment("1"), service("rolled", {"app": "rolled"}),
          rules("rolled", "rolled.test", ("Prefix", "/", "rolled")))
    kubectl("rollout", "status", "deployment/rolled", "--timeout=50s")
    waiting.until(lambda: get(ingress.http, "rolled.test").status == 200, "a route", WITHIN)
    over = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(4) as clients:
        running = [clients.submit(load, ingress.http, "rolled.test", over) for _ in range(4)]
        try:
            for version in ("2", "3"):
                apply(kubectl, deployment(version))
                kubectl("rollout", "status", "deployment/rolled", "--timeout=55s")
        finally:
            over.set()
        seen = [answer for each in running for answer in each.result(30)]
    assert {each.status for each in seen} == {200}
    assert len({each.pod for each in seen}) >= 5, "pods of three versions answered"
    assert len(seen) > 500


def load(port: int, host: str, over: threading.Event) -> list[Answer]:
    """What one client gets that asks without end on one connection, as a browser would."""
    seen = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    while not over.is_set():
        connection.request("GET", "/", headers={"Host": host})
        said = connection.getresponse()
        body = said.read()
        seen.append(Answer(said.status, json.loads(body)["pod"] if said.status == 200 else ""))
    connection.close()
    return seen


@pytest.mark.long
def test_a_certificate_is_replaced_without_a_failed_request(
    pods: None, ingress: Listeners, kubectl: Kubectl
) -> None:
    first = secret(kubectl, "rotated", "rotated.test")
    apply(kubectl, rules("rotated", "rotated.test", tls=[{"hosts": ["rotated.test"], "secretName": "rotated"}]))
    waiting.until(lambda: shown(ingress.https, "rotated.test") == first, "the first certificate", WITHIN)
    until(ingress.http, "rotated.test", Answer(200, "web"))
    over = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(2) as clients:
        running = [clients.submit(handshakes, ingress.https, "rotated.test", over) for _ in range(2)]
        try:
            replaced = [secret(kubectl, "rotated", "rotated.test") for _ in range(3)]
            waiting.until(lambda: shown(ingress.https, "rotated.test") == replaced[-1], "the last one", WITHIN)
        finally:
            over.set()
        seen = [each for one in running for each in one.result(30)]
    assert {status for status, _ in seen} == {200}
    assert {served for _, served in seen} <= {first, *replaced}, "never Traefik's own, nor half of one"
    assert len({served for _, served in seen}) > 1


def handshakes(port: int, name: str, over: threading.Event) -> list[tuple[int, x509.Certificate]]:
    """What one client gets that begins each request with a new connection: the status, the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    seen = []
    while not over.is_set():
        with socket.create_connection(("127.0.0.1", port), 10) as plain, \
                context.wrap_socket(plain, server_hostname=name) as made:
            made.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            said = http.client.HTTPResponse(made)
            said.begin()
            shown_now = made.getpeercert(binary_form=True)
            assert shown_now is not None
            seen.append((said.status, x509.load_der_x509_certificate(shown_now)))
    return seen


@pytest.fixture(scope="module")
def shop(ingress: Listeners, kubectl: Kubectl) -> tuple[str, ...]:
    """The shop's environment dev, sold from over HTTPS as shop.test; kubectl's options for its namespace."""
    if Path(sys.prefix).is_relative_to("/tmp"):
        pytest.skip("PostgreSQL's pod mounts a volume over /tmp, where this environment's programs are")
    space = ("-n", "shop-dev")
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(objects("local/dev")["Namespace", "shop-dev"]))
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(config_map("shop-dev")))
    kubectl("apply", "--server-side", "-f", "-", stdin=built("local/dev"))
    first = secret(kubectl, "shop", "shop.test", namespace="shop-dev")
    apply(kubectl, rules("shop", "shop.test", ("Prefix", "/", "frontend"),
                         tls=[{"hosts": ["shop.test"], "secretName": "shop"}]), namespace="shop-dev")
    for name in ("statefulset/postgres", "deployment/backend", "deployment/frontend"):
        kubectl(*space, "rollout", "status", name, "--timeout=55s")
    waiting.until(lambda: shown(ingress.https, "shop.test") == first, "the shop's certificate", WITHIN)
    waiting.until(lambda: status(ingress.http, "shop.test") == 200, "the shop", WITHIN)
    return space


class Purchases:
    """What one customer bought so far, and whether it is time to leave."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.count = 0


Customer = Callable[[int, str, Purchases], None]
"""Buys at a port from a host, again and again, until told to leave."""
WHILE_IT_ROLLS = 2
"""Purchases of each customer that begin and end while the shop rolls."""


def bought_meanwhile(ingress: Listeners, kubectl: Kubectl, space: tuple[str, ...], customers: list[Customer]) -> None:
    """The shop rolls, and its certificate changes, while customers buy who have bought before; none of them fails."""
    bought = [Purchases() for _ in customers]
    with concurrent.futures.ThreadPoolExecutor(len(customers)) as threads:
        running = [threads.submit(customer, ingress.https, "shop.test", purchases)
                   for customer, purchases in zip(customers, bought, strict=True)]

        def have(wanted: list[int]) -> bool:
            for one in running:
                assert not one.done(), one.result()     # raises what made it leave
            return all(purchases.count >= least for purchases, least in zip(bought, wanted, strict=True))

        try:
            waiting.until(lambda: have([1] * len(bought)), "each has bought once", 90.0)
            wanted = [purchases.count + 1 + WHILE_IT_ROLLS for purchases in bought]      # one had begun before
            second = secret(kubectl, "shop", "shop.test", namespace="shop-dev")
            end = time.monotonic() + 180
            while not have(wanted):
                assert time.monotonic() < end, f"bought {[each.count for each in bought]} times, not {wanted}"
                kubectl(*space, "rollout", "restart", "deployment/frontend")
                kubectl(*space, "rollout", "status", "deployment/frontend", "--timeout=55s")
            waiting.until(lambda: shown(ingress.https, "shop.test") == second, "the new certificate", WITHIN)
            have(wanted)
        finally:
            for purchases in bought:
                purchases.over.set()
        for one in running:
            one.result(90)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_shop_sells_over_https_while_it_rolls_and_its_certificate_changes(
    ingress: Listeners, kubectl: Kubectl, shop: tuple[str, ...]
) -> None:
    bought_meanwhile(ingress, kubectl, shop, [shopping, shopping])


@pytest.mark.long
@pytest.mark.timeout(600)
@needs_chromium
def test_a_browser_buys_over_https_while_the_shop_rolls_and_its_certificate_changes(
    ingress: Listeners, kubectl: Kubectl, shop: tuple[str, ...]
) -> None:
    bought_meanwhile(ingress, kubectl, shop, [browsing])


def browsing(port: int, name: str, purchases: Purchases) -> None:
    """A customer with a real browser, who comes anew each time; any page that does not load is an error."""
    with chromium(f"--host-resolver-rules=MAP {name} 127.0.0.1") as browser:
        while not purchases.over.is_set():
            context = browser.new_context(ignore_https_errors=True)     # the certificate vouches for itself
            page = context.new_page()
            page.set_default_timeout(30_000)
            page.goto(f"https://{name}:{port}/")
            page.get_by_role("button", name="Put Espresso cup into the basket").click()
            page.get_by_role("button", name="Buy").click()
            page.get_by_role("heading", name="Thank you").wait_for()
            assert page.get_by_text("1 × Espresso cup").is_visible()
            purchases.count += 1
            context.close()


def shopping(port: int, name: str, purchases: Purchases) -> None:
    """One customer who buys two cups at a time, each time with connections of his own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    while not purchases.over.is_set():
        with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=context, trust_env=False, timeout=30,
                          headers={"Host": name}) as customer:
            def ask(method: str, path: str, data: dict[str, str] | None = None,
                    customer: httpx.Client = customer) -> httpx.Response:
                said = customer.request(method, path, data=data, extensions={"sni_hostname": name})
                while said.is_redirect:
                    said = customer.get(httpx.URL(said.headers["Location"]).path, extensions={"sni_hostname": name})
                assert said.status_code == 200, f"{method} {path} answers {said.status_code}: {said.text[:300]}"
                return said

            def fields(path: str) -> dict[str, str]:
                return dict(re.findall(r'name="(token|cart)" value="([^"]*)"', ask("GET", path).text))

            ask("POST", "/basket", {**fields("/"), "sku": "1001", "quantity": "2"})
            assert "2 × Espresso cup" in ask("POST", "/checkout", fields("/basket")).text
            purchases.count += 1


@pytest.mark.long
def test_a_reset_cluster_has_its_ingress_again(
    ingress: Listeners, cluster_home: Path, kubectl: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    from labs.cluster.drivers import base

    base.chosen().reset()
    assert kubectl("get", "ingress", "-o", "name").stdout == ""
    apply(kubectl, server("web"), service("web", {"app": "web"}), rules("fresh", "fresh.test"))
    wait_ready(kubectl, "web")
    until(Listeners.read(cluster_home).http, "fresh.test", Answer(200, "web"))
    assert state.endpoint("ingress") == f"http://127.0.0.1:{ingress.http}"
