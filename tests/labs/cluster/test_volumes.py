"""Persistent volumes, snapshots and the finer points of every volume, against a real control plane."""

from __future__ import annotations

import base64
import datetime
import functools
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from labs.services import control
from tests.labs.cluster import waiting
from tests.labs.cluster.test_nodes import SLEEP, Cluster, Kubectl, Pod, pod, python

NODES = 2
BACKOFF = "0.5,2"
WITHIN = 60.0
until = functools.partial(waiting.until, within=WITHIN)
MOUNT = [{"name": "data", "mountPath": "/data"}]
ONCE = {"restartPolicy": "Never"}


@pytest.fixture(scope="module")
def cluster(kubectl: Kubectl, cluster_home: Path) -> Cluster:
    return Cluster(kubectl, cluster_home)


def claim(name: str, size: str = "1Gi", **spec: Any) -> Pod:
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}}


def using(name: str, shell: str, source: Pod, **more: Any) -> Pod:
    """A pod that runs a shell command once, with one volume at /data."""
    return pod(name, ["sh", "-c", shell], {**ONCE, "volumes": [{"name": "data", **source}], **more},
               volumeMounts=MOUNT)


def claimed(name: str) -> Pod:
    return {"persistentVolumeClaim": {"claimName": name}}


def get(cluster: Cluster, *what: str) -> Any:
    done = cluster.kubectl("get", *what, "-o", "json", status=None)
    return json.loads(done.stdout) if done.returncode == 0 else None


def disk(cluster: Cluster, node: str, path: str) -> Path:
    return cluster.home / "kubernetes" / "hosts" / node / path.lstrip("/")


def said(cluster: Cluster, name: str) -> str:
    cluster.phase(name, "Succeeded")
    return cluster.logs(name)


# --- claims -------------------------------------------------------------------------------------------------------


def test_what_a_stateful_set_writes_outlives_its_pods_and_a_kill_of_the_nodes(cluster: Cluster) -> None:
    container = pod("x", ["sh", "-c", "echo $HOSTNAME >> /data/file; exec sleep 600"], volumeMounts=MOUNT)["spec"]
    cluster.apply({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": {
        "serviceName": "db", "replicas": 2, "selector": {"matchLabels": {"app": "db"}},
        "template": {"metadata": {"labels": {"app": "db"}}, "spec": {**container, "terminationGracePeriodSeconds": 0}},
        "volumeClaimTemplates": [claim("data")]}})
    first = {name: cluster.phase(name, "Running") for name in ("db-0", "db-1")}
    pid = next(row.pid for row in control.status() if row.name == "nodes")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    cluster.kubectl("delete", "pod", "db-0", "--wait=false")
    control.up(["kubernetes"])
    found = cluster.when("db-0", lambda found: found["metadata"]["uid"] != first["db-0"]["metadata"]["uid"] and
                         found["status"]["phase"] == "Running", "it is back")
    assert found["spec"]["nodeName"] == first["db-0"]["spec"]["nodeName"], "where its volume is"
    bound = get(cluster, "pvc", "data-db-0")["spec"]["volumeName"]
    kept = disk(cluster, found["spec"]["nodeName"], f"/var/local/volumes/{bound}/file")
    until(lambda: kept.read_text() == "db-0\ndb-0\n", "both have written")

    other = next(name for name in ("node-a", "node-b") if name != found["spec"]["nodeName"])
    cluster.apply(using("abroad", "cat /data/file", claimed("data-db-0"), nodeName=other))
    until(lambda: "no matching NodeSelectorTerms" in dict(cluster.events("abroad")).get("FailedMount", ""), "why not")
    cluster.kubectl("delete", "pod", "abroad", "--wait=false")
    cluster.kubectl("delete", "statefulset", "db")
    assert get(cluster, "pvc", "data-db-0")["status"]["phase"] == "Bound", "claims stay"
    until(lambda: not cluster.pod("db-0"), "the pod is gone")
    cluster.kubectl("delete", "pvc", "data-db-0", "data-db-1", "--timeout=20s")
    until(lambda: not get(cluster, "pv", bound) and not kept.parent.exists(), "the volume goes with its claim")


def test_classes_decide_when_and_what_stays_and_volumes_grow(cluster: Cluster) -> None:
    cluster.apply({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "kept"},
                   "provisioner": "volumes.labs.internal", "reclaimPolicy": "Retain",
                   "volumeBindingMode": "Immediate", "allowVolumeExpansion": True},
                  claim("now", storageClassName="kept"), claim("later"),
                  claim("shared", accessModes=["ReadWriteMany"], storageClassName="kept"))
    until(lambda: get(cluster, "pvc", "now")["status"]["phase"] == "Bound", "it is bound with no pod")
    assert get(cluster, "pvc", "later")["status"]["phase"] == "Pending"
    until(lambda: "a local volume has no ReadWriteMany" in
          dict(cluster.events("shared")).get("ProvisioningFailed", ""), "why not")
    cluster.kubectl("patch", "pvc", "now", "-p", '{"spec": {"resources": {"requests": {"storage": "2Gi"}}}}')
    until(lambda: get(cluster, "pvc", "now")["status"]["capacity"]["storage"] == "2Gi", "it has grown")
    bound = get(cluster, "pvc", "now")["spec"]["volumeName"]
    found = get(cluster, "pv", bound)
    assert found["spec"]["capacity"]["storage"] == "2Gi"
    node = found["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]["values"][0]
    cluster.apply(using("fills", "echo kept > /data/file", claimed("now")))
    said(cluster, "fills")
    cluster.kubectl("delete", "pod", "fills")
    cluster.kubectl("delete", "pvc", "now", "later", "shared", "--timeout=20s")
    until(lambda: get(cluster, "pv", bound)["status"]["phase"] == "Released", "it is released")
    assert disk(cluster, node, f"/var/local/volumes/{bound}/file").read_text() == "kept\n"
    # "Reserving a PersistentVolume": released by hand, claimed by name
    cluster.kubectl("patch", "pv", bound, "-p", '{"spec": {"claimRef": null}}')
    cluster.apply(claim("again", storageClassName="kept", volumeName=bound),
                  using("reads", "cat /data/file", claimed("again")))
    assert said(cluster, "reads") == "kept\n"
    cluster.kubectl("delete", "pod", "reads")
    cluster.kubectl("delete", "pvc", "again", "--timeout=20s")
    cluster.kubectl("delete", f"pv/{bound}", "sc/kept", "--timeout=20s")


def test_volumes_made_by_hand_and_paths_of_a_node(cluster: Cluster) -> None:
    cluster.apply(
        using("first", "echo seen > /data/file", {"hostPath": {"path": "/srv/x", "type": "DirectoryOrCreate"}},
              nodeName="node-a"),
        using("never", "true", {"hostPath": {"path": "/srv/none", "type": "Directory"}}, nodeName="node-a"))
    said(cluster, "first")
    assert disk(cluster, "node-a", "/srv/x/file").read_text() == "seen\n"
    until(lambda: "hostPath type check failed: /srv/none is not a directory" in
          dict(cluster.events("never")).get("FailedMount", ""), "why not")
    cluster.apply(
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "byhand"}, "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
            "persistentVolumeReclaimPolicy": "Retain", "local": {"path": "/srv/x"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["us-east-1a"]}]}]}}}},
        claim("byhand", storageClassName="", volumeName="byhand"),
        using("second", "cat /data/file; touch /data/y 2>/dev/null || echo refused",
              {"persistentVolumeClaim": {"claimName": "byhand", "readOnly": True}}),
        using("elsewhere", "ls /data", {"hostPath": {"path": "/srv/x"}}, nodeName="node-b"))
    assert said(cluster, "second") == "seen\nrefused\n"
    assert cluster.pod("second")["spec"]["nodeName"] == "node-a"
    assert said(cluster, "elsewhere") == "", "every node has a disk of its own"
    cluster.kubectl("delete", "pod", "first", "second", "never", "elsewhere", "--wait=false")
    cluster.kubectl("delete", "pvc", "byhand", "--timeout=20s")
    cluster.kubectl("delete", "pv", "byhand", "--timeout=20s")


# --- snapshots ----------------------------------------------------------------------------------------------------


def snapshot(name: str, **source: Any) -> Pod:
    return {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": {"name": name},
            "spec": {"source": source}}


def test_snapshots_are_taken_restored_and_deleted_and_claims_cloned(cluster: Cluster) -> None:
    until(lambda: get(cluster, "volumesnapshotclass", "standard"), "snapshots are known")
    cluster.apply(claim("origin"), using("writes", "mkdir /data/deep; echo one > /data/deep/file", claimed("origin")))
    said(cluster, "writes")
    cluster.apply(snapshot("snap", persistentVolumeClaimName="origin"))
    found = until(lambda: (lambda each: each if each.get("status", {}).get("readyToUse") else None)(
        get(cluster, "volumesnapshot", "snap")), "it is taken")
    content = found["status"]["boundVolumeSnapshotContentName"]
    assert found["status"]["restoreSize"] in ("1Gi", str(2**30))
    assert get(cluster, "volumesnapshotcontent", content)["spec"]["volumeSnapshotRef"]["name"] == "snap"
    cluster.apply(using("changes", "echo two > /data/deep/file", claimed("origin")))
    said(cluster, "changes")
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "snap"}
    cluster.apply(
        claim("restored", dataSource=source), using("old", "cat /data/deep/file", claimed("restored")),
        claim("cloned", dataSource={"kind": "PersistentVolumeClaim", "name": "origin"}),
        using("new", "cat /data/deep/file", claimed("cloned")),
        claim("little", "1Mi", dataSource=source), using("waits", "true", claimed("little")))
    assert (said(cluster, "old"), said(cluster, "new")) == ("one\n", "two\n")
    until(lambda: "is less than the size" in dict(cluster.events("little")).get("ProvisioningFailed", ""), "why not")
    node, _, name = get(cluster, "volumesnapshotcontent", content)["status"]["snapshotHandle"].partition(":")
    copy = disk(cluster, node, f"/var/local/snapshots/{name}")
    assert (copy / "deep/file").read_text() == "one\n"

    cluster.kubectl("patch", "volumesnapshotcontent", content, "--type=merge", "-p",
                    '{"spec": {"deletionPolicy": "Retain"}}')
    cluster.kubectl("delete", "volumesnapshot", "snap", "--timeout=20s")
    assert copy.exists(), "retained"
    cluster.kubectl("delete", "volumesnapshotcontent", content, "--timeout=20s")
    cluster.apply({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent", "metadata": {"name": "before"},
        "spec": {"deletionPolicy": "Delete", "driver": "volumes.labs.internal", "sourceVolumeMode": "Filesystem",
                 "source": {"snapshotHandle": f"{node}:{name}"},
                 "volumeSnapshotRef": {"name": "found", "namespace": "default"}}},
        snapshot("found", volumeSnapshotContentName="before"))
    until(lambda: (get(cluster, "volumesnapshot", "found").get("status") or {}).get("readyToUse"), "it is adopted")
    cluster.kubectl("delete", "volumesnapshot", "found", "--timeout=20s")
    until(lambda: not get(cluster, "volumesnapshotcontent", "before") and not copy.exists(), "the copy goes with it")
    cluster.kubectl("delete", "pod", "writes", "changes", "old", "new", "waits", "--wait=false")
    cluster.kubectl("delete", "pvc", "origin", "restored", "cloned", "little", "--wait=false")


# --- the finer points ---------------------------------------------------------------------------------------------


def test_modes_paths_and_ephemeral_volumes(cluster: Cluster) -> None:
    cluster.kubectl("create", "configmap", "fine", "--from-literal=a=1", "--from-literal=run.sh=echo hi")
    cluster.kubectl("create", "secret", "generic", "fine", "--from-literal=key=s3cret")
    code = """
import os, stat
for path in ("/cm/a", "/cm/bin/run", "/secret/key", "/all/up/key", "/all/name"):
    print(path, oct(stat.S_IMODE(os.stat(path).st_mode)), open(path).read())
print(os.readlink("/cm/..data")[:2], os.readlink("/cm/a"), [each for each in os.listdir("/maybe") if each[0] != "."])
open("/scratch/file", "w").write("x"); print(sorted(os.listdir("/logs")), os.path.isdir("/whole/fine-pod"))
"""
    volumes = [
        {"name": "cm", "configMap": {"name": "fine", "defaultMode": 0o440, "items": [
            {"key": "a", "path": "a"}, {"key": "run.sh", "path": "bin/run", "mode": 0o555}]}},
        {"name": "secret", "secret": {"secretName": "fine", "defaultMode": 0o400}},
        {"name": "all", "projected": {"defaultMode": 0o600, "sources": [
            {"secret": {"name": "fine", "items": [{"key": "key", "path": "up/key", "mode": 0o404}]}},
            {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}]}},
        {"name": "maybe", "configMap": {"name": "nothing", "optional": True}},
        {"name": "whole", "emptyDir": {"medium": "Memory"}},
        {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": claim("x")["spec"]}}}]
    made = pod("fine-pod", python(code), {**ONCE, "volumes": volumes}, env=[
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}], volumeMounts=[
        *({"name": each["name"], "mountPath": f"/{each['name']}"} for each in volumes),
        {"name": "whole", "mountPath": "/logs", "subPathExpr": "$(NAME)/logs"}])
    cluster.apply(made, pod("unknown", SLEEP, {"volumes": [volumes[4]]}, volumeMounts=[
        {"name": "whole", "mountPath": "/logs", "subPathExpr": "$(NOBODY)"}]))
    assert said(cluster, "fine-pod").splitlines() == [
        "/cm/a 0o440 1", "/cm/bin/run 0o555 echo hi", "/secret/key 0o400 s3cret", "/all/up/key 0o404 s3cret",
        "/all/name 0o600 fine-pod", ".. ..data/a []", "[] True"]
    cluster.when("unknown", lambda found: found["status"]["containerStatuses"][0]["state"]["waiting"] == {
        "reason": "CreateContainerConfigError", "message": 'missing value for "NOBODY"'}, "why it waits")
    assert get(cluster, "pvc", "fine-pod-scratch")["status"]["phase"] == "Bound"
    cluster.kubectl("delete", "pod", "fine-pod", "unknown", "--wait=false")
    until(lambda: not get(cluster, "pvc", "fine-pod-scratch"), "its volume goes with the pod")


# --- certificates -------------------------------------------------------------------------------------------------

SIGNER = "shop.example/identity"


class Authority:
    """Signs what pods ask for, as the program of a signer does."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._certificate(self.name, self.key.public_key(), authority=True)

    def _certificate(self, subject: x509.Name, public: Any, authority: bool = False) -> str:
        begin = datetime.datetime.now(datetime.UTC).replace(microsecond=0) - datetime.timedelta(minutes=1)
        made = x509.CertificateBuilder(self.name, subject, public, x509.random_serial_number(), begin,
                                       begin + datetime.timedelta(hours=24))
        made = made.add_extension(x509.BasicConstraints(authority, None), critical=True)
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, request: Any) -> Pod:
        """The status of a PodCertificateRequest; an API server takes no earlier renewal than after ten minutes."""
        asked = x509.load_der_x509_csr(base64.b64decode(request["spec"]["stubPKCS10Request"]))
        assert asked.is_signature_valid
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, request["spec"]["serviceAccountName"])])
        made = self._certificate(name, asked.public_key())
        read = x509.load_pem_x509_certificate(made.encode())
        times = {"notBefore": read.not_valid_before_utc, "notAfter": read.not_valid_after_utc,
                 "beginRefreshAt": read.not_valid_before_utc + datetime.timedelta(minutes=10)}
        return {"certificateChain": f"about the leaf\n{made}", **{
            name: moment.strftime("%Y-%m-%dT%H:%M:%SZ") for name, moment in times.items()}}


def answer(cluster: Cluster, condition: str, status: Any) -> Any:
    """Answer the first request that nobody has answered, when it comes; it."""
    def waiting_one() -> Any:
        found = get(cluster, "podcertificaterequests")["items"]
        return next((each for each in found if not (each.get("status") or {}).get("conditions")), None)

    request = until(waiting_one, "a PodCertificateRequest")
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = {"type": condition, "status": "True", "reason": "Test", "message": "as the test wants it",
            "lastTransitionTime": now}
    cluster.kubectl("patch", "podcertificaterequest", request["metadata"]["name"], "--subresource=status",
                    "--type=merge", "-p", json.dumps({"status": {"conditions": [told], **status(request)}}))
    return request


def bundle(name: str, pem: str, **labels: str) -> Pod:
    return {"apiVersion": "certificates.k8s.io/v1", "kind": "ClusterTrustBundle",
            "metadata": {"name": name, "labels": labels},
            "spec": {"signerName": SIGNER, "trustBundle": pem}}


def projected(*sources: Pod) -> Pod:
    return {"projected": {"sources": list(sources)}}


def test_trust_bundles_are_chosen_by_name_and_by_signer(cluster: Cluster) -> None:
    first, second, third = (Authority(name).certificate for name in "abc")
    mark = SIGNER.replace("/", ":")
    bundles = [bundle(f"{mark}:a", first + second, alive="yes"), bundle(f"{mark}:b", second, alive="yes"),
               bundle(f"{mark}:c", third, alive="no")]
    cluster.apply(*bundles)

    def of_signer(selector: Any, path: str) -> Pod:
        chosen = {"labelSelector": selector} if selector is not None else {"optional": True}
        return {"clusterTrustBundle": {"signerName": SIGNER, "path": path, **chosen}}

    try:
        cluster.apply(using("anchors", "cd /data; for file in one some every none absent; do "
                            "echo $file $(grep -c BEGIN $file); done", projected(
            {"clusterTrustBundle": {"name": f"{mark}:a", "path": "one"}},
            of_signer({"matchExpressions": [{"key": "alive", "operator": "NotIn", "values": ["no"]}]}, "some"),
            of_signer({}, "every"), of_signer(None, "none"),
            {"clusterTrustBundle": {"name": "nobody", "path": "absent", "optional": True}})))
        assert said(cluster, "anchors").splitlines() == ["one 2", "some 2", "every 3", "none 0", "absent 0"]
        cluster.apply(using("waits", "true", projected({"clusterTrustBundle": {"name": "nobody", "path": "a"}})))
        until(lambda: "clustertrustbundle \"nobody\" not found" in str(get(cluster, "events")), "an event")
    finally:
        cluster.kubectl("delete", "clustertrustbundle", *(each["metadata"]["name"] for each in bundles))


def test_a_pod_gets_a_certificate_of_its_signer(cluster: Cluster) -> None:
    authority = Authority("shop")
    source = {"podCertificate": {"signerName": SIGNER, "keyType": "ECDSAP256", "credentialBundlePath": "both.pem",
                                 "keyPath": "key.pem", "certificateChainPath": "chain.pem",
                                 "userAnnotations": {"shop.example/team": "cart"}}}
    cluster.apply(using("identity", "cat /data/both.pem; echo; cat /data/key.pem /data/chain.pem", projected(source)))
    request = answer(cluster, "Issued", authority.issue)
    spec = request["spec"]
    assert (spec["signerName"], spec["podName"], spec["serviceAccountName"]) == (SIGNER, "identity", "default")
    assert spec["unverifiedUserAnnotations"] == {"shop.example/team": "cart"}
    assert spec["nodeName"] == get(cluster, "pod", "identity")["spec"]["nodeName"]
    both, apart = said(cluster, "identity").split("\n\n")
    assert both.strip() == apart.strip()
    key = serialization.load_pem_private_key(both.encode(), None)
    leaf = x509.load_pem_x509_certificate(both[both.index("-----BEGIN CERT"):].encode())
    assert leaf.public_key() == key.public_key()
    assert "about the leaf" not in both


def test_a_certificate_that_is_denied_keeps_its_pod_from_starting(cluster: Cluster) -> None:
    source = {"podCertificate": {"signerName": SIGNER, "keyType": "ED25519", "credentialBundlePath": "both.pem"}}
    cluster.apply(using("nobody", "true", projected(source)))
    answer(cluster, "Denied", lambda asked: {})
    until(lambda: "is denied: Test: as the test wants it" in str(get(cluster, "events")), "an event")
    assert get(cluster, "pod", "nobody")["status"]["phase"] == "Pending"
    cluster.kubectl("delete", "pod", "nobody", "--wait=false")
