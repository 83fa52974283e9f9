"""The process nodes against a real control plane: what a learner can see a kubelet do."""

from __future__ import annotations

import functools
import http.client
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labs.cluster.controlplane.services import connect
from labs.cluster.nodes import sandbox
from labs.jail import rungs
from labs.services import control, launch
from labs.services import state as places
from tests.labs.cluster import waiting

NODES = 3
BACKOFF = "0.5,2"
WITHIN = 60.0
"""Seconds anything here may take, on a machine that is busy with other things."""
until = functools.partial(waiting.until, within=WITHIN)

Kubectl = Callable[..., subprocess.CompletedProcess[str]]
Pod = dict[str, Any]


def pod(name: str, command: list[str] | None = None, spec: Pod | None = None, **container: Any) -> Pod:
    main = {"name": "main", "image": "host", **({"command": command} if command else {}), **container}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": [main], "terminationGracePeriodSeconds": 5, **(spec or {})}}


def pod_addresses() -> str:
    """How the addresses of this cluster's pods begin."""
    return f"10.{244 + int(os.environ['LABS_KUBERNETES_NUMBER'])}."


def python(code: str) -> list[str]:
    return ["python3", "-u", "-c", code]


SLEEP = ["sleep", "600"]


class Cluster:
    """kubectl, and what the tests look at."""

    def __init__(self, kubectl: Kubectl, home: Path) -> None:
        self.kubectl = kubectl
        self.home = home

    def apply(self, *objects: Pod) -> None:
        self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def pod(self, name: str) -> Pod:
        done = self.kubectl("get", "pod", name, "-o", "json", status=None)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def when(self, name: str, happened: Callable[[Pod], Any], what: str) -> Pod:
        seen: list[Pod] = [{}]

        def look() -> bool:
            seen[0] = self.pod(name)
            return bool(seen[0]) and bool(happened(seen[0]))

        try:
            until(look, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; seen: {json.dumps(seen[0].get('status'), indent=1)}") from None
        return seen[0]

    def phase(self, name: str, phase: str) -> Pod:
        return self.when(name, lambda found: found["status"]["phase"] == phase, f"{name} is {phase}")

    def logs(self, name: str, *more: str) -> str:
        return self.kubectl("logs", name, *more).stdout

    def events(self, name: str) -> list[tuple[str, str]]:
        return [(each["reason"], each["message"]) for each in self.told(name)]

    def told(self, name: str) -> list[Any]:
        done = self.kubectl("get", "events", "--field-selector", f"involvedObject.name={name}", "-o", "json")
        listed: list[Any] = json.loads(done.stdout)["items"]
        return listed


@pytest.fixture(scope="module")
def cluster(kubectl: Kubectl, cluster_home: Path) -> Cluster:
    return Cluster(kubectl, cluster_home)


def main_state(found: Pod, kind: str = "state") -> Pod:
    return found["status"].get("containerStatuses", [{}])[0].get(kind, {})


def processes(mark: str) -> list[int]:
    """Processes that carry a mark in their command line (not those of this test)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in line and b"kubectl" not in line and b'"spec"' not in line:
                found.append(int(entry.name))
    return found


# --- nodes ----------------------------------------------------------------------------------------------------


def test_three_nodes_in_three_zones_are_ready(cluster: Cluster) -> None:
    nodes = json.loads(cluster.kubectl("get", "nodes", "-o", "json").stdout)["items"]
    assert [each["metadata"]["name"] for each in nodes] == ["node-a", "node-b", "node-c"]
    assert [each["metadata"]["labels"]["topology.kubernetes.io/zone"][-1] for each in nodes] == ["a", "b", "c"]
    for each in nodes:
        ready = {one["type"]: one["status"] for one in each["status"]["conditions"]}
        assert ready == {"Ready": "True", "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False"}
        assert each["status"]["allocatable"]["pods"] == "110"
        assert each["spec"]["podCIDR"].startswith(pod_addresses())


def test_leases_are_renewed(cluster: Cluster) -> None:
    def renewed() -> str:
        return cluster.kubectl("get", "lease", "-n", "kube-node-lease", "node-a", "-o",
                               "jsonpath={.spec.renewTime}").stdout

    first = renewed()
    until(lambda: renewed() > first, "another heartbeat")


def test_the_nodes_may_do_what_a_kubelet_may_and_no_more(cluster: Cluster) -> None:
    def may(*what: str) -> str:
        return cluster.kubectl("auth", "can-i", *what, "--as=labs:nodes", status=None).stdout.strip()

    assert may("patch", "pods", "--subresource=status") == "yes"
    assert may("create", "pods") == "no"
    assert may("update", "secrets") == "no"


# --- run, exit, restart, delete -------------------------------------------------------------------------------


def test_a_pod_runs_ends_and_its_events_tell(cluster: Cluster) -> None:
    cluster.apply(pod("once", python("print('hello')"), {"restartPolicy": "Never"}))
    found = cluster.phase("once", "Succeeded")
    ended = main_state(found)["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    assert cluster.logs("once") == "hello\n"
    reasons = until(lambda: [reason for reason, _ in cluster.events("once")], "events")
    until(lambda: {"Pulled", "Created", "Started"} <= {reason for reason, _ in cluster.events("once")}, str(reasons))
    assert {each["type"] for each in cluster.told("once")} == {"Normal"}
    fields = {each["involvedObject"].get("fieldPath") for each in cluster.told("once") if each["reason"] == "Started"}
    assert fields == {"spec.containers{main}"}


@pytest.mark.skipif(not sandbox.mountable(), reason="no bubblewrap and no PRoot: no mounts")
def test_a_container_knows_whom_it_runs_as(cluster: Cluster) -> None:
    code = ("import grp, os, pwd; found = pwd.getpwuid(os.getuid())\n"
            "print(found.pw_name, grp.getgrgid(os.getgid()).gr_name, found.pw_dir == os.environ['HOME'])")
    cluster.apply(pod("known", python(code), {"restartPolicy": "Never"}))
    cluster.phase("known", "Succeeded")
    assert cluster.logs("known") == ("nobody nogroup True\n" if os.getuid() == 0 else "app app True\n")


@pytest.mark.parametrize(("name", "command", "status", "reason"), [
    ("fails", ["sh", "-c", "echo 'last words' >/dev/termination-log; exit 3"], 3, "Error"),
    ("nothere", ["no-such-program"], 128, "StartError"),
    ("killed", ["sh", "-c", "kill -9 $$$$"], 137, "Error"),
])
def test_how_a_container_failed(cluster: Cluster, name: str, command: list[str], status: int, reason: str) -> None:
    cluster.apply(pod(name, command, {"restartPolicy": "Never"}))
    ended = main_state(cluster.phase(name, "Failed"))["terminated"]
    if name == "killed" and "bubblewrap" in rungs.unavailable():
        status = 255        # what PRoot tells; docs/nodes.md says so
    assert (ended["exitCode"], ended["reason"]) == (status, reason)
    if name == "fails":
        assert ended["message"] == "last words\n"
    if name == "nothere":
        assert "no-such-program" in ended["message"]


def test_too_much_memory_is_oomkilled(cluster: Cluster) -> None:
    cluster.apply(pod("greedy", python("x = bytearray(200 * 2**20); import time; time.sleep(60)"),
                      {"restartPolicy": "Never"}, resources={"limits": {"memory": "64Mi"}}))
    ended = main_state(cluster.phase("greedy", "Failed"))["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")


def test_a_crashing_container_is_restarted_and_waits_longer_each_time(cluster: Cluster) -> None:
    cluster.apply(pod("crash", ["sh", "-c", "echo try; exit 1"]))
    found = cluster.when("crash", lambda found: main_state(found).get("waiting", {}).get("reason") ==
                         "CrashLoopBackOff" and found["status"]["containerStatuses"][0]["restartCount"] >= 2, "twice")
    assert "back-off 1s restarting failed container=main pod=crash_default" in main_state(found)["waiting"]["message"]
    assert found["status"]["phase"] == "Running"
    assert main_state(found, "lastState")["terminated"]["reason"] == "Error"
    until(lambda: "BackOff" in dict(cluster.events("crash")), "its event")
    assert {each["type"] for each in cluster.told("crash") if each["reason"] == "BackOff"} == {"Warning"}
    assert cluster.logs("crash", "-p") == "try\n"
    cluster.kubectl("delete", "pod", "crash", "--wait=false")


def test_deletion_sends_sigterm_first_and_sigkill_after_the_grace(cluster: Cluster) -> None:
    patient = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (print('bye'), sys.exit(0))); " \
              "print('up'); time.sleep(600)  # mark-patient"
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); " \
           "time.sleep(600)  # mark-deaf"
    cluster.apply(pod("patient", python(patient)), pod("deaf", python(deaf)))
    for name in ("patient", "deaf"):
        cluster.phase(name, "Running")
        until(lambda name=name: cluster.logs(name) == "up\n", "it is up")
    follower = subprocess.Popen(
        [*cluster.kubectl("version", "--client").args[:3], "logs", "-f", "patient"], stdout=subprocess.PIPE, text=True)
    assert follower.stdout is not None
    assert follower.stdout.readline() == "up\n"
    began = time.monotonic()
    cluster.kubectl("delete", "pod", "patient", "--timeout=15s")
    assert time.monotonic() - began < 4, "it ended by itself"
    assert follower.communicate(timeout=10)[0] == "bye\n"
    uid = cluster.pod("deaf")["metadata"]["uid"]
    began = time.monotonic()
    cluster.kubectl("delete", "pod", "deaf", "--grace-period=2", "--timeout=15s")
    assert time.monotonic() - began >= 1.9
    assert not processes("mark-deaf") + processes("mark-patient")
    until(lambda: ("Killing", "Stopping container main") in cluster.events("deaf"), "its event")
    until(lambda: not list((cluster.home / "kubernetes/nodes/pods").glob(f"{uid}*")), "its folder is gone")


def test_init_containers_run_one_after_the_other_before_the_others(cluster: Cluster) -> None:
    shared = {"volumes": [{"name": "shared", "emptyDir": {}}], "restartPolicy": "Never"}
    mount = [{"name": "shared", "mountPath": "/shared"}]
    inits = [{"name": name, "image": "host", "command": ["sh", "-c", f"echo {name} >> /shared/order"],
              "volumeMounts": mount} for name in ("first", "second")]
    cluster.apply(pod("ordered", ["cat", "/shared/order"], {**shared, "initContainers": inits}, volumeMounts=mount))
    found = cluster.phase("ordered", "Succeeded")
    assert cluster.logs("ordered") == "first\nsecond\n"
    assert [each["state"]["terminated"]["reason"] for each in found["status"]["initContainerStatuses"]] == \
        ["Completed", "Completed"]


def test_a_sidecar_starts_first_and_ends_last_and_a_deadline_is_kept(cluster: Cluster) -> None:
    shared = [{"name": "shared", "mountPath": "/shared"}]
    sidecar = {"name": "sidecar", "image": "host", "restartPolicy": "Always", "volumeMounts": shared,
               "command": ["sh", "-c", "echo up > /shared/file; exec sleep 600"],
               "startupProbe": {"exec": {"command": ["cat", "/shared/file"]}, "periodSeconds": 1}}
    cluster.apply(
        pod("served", ["cat", "/shared/file"], {
            "restartPolicy": "Never", "initContainers": [sidecar], "volumes": [{"name": "shared", "emptyDir": {}}]},
            volumeMounts=shared),
        pod("overdue", SLEEP, {"activeDeadlineSeconds": 1}))
    cluster.phase("served", "Succeeded")
    assert cluster.logs("served", "-c", "main") == "up\n"
    found = cluster.when("served", lambda found: "terminated" in found["status"]["initContainerStatuses"][0]["state"],
                         "the sidecar ended")
    assert main_state(found)["terminated"]["finishedAt"] <= \
        found["status"]["initContainerStatuses"][0]["state"]["terminated"]["finishedAt"]
    assert cluster.phase("overdue", "Failed")["status"]["reason"] == "DeadlineExceeded"
    cluster.when("overdue", lambda found: "terminated" in main_state(found), "its container ended")


def test_an_unknown_image_is_not_pulled_and_says_why(cluster: Cluster) -> None:
    cluster.apply(pod("unknown", image="127.0.0.1:9/shop:1"))
    found = cluster.when("unknown", lambda found: main_state(found).get("waiting", {}).get("reason") ==
                         "ImagePullBackOff", "back-off")
    assert 'Back-off pulling image "127.0.0.1:9/shop:1": ErrImagePull' in main_state(found)["waiting"]["message"]
    assert "connection refused" in main_state(found)["waiting"]["message"]
    assert found["status"]["phase"] == "Pending"
    until(lambda: {"Failed", "BackOff"} <= set(dict(cluster.events("unknown"))), "events")
    cluster.kubectl("delete", "pod", "unknown", "--wait=false")


def test_a_deployment_becomes_available(cluster: Cluster) -> None:
    cluster.kubectl("create", "deployment", "web", "--image=host/sleep", "--replicas=3", "--", "sleep", "600")
    cluster.kubectl("wait", "deployment/web", "--for=condition=Available", "--timeout=20s")
    placed = cluster.kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].spec.nodeName}").stdout
    assert set(placed.split()) == {"node-a", "node-b", "node-c"}
    cluster.kubectl("delete", "deployment", "web")
    until(lambda: not cluster.kubectl("get", "pods", "-l", "app=web", "-o", "name").stdout, "its pods are gone")


# --- environment and volumes ----------------------------------------------------------------------------------


def test_variables_come_from_everywhere(cluster: Cluster) -> None:
    cluster.kubectl("create", "configmap", "settings", "--from-literal=COLOUR=blue", "--from-literal=SIZE=9")
    cluster.kubectl("create", "secret", "generic", "keys", "--from-literal=token=s3cret")
    env = [
        {"name": "PLAIN", "value": "one"}, {"name": "COMPOSED", "value": "$(PLAIN)-$(NOBODY)-$$(PLAIN)-$(X_COLOUR)"},
        {"name": "SIZE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "SIZE"}}},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
        {"name": "MISSING", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "no", "optional": True}}},
        {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}}]
    made = pod("told", python("import json, os, sys; print(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]))"),
               {"restartPolicy": "Never"}, args=["$(PLAIN)", "$$(PLAIN)"], env=env, workingDir="/usr/bin",
               envFrom=[{"prefix": "X_", "configMapRef": {"name": "settings"}}],
               resources={"limits": {"memory": "256Mi"}})
    made["metadata"]["labels"] = {"app": "shop"}
    cluster.apply(made)
    found = cluster.phase("told", "Succeeded")
    arguments, directory, seen = json.loads(cluster.logs("told"))
    assert (arguments, directory) == (["one", "$(PLAIN)"], "/usr/bin")
    assert seen["COMPOSED"] == "one-$(NOBODY)-$(PLAIN)-blue"
    assert {key: seen.get(key) for key in ("SIZE", "TOKEN", "MISSING", "LABEL", "MEMORY", "HOSTNAME")} == {
        "SIZE": "9", "TOKEN": "s3cret", "MISSING": None, "LABEL": "shop", "MEMORY": "256", "HOSTNAME": "told"}
    assert seen["ADDRESS"] == found["status"]["podIP"]
    assert seen["ADDRESS"].startswith(pod_addresses())
    assert re.fullmatch(r"127\.2\d\d\." + re.escape(seen["ADDRESS"].split(".", 2)[2]), seen["POD_IP"])
    assert seen["NODE"] == found["spec"]["nodeName"]
    assert "LABS_HOME" not in seen


def test_what_is_missing_is_said_and_waited_for(cluster: Cluster) -> None:
    cluster.apply(
        pod("noenv", SLEEP, envFrom=[{"configMapRef": {"name": "later"}}]),
        pod("nomount", SLEEP, {"volumes": [{"name": "v", "configMap": {"name": "later"}}]},
            volumeMounts=[{"name": "v", "mountPath": "/v"}]))
    found = cluster.when("noenv", lambda found: main_state(found).get("waiting", {}).get("message"), "why it waits")
    assert main_state(found)["waiting"] == {"reason": "CreateContainerConfigError",
                                            "message": 'configmap "later" not found'}
    until(lambda: 'configmap "later" not found' in dict(cluster.events("nomount")).get("FailedMount", ""), "its event")
    assert main_state(cluster.pod("nomount"))["waiting"]["reason"] == "ContainerCreating"
    cluster.kubectl("create", "configmap", "later", "--from-literal=a=b")
    for name in ("noenv", "nomount"):
        cluster.phase(name, "Running")
    cluster.kubectl("delete", "pod", "noenv", "nomount", "--wait=false")


def test_volumes_hold_what_they_should_and_changes_appear(cluster: Cluster) -> None:
    cluster.kubectl("create", "configmap", "pages", "--from-literal=index=old")
    cluster.kubectl("create", "secret", "generic", "hidden", "--from-literal=key=s3cret")
    volumes = [{"name": "pages", "configMap": {"name": "pages"}},
               {"name": "hidden", "secret": {"secretName": "hidden"}},
               {"name": "about", "downwardAPI": {"items": [
                   {"path": "deep/name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
               {"name": "empty", "emptyDir": {}}]
    code = ("import os, time\nopen('/empty/x', 'w').write('w')\n"
            "print(*(open(path).read() for path in ('/hidden/key', '/about/deep/name', '/pages/index', '/one/file')))\n"
            "try: open('/pages/index', 'w')\nexcept OSError as error: print(type(error).__name__)\n"
            "while open('/pages/index').read() == 'old': time.sleep(0.1)\n"
            "print(open('/pages/index').read())")
    cluster.apply(pod("mounts", python(code), {"volumes": volumes, "restartPolicy": "Never"},
                      volumeMounts=[{"name": "pages", "mountPath": "/one/file", "subPath": "index"}, *(
                          {"name": each["name"], "mountPath": f"/{each['name']}"} for each in volumes)]))
    until(lambda: cluster.logs("mounts").count("\n") == 2 if cluster.phase("mounts", "Running") else False, "two lines")
    cluster.kubectl("patch", "configmap", "pages", "-p", '{"data": {"index": "new"}}')
    cluster.phase("mounts", "Succeeded")
    first, refused, last = cluster.logs("mounts").splitlines()
    assert (first, last) == ("s3cret mounts old old", "new")
    assert refused in ("PermissionError", "OSError")


def test_a_pod_speaks_to_the_api_server_with_its_own_token(cluster: Cluster) -> None:
    code = """
import json, os, ssl, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount"
url = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
asked = urllib.request.Request(
    f"{url}/apis/authentication.k8s.io/v1/selfsubjectreviews", method="POST",
    data=json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).encode(),
    headers={"Authorization": "Bearer " + open(folder + "/token").read(), "Content-Type": "application/json"})
trust = ssl.create_default_context(cafile=folder + "/ca.crt")
print(json.load(urllib.request.urlopen(asked, context=trust))["status"]["userInfo"]["username"])
print(open(folder + "/namespace").read())
"""
    cluster.apply(pod("caller", python(code), {"restartPolicy": "Never"}))
    cluster.phase("caller", "Succeeded")
    assert cluster.logs("caller") == "system:serviceaccount:default:default\ndefault\n"


# --- logs -----------------------------------------------------------------------------------------------------


def test_logs_as_kubectl_asks_for_them(cluster: Cluster) -> None:
    cluster.apply(pod("talks", python("import sys\nfor n in range(5): print(n)\nprint('end', file=sys.stderr)"),
                      {"restartPolicy": "Never"}))
    cluster.phase("talks", "Succeeded")
    assert sorted(cluster.logs("talks").split()) == ["0", "1", "2", "3", "4", "end"]
    assert len(cluster.logs("talks", "--tail=2").splitlines()) == 2
    assert cluster.logs("talks", "--limit-bytes=3") != ""
    moments = [line.split()[0] for line in cluster.logs("talks", "--timestamps").splitlines()]
    assert moments == sorted(moments)
    assert moments[0].startswith("20")
    assert cluster.logs("talks", "--since-time=2100-01-01T00:00:00Z") == ""
    refused = cluster.kubectl("logs", "talks", "-p", status=1)
    assert 'previous terminated container "main" in pod "talks" not found' in refused.stderr


def test_only_the_api_server_may_ask_a_node(cluster: Cluster) -> None:
    port = int(places.endpoint("nodes").rsplit(":", 1)[1])
    for identity, answered in (("apiserver-kubelet-client", True), ("admin", False), ("nodes", False), ("", False)):
        connection = connect(cluster.home, port, identity)
        try:
            connection.request("GET", "/healthz")
            assert (connection.getresponse().status == 200) is answered
        except (OSError, http.client.HTTPException):
            assert not answered, identity
        finally:
            connection.close()


# --- probes ---------------------------------------------------------------------------------------------------


def test_probes_decide_what_is_ready_and_what_lives(cluster: Cluster) -> None:
    code = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        good = not os.path.exists("/state" + self.path)
        self.send_response(200 if good else 503); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer((os.environ["POD_IP"], 18080), Handler).serve_forever()
"""
    probe = {"periodSeconds": 1, "failureThreshold": 1}
    state = {"name": "state", "emptyDir": {}}
    breaker = {"name": "breaker", "image": "host", "volumeMounts": [{"name": "state", "mountPath": "/state"}],
               "command": ["sh", "-c", "sleep 2; touch /state/ready; sleep 2; touch /state/live; sleep 1; "
                           "rm /state/*; sleep 600"]}
    made = pod("probed", python(code), {"volumes": [state]}, ports=[{"name": "web", "containerPort": 18080}],
               volumeMounts=[{"name": "state", "mountPath": "/state"}],
               startupProbe={"tcpSocket": {"port": "web"}, "periodSeconds": 1, "failureThreshold": 20},
               readinessProbe={"httpGet": {"path": "/ready", "port": "web"}, **probe},
               livenessProbe={"httpGet": {"path": "/live", "port": "web"}, **probe})
    made["spec"]["containers"].append(breaker)
    by_exec = pod("exec", ["sh", "-c", "sleep 2; touch $HOME/healthy; sleep 600"],
                  readinessProbe={"exec": {"command": ["sh", "-c", "cat $HOME/healthy"]}, "periodSeconds": 1})
    cluster.apply(by_exec, made)

    def first(found: Pod) -> Pod:
        return next(each for each in found["status"].get("containerStatuses", [{}]) if each.get("name") == "main")

    cluster.when("probed", lambda found: found["status"].get("containerStatuses") and first(found)["ready"], "ready")
    cluster.when("probed", lambda found: first(found)["started"] and not first(found)["ready"], "unready")
    cluster.when("probed", lambda found: first(found)["restartCount"] == 1 and first(found)["ready"], "restarted")
    events = cluster.events("probed")
    assert ("Killing", "Container main failed liveness probe, will be restarted") in events
    assert "Readiness probe failed: HTTP probe failed with statuscode: 503" in [text for _, text in events]
    assert cluster.pod("exec")["status"]["containerStatuses"][0]["ready"], "it sees the container's files"
    assert "Readiness probe failed" in dict(cluster.events("exec"))["Unhealthy"], "which were not there at first"
    cluster.kubectl("delete", "pod", "probed", "exec", "--wait=false")


# --- the nodes themselves -------------------------------------------------------------------------------------


def test_containers_outlive_a_kill_of_the_nodes_and_are_found_again(cluster: Cluster) -> None:
    code = "import time\nfor n in range(10**6): print(n); time.sleep(0.2)  # mark-adopted"
    ends = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print('up'); " \
           "time.sleep(600)  # mark-ends"
    cluster.apply(pod("adopted", python(code)), pod("ends", python(ends), {"restartPolicy": "Never"}))
    for name in ("adopted", "ends"):
        cluster.phase(name, "Running")
    until(lambda: cluster.logs("ends") == "up\n", "it is up")
    before = processes("mark-adopted")
    assert before
    pid = next(row.pid for row in control.status() if row.name == "nodes")
    assert pid is not None
    marks = {"LABS_SERVICE_OF": str(cluster.home), "LABS_SERVICE": "containers"}
    with subprocess.Popen(["sleep", "600"], env=marks | {"PATH": os.environ["PATH"]}) as stray:
        os.kill(pid, signal.SIGKILL)
        for each in processes("mark-ends"):
            os.kill(each, signal.SIGTERM)
        control.up(["kubernetes"])
        assert stray.wait(10) == -signal.SIGKILL, "what was being started, and is in no folder, is ended"
    assert next(row.pid for row in control.status() if row.name == "nodes") != pid
    ended = main_state(cluster.phase("ends", "Failed"))["terminated"]
    assert ended["exitCode"] == 7, "the end is known although nobody saw it"
    assert processes("mark-adopted") == before
    found = cluster.pod("adopted")
    assert found["status"]["containerStatuses"][0]["restartCount"] == 0
    said = len(cluster.logs("adopted").splitlines())
    until(lambda: len(cluster.logs("adopted").splitlines()) > said, "it goes on writing")
    cluster.kubectl("delete", "pod", "adopted", "--timeout=15s")
    assert not processes("mark-adopted")


@pytest.mark.long
def test_reset_ends_the_pods_and_the_nodes_come_back_empty(cluster: Cluster) -> None:
    from labs.cluster.controlplane.reset import reset

    cluster.apply(pod("reset", python("import time; time.sleep(600)  # mark-reset")))
    cluster.phase("reset", "Running")
    assert "  removed pods default/reset" in reset()
    assert not processes("mark-reset")
    until(lambda: not list((cluster.home / "kubernetes/nodes/pods").iterdir()), "no folder is left")
    cluster.apply(pod("again", ["true"], {"restartPolicy": "Never"}))
    cluster.phase("again", "Succeeded")


def test_nothing_is_left_when_the_cluster_stops(cluster: Cluster) -> None:
    cluster.apply(pod("left", python("import time; time.sleep(600)  # mark-left")))
    cluster.phase("left", "Running")
    assert processes("mark-left")
    control.down(["kubernetes"])
    assert not processes("mark-left")
    assert launch.find(str(cluster.home)) == []
