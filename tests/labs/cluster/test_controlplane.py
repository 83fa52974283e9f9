"""The embedded control plane: certificates, and real etcd, API server, controller manager and scheduler."""

from __future__ import annotations

import functools
import http.client
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from labs.cluster.controlplane import flags, pki, services
from labs.cluster.controlplane.flags import Place
from labs.errors import PermanentError
from labs.services import control, launch
from labs.services import state as places
from labs.services.catalog import Context
from labs.toolbox import programs
from tests.labs.cluster import waiting

WITHIN = 60.0
"""Seconds anything here may take."""
until = functools.partial(waiting.until, within=WITHIN)
COMPONENTS = ("etcd", "kubernetes", "kube-controller-manager", "kube-scheduler", "nodes")

Kubectl = Callable[..., subprocess.CompletedProcess[str]]

DEPLOYMENT = json.dumps({
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"},
    "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "shop"}},
             "template": {"metadata": {"labels": {"app": "shop"}},
                          "spec": {"containers": [{"name": "shop", "image": "shop:1"}]}}}})


def rows() -> dict[str, control.Status]:
    return {row.name: row for row in control.status() if row.name in COMPONENTS}


def ask(home: Path, path: str, identity: str = "", headers: dict[str, str] | None = None) -> tuple[int, dict]:
    """GET from the API server as the bearer of a certificate, or as nobody."""
    folder = home / "kubernetes" / "pki"
    trust = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    if identity:
        trust.load_cert_chain(folder / f"{identity}.crt", folder / f"{identity}.key")
    port = int(places.endpoint("kubernetes").rsplit(":", 1)[1])
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=trust)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


# --- certificates ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pki.ensure(tmp_path_factory.mktemp("made") / "pki")


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


@pytest.mark.parametrize("identity", pki.IDENTITIES, ids=lambda identity: identity.name)
def test_a_certificate_is_signed_by_its_authority_for_its_purposes(made: Path, identity: pki.Identity) -> None:
    found = certificate(made / f"{identity.name}.crt")
    found.verify_directly_issued_by(certificate(made / f"{identity.authority}.crt"))
    names = {attribute.oid: attribute.value for attribute in found.subject}
    assert names[NameOID.COMMON_NAME] == identity.common_name
    assert names.get(NameOID.ORGANIZATION_NAME, "") == identity.organization
    purposes = set(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert (ExtendedKeyUsageOID.CLIENT_AUTH in purposes) is identity.client
    assert (ExtendedKeyUsageOID.SERVER_AUTH in purposes) is bool(identity.serves)
    key = load_pem_private_key((made / f"{identity.name}.key").read_bytes(), None)
    assert key.public_key() == found.public_key()


def test_keys_are_their_owners_alone(made: Path) -> None:
    keys = sorted(made.glob("*.key"))
    assert len(keys) == len(pki.IDENTITIES) + 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def test_certificates_are_made_once_and_all_or_none(tmp_path: Path) -> None:
    (tmp_path / "pki.new").mkdir()
    (tmp_path / "pki.new" / "ca.crt").write_text("half of")       # what a kill leaves
    folder = pki.ensure(tmp_path / "pki")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert before["ca.crt"].startswith(b"-----BEGIN CERTIFICATE")
    pki.ensure(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not (tmp_path / "pki.new").exists()


def test_an_older_folder_gets_the_certificates_it_lacks(tmp_path: Path) -> None:
    folder = pki.ensure(tmp_path / "pki")
    kept = (folder / "admin.crt").read_bytes()
    (folder / "nodes.crt").unlink()         # a kill between the two leaves the key
    pki.ensure(folder)
    found = certificate(folder / "nodes.crt")
    found.verify_directly_issued_by(certificate(folder / "ca.crt"))
    assert load_pem_private_key((folder / "nodes.key").read_bytes(), None).public_key() == found.public_key()
    assert (folder / "admin.crt").read_bytes() == kept
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("pki.")] == ["pki.lock"]


# --- the running control plane --------------------------------------------------------------------------------


def test_kubectl_meets_the_pinned_version(kubectl: Kubectl) -> None:
    said = json.loads(kubectl("version", "-o", "json").stdout)
    found = {name: programs.find(programs.tool(name)) for name in ("kubectl", "kube-apiserver")}
    assert said["clientVersion"]["gitVersion"] == f"v{found['kubectl'].version}"
    assert said["serverVersion"]["gitVersion"] == f"v{found['kube-apiserver'].version}"


def test_a_deployment_becomes_pods_that_wait_for_a_node(kubectl: Kubectl) -> None:
    kubectl("create", "namespace", "first")
    kubectl("apply", "-n", "first", "-f", "-", stdin=DEPLOYMENT)

    def waiting() -> int:
        said = kubectl("get", "pods", "-n", "first", "-o",
                       "jsonpath={.items[*].status.conditions[?(@.type=='PodScheduled')].message}").stdout
        return said.count("no nodes available to schedule pods")

    until(lambda: waiting() == 2, "the scheduler's word on both pods")
    kubectl("delete", "namespace", "first", "--timeout=30s")


def test_everything_listens_on_loopback_only(cluster_home: Path) -> None:
    pids = set(launch.find(str(cluster_home)))
    inodes = {os.readlink(link)[8:-1] for pid in pids for link in Path(f"/proc/{pid}/fd").iterdir()
              if os.path.islink(link) and os.readlink(link).startswith("socket:[")}
    listening = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text()
                 .splitlines()[1:]]
    addresses = {row[1].split(":")[0] for row in listening if row[3] == "0A" and row[9] in inodes}
    assert "0100007F" in addresses, "127.0.0.1 in the kernel's notation"
    assert all(address.endswith("7F") for address in addresses), "all of 127.0.0.0/8 is loopback"
    assert stat.S_IMODE(places.short_path("etcd.sock").stat().st_mode) & 0o077 == 0
    named = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    assert not [row[7] for row in named if row[6] in inodes and len(row) > 7 and row[7].startswith("@")], \
        "an abstract socket has no permissions"


def test_only_the_front_proxy_may_speak_for_others(cluster_home: Path) -> None:
    claim = {"X-Remote-User": "eve", "X-Remote-Group": "system:masters"}
    secrets = "/api/v1/secrets"
    assert ask(cluster_home, secrets, headers=claim)[0] == 403, "a header makes nobody an administrator"
    assert "system:kube-scheduler" in ask(cluster_home, secrets, "scheduler", claim)[1]["message"]
    assert ask(cluster_home, secrets, "front-proxy-client", claim)[0] == 200
    assert ask(cluster_home, secrets, "front-proxy-client")[0] in (401, 403), "it has no rights of its own"


def test_a_service_account_token_is_who_it_says_and_may_do_nothing_yet(cluster_home: Path, kubectl: Kubectl) -> None:
    token = kubectl("create", "token", "default", "--duration=10m").stdout.strip()
    status, answer = ask(cluster_home, "/api/v1/pods", headers={"Authorization": f"Bearer {token}"})
    assert status == 403
    assert 'User "system:serviceaccount:default:default" cannot list resource "pods"' in answer["message"]
    forged = token[:-8] + ("A" * 8)
    assert ask(cluster_home, "/api/v1/pods", headers={"Authorization": f"Bearer {forged}"})[0] == 401


def test_the_audit_log_tells_who_did_what_and_no_secret(cluster_home: Path, kubectl: Kubectl) -> None:
    kubectl("create", "secret", "generic", "audited", "--from-literal=password=correct-horse-battery")
    kubectl("create", "deployment", "audited", "--image=shop:7")
    log = cluster_home / "kubernetes" / "audit.log"

    def events() -> dict[str, dict]:
        found = (json.loads(line) for line in log.read_text().splitlines())
        return {event["objectRef"]["resource"]: event for event in found
                if event.get("objectRef", {}).get("name") == "audited" and event["verb"] == "create"}

    until(lambda: {"secrets", "deployments"} <= set(events()), "both are in the audit log")
    assert {event["user"]["username"] for event in events().values()} == {"kubernetes-admin"}
    assert "shop:7" in json.dumps(events()["deployments"]["requestObject"])
    text = log.read_text()
    assert "correct-horse-battery" not in text
    assert "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5" not in text, "nor in base64"
    kubectl("delete", "secret/audited", "deployment/audited")


def test_up_again_leaves_everything_alone(cluster_home: Path) -> None:
    before = {name: row.pid for name, row in rows().items()}
    control.up(["kubernetes"])
    assert {name: row.pid for name, row in rows().items()} == before


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_killed_component_comes_back_and_nothing_is_lost(name: str, kubectl: Kubectl) -> None:
    kubectl("create", "configmap", f"before-{name}")
    pid = rows()[name].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: rows()[name].pid not in (None, pid), f"{name} is another process")
    control.up(["kubernetes"])          # returns when all are ready again
    kubectl("get", "configmap", f"before-{name}")
    kubectl("create", "deployment", f"after-{name}", "--image=shop:1")
    until(lambda: "no nodes" in kubectl(
        "get", "pods", "-l", f"app=after-{name}", "-o", "jsonpath={.items[*].status.conditions[*].message}").stdout,
        "a controller made the pod, and the scheduler looked at it")


def test_a_killed_supervisor_brings_all_four_back_at_once(cluster_home: Path, kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "before-supervisor")
    before = {name: row.pid for name, row in rows().items()}
    os.kill(int((cluster_home / "supervisor.pid").read_text()), signal.SIGKILL)
    until(lambda: not set(launch.find(str(cluster_home))) & set(before.values()), "its services ended with it")
    until(lambda: {row.state for row in rows().values()} == {"running"}, "all run again")     # status repairs
    control.up(["kubernetes"])
    assert not set(before.values()) & {row.pid for row in rows().values()}
    kubectl("get", "configmap", "before-supervisor")


@pytest.mark.parametrize("moment", ["etcd: ready", "kubernetes: starting", "kubernetes: ready"])
def test_a_start_killed_in_the_middle_is_taken_up_again(cluster_home: Path, kubectl: Kubectl, moment: str) -> None:
    control.down(["kubernetes"])
    with subprocess.Popen([sys.executable, "-m", "labs.cli", "up", "kubernetes"], stderr=subprocess.PIPE, text=True,
                          stdout=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        assert any(line.startswith(moment) for line in process.stderr)
        process.kill()
    control.up(["kubernetes"])
    assert {row.state for row in rows().values()} == {"running"}
    kubectl("get", "namespaces")


def test_down_stops_all_four_and_up_has_everything_again(cluster_home: Path, kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "kept")
    port = int(places.endpoint("kubernetes").rsplit(":", 1)[1])
    assert set(control.down(["kubernetes"])) == set(COMPONENTS)
    assert launch.find(str(cluster_home)) == []
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        control.up(["kubernetes"])
        assert not places.endpoint("kubernetes").endswith(f":{port}")
        kubectl("get", "configmap", "kept")         # the kubeconfig followed
        kubectl("create", "deployment", "moved", "--image=shop:1")
        until(lambda: "no nodes" in kubectl(
            "get", "pods", "-l", "app=moved", "-o", "jsonpath={.items[*].status.conditions[*].message}").stdout,
            "the controller manager and the scheduler found the new port")


def test_reset_is_an_empty_cluster_again_and_says_what_went(cluster_home: Path, kubectl: Kubectl) -> None:
    from labs.cli.reset import reset
    from labs.cluster.controlplane.reset import objects

    kubectl("create", "namespace", "mine")
    kubectl("create", "deployment", "shop", "-n", "mine", "--image=shop:1")
    kubectl("create", "clusterrole", "reader", "--verb=get", "--resource=pods")
    kubectl("wait", "-n", "mine", "deployment/shop", "--for=jsonpath={.status.replicas}=1", "--timeout=30s")
    access = (cluster_home / "kubeconfig").read_bytes()
    said = reset("kubernetes")
    for name in ("namespaces mine", "deployments mine/shop", "clusterroles reader"):
        assert f"  removed {name}" in said
    assert not [line for line in said if "kube-system" in line], "the cluster's own are there again"
    assert not [line for line in said if "removed pods" in line], "what was owned is not told"
    own = {"service/kubernetes", "service/kube-dns", "service/metrics-server"}
    until(lambda: set(kubectl("get", "all", "-A", "-o", "name").stdout.split()) == own,
          "the cluster's own, and nothing else")
    assert (cluster_home / "kubeconfig").read_bytes() == access
    assert reset("kubernetes") == ["kubernetes: back to its start"], "nothing is left that could be removed"
    control.down(["kubernetes"])
    assert reset("kubernetes") == ["kubernetes: its data is gone; it starts empty"]
    control.up(["kubernetes"])
    assert "clusterroles system:kube-scheduler" in objects()


def test_tokens_can_be_checked_where_the_server_says(cluster_home: Path) -> None:
    status, said = ask(cluster_home, "/.well-known/openid-configuration", "admin")
    assert status == 200
    note = json.loads((cluster_home / "issuers" / "kubernetes.json").read_text())
    assert note["issuer"] == said["issuer"]
    assert note["location"] == places.endpoint("kubernetes"), "the name is an EKS cluster's; a note says where it is"
    status, keys = ask(cluster_home, said["jwks_uri"].removeprefix(said["issuer"]), "admin")
    assert (status, keys["keys"][0]["alg"]) == (200, "RS256")
    assert said["id_token_signing_alg_values_supported"] == ["RS256"]


# --- several clusters on one machine --------------------------------------------------------------------------


def test_a_second_cluster_has_addresses_of_its_own(tmp_path: Path) -> None:
    first, second = (Place(tmp_path, tmp_path / "etcd.sock", number) for number in (0, 1))
    assert "--cluster-cidr=10.244.0.0/16" in flags.controller_manager(first, 1)
    assert "--cluster-cidr=10.245.0.0/16" in flags.controller_manager(second, 1)
    assert "--service-cluster-ip-range=10.97.0.0/16" in flags.controller_manager(second, 1)
    assert "--service-cluster-ip-range=10.97.0.0/16" in flags.api_server(second, 1, tmp_path / "egress.sock")


def test_the_number_of_a_cluster_is_said_to_its_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LABS_HOME", str(tmp_path))
    monkeypatch.setenv("LABS_KUBERNETES_NUMBER", "3")
    command = services.ETCD.command(Context("etcd", tmp_path))
    assert command[command.index("--number") + 1] == "3"
    monkeypatch.setenv("LABS_KUBERNETES_NUMBER", "11")
    with pytest.raises(PermanentError, match="from 0 to 10"):
        services.ETCD.command(Context("etcd", tmp_path))
