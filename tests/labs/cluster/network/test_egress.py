"""The API server reaches pods and Services: proxy paths, aggregated APIs, admission webhooks."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import pytest

from labs.cluster.network import egress, forward
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

NODES = 2
WITHIN = 30.0

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
serve(8444)
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
    apply(kubectl, pod("tea", AGGREGATED, {"api": 8444}, {"app": "tea"}, 8444, {"CERTIFICATE": pair}),
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
    from labs.services import state

    assert state.short_path("egress.sock").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("text", "wanted"), [
    (b"CONNECT 10.244.1.2:80 HTTP/1.1", ("10.244.1.2", 80)), (b"CONNECT [::1]:80 HTTP/1.1", ("::1", 80)),
    (b"GET / HTTP/1.1", None), (b"CONNECT 10.244.1.2 HTTP/1.1", None), (b"CONNECT :80 HTTP/1.1", None),
    (b"CONNECT a:70000 HTTP/1.1", None), (b"\xff\xfe", None)])
def test_only_a_whole_connect_request_names_a_target(text: bytes, wanted: tuple[str, int] | None) -> None:
    if wanted is None:
        with pytest.raises(ValueError, match=r"CONNECT|HOST:PORT"):
            egress.target(text)
    else:
        assert egress.target(text) == wanted


def test_what_is_sent_early_arrives_and_each_side_may_finish_first(tmp_path: Path) -> None:
    async def talk() -> bytes:
        async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.read()).upper())     # answers after the caller's end of file only
            writer.close()

        far = await asyncio.start_server(upper, "127.0.0.1", 0)
        port = far.sockets[0].getsockname()[1]
        task = asyncio.create_task(egress.serve(tmp_path / "s", forward.connect))
        while not (tmp_path / "s").exists():
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\nearly " % port)
        writer.write(b"x" * 200_000)
        writer.write_eof()
        said = await reader.read()
        writer.close()
        far.close()
        task.cancel()
        return said

    head, _, body = asyncio.run(asyncio.wait_for(talk(), 10)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b"EARLY " + b"X" * 200_000
