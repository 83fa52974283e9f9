"""Lab h1: the shop behind the ingress, and what can be wrong at every hop between a browser and a process.

All of it is in one namespace: two Deployments with their Services, an Ingress with a certificate, and NetworkPolicies
that let in what has to come in.  A fault changes one object in one place.
"""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from labs.cluster.ingress.flags import Listeners
from labs.cluster.ingress.manifests import NAME as TRAEFIK
from labs.cluster.ingress.manifests import NAMESPACE as INGRESS_NAMESPACE
from labs.cluster.space import APP, Object, Space, complete, ready, until
from labs.errors import PermanentError, TemporaryError
from labs.scenarios.base import Values, digest, pick
from labs.scenarios.cluster_lab import ClusterLab
from labs.scenarios.h_networking.authority import BEGINS, Authority, Pair
from labs.shop.package import config_map

READY_WITHIN = 60.0
REACHED_WITHIN = 20.0
PORT = 8080
EXPIRED = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
LEARNER = "learner"
"""Who applied everything, so that what the learner applies later replaces it ("Server-Side Apply")."""
NETWORKING = "networking.k8s.io/v1"
Objects = dict[tuple[str, str], Object]
"""By kind and name."""


class H1(ClusterLab):
    """The shop, reached by HTTPS."""

    id: ClassVar[str] = "h1"
    title: ClassVar[str] = "From a browser to a pod, hop by hop"
    minutes: ClassVar[int] = 105
    needs: ClassVar[tuple[str, ...]] = ("kubernetes", "ingress")

    def values(self, seed: bytes) -> Values:
        """Names and certificates of one learner."""
        host = f"{pick(seed, 'host', ['books', 'garden', 'music', 'tea'])}-{digest(seed, 'host')[:4]}.test"
        authority = Authority(seed, "Certificates of lab h1")
        return {
            "namespace": f"h1-shop-{digest(seed, 'namespace')[:6]}",
            "host": host,
            "trust": authority.certificate,
            "certificate": vars(authority.issue(host)),
            "old_certificate": vars(authority.issue(host, BEGINS, EXPIRED)),
            "old_front": vars(authority.issue(f"old.{host}")),
            "cases": [pick(seed, f"case {number}", names) for number, names in enumerate(CASES)],
            "night": digest(seed, "night")[:16],
        }

    def furnish(self, space: Space, values: Values) -> None:
        """The shop's code; how the rest of it is, is for the checks."""
        space.apply(config_map(space.name))

    def prepare(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """The shop as it should be, and reached; every fault is taken back."""
        wanted = objects(values)
        for kind in ("Ingress", "NetworkPolicy"):
            for each in space.list(kind):
                if (kind, each["metadata"]["name"]) not in wanted:
                    space.delete(kind, each["metadata"]["name"])
        space.apply(config_map(space.name))
        space.apply(*wanted.values(), manager=LEARNER)
        if not until(lambda: whole(space), READY_WITHIN):
            raise TemporaryError(f"the shop is not Ready after {READY_WITHIN:.0f} s: look at `kubectl get pods`")
        if not until(lambda: trace(space, values).stopped is None, REACHED_WITHIN):
            raise TemporaryError(f"the shop cannot be reached: {trace(space, values).summary}")

    def observe(self, space: Space, values: Values) -> dict[str, Any]:  # type: ignore[override]
        """What a browser gets, and where the way ends."""
        seen = trace(space, values)
        ended = seen.stopped
        return {"answer": seen.answer, "ended": f"{ended.name}: {ended.why}" if ended else ""}

    def run(self, space: Space, values: Values, program: str, **options: Any) -> Any:  # type: ignore[override]
        """``trace``: the picture of one request (``path``), that begins at the ingress.  ``journey``: the same as data.

        ``front``: make what stands before the ingress on AWS, with some faults (``faults``, "night" for the learner's)
        in it.  ``front-ids``: its ids.  ``trace-from-outside``: as ``trace``, from the name on.  ``repair-front``: an
        answer of exercise 3 (``calls``).  ``faults``: what the faults of exercise 1 change, by name.  ``repair``: apply
        an answer of exercise 2 (``repairs``).
        """
        if program == "trace":
            from labs.visuals import TrafficPicture

            return TrafficPicture(trace(space, values, options.get("path", "/")))
        if program == "journey":
            return trace(space, values, options.get("path", "/"))
        if program == "faults":
            return {name: FAULTS[name][0] for name in values["cases"]}
        if program == "repair":
            return [repair(space, each) for each in options["repairs"]]
        if program in ("front", "front-ids", "trace-from-outside", "repair-front"):
            return self._before(space, values, program, options)
        raise PermanentError(
            f"lab {self.id} has no program {program!r}",
            "It has trace, journey, faults, repair, front, front-ids, trace-from-outside and repair-front.")

    def _before(self, space: Space, values: Values, program: str, options: Mapping[str, Any]) -> Any:
        """What ``run`` does with the learner's front."""
        from labs import services
        from labs.aws.dns.asking import explain, told
        from labs.scenarios.h_networking import front
        from labs.scenarios.h_networking.journey import travel_from_outside
        from labs.visuals import TrafficPicture

        home = services.home()
        mine = learners_front(space, values)

        def resolve(name: str) -> Mapping[str, Any]:
            return explain(name, home=home)

        def afresh(name: str) -> Mapping[str, Any]:
            told("/flush", {"view": "public"}, home, "POST")
            return resolve(name)

        if program == "front":
            services.up(["aws", "dns", "load-balancers"])
            names = options.get("faults", ())
            mine.prepare(front.night(values).values() if names == "night" else names)
            front.settled(mine, afresh)
            return vars(mine.found())
        if program == "front-ids":
            return vars(mine.found())
        if program == "repair-front":
            done = mine.repair(options["calls"])
            front.settled(mine, afresh)
            return done
        return TrafficPicture(travel_from_outside(
            options.get("path", "/"), space.cluster, home, mine, home, resolve))

    def reset(self, space: Space, values: Values) -> list[str]:  # type: ignore[override]
        """The namespace, and the front where there is one."""
        from labs.services import status

        if any(row.name == "aws" and row.state == "running" for row in status()):
            return [*learners_front(space, values).remove(), *super().reset(space, values)]
        return super().reset(space, values)

    def solution(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """Everything as it should be."""
        self.prepare(space, values)


def trace(space: Space, values: Values, path: str = "/") -> Any:
    """One request to the shop, by HTTPS through the ingress: a :class:`labs.visuals.Journey`."""
    from labs.scenarios.h_networking.journey import travel

    home = Path(space.cluster.kubeconfig).parent
    port = Listeners.read(home).https
    return travel(f"https://{values['host']}{path}", space.cluster, home, "127.0.0.1", port, values["trust"])


def learners_front(space: Space, values: Values) -> Any:
    """The front in the learner's own account (:class:`labs.scenarios.h_networking.front.Front`)."""
    from labs.aws.account import learner_account
    from labs.scenarios.h_networking.front import Front

    return Front(learner_account(), values, Listeners.read(Path(space.cluster.kubeconfig).parent))


def whole(space: Space) -> bool:
    """Is every pod of both Deployments Ready?"""
    return all(complete(space.get("Deployment", name)) for name in ("frontend", "backend"))


# --- the shop as it should be -------------------------------------------------------------------------------------


def objects(values: Values) -> Objects:
    """Every object of the lab but the shop's code."""
    made = [
        deployment("frontend", 2, {"SHOP_BACKEND_URL": "http://backend", "SHOP_SECURE_COOKIES": "yes",
                                   "SHOP_SESSION_SECRET": digest(values["host"].encode(), "session")}),
        deployment("backend", 1, {"SHOP_STORE": "memory"}),
        service("frontend"),
        service("backend"),
        secret(Pair(**values["certificate"])),
        ingress(values["host"]),
        policy("nothing", {}, []),
        policy("frontend", {APP: "frontend"}, [{
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": INGRESS_NAMESPACE}},
            "podSelector": {"matchLabels": {APP: TRAEFIK}}}]),
        policy("backend", {APP: "backend"}, [{"podSelector": {"matchLabels": {APP: "frontend"}}}]),
    ]
    return {(each["kind"], each["metadata"]["name"]): each for each in made}


def deployment(name: str, replicas: int, settings: Mapping[str, str]) -> Object:
    """One of the shop's two programs."""
    environment = {"PYTHONPATH": "/app/shop.zip", "SHOP_HOST": "0.0.0.0", "SHOP_PORT": str(PORT),
                   "SHOP_DRAIN_SECONDS": "1", "SHOP_GRACE_SECONDS": "3", **settings}
    container = {
        "name": name, "image": "host/python3", "command": ["python3", "-m", "labs.shop", name],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": PORT}, "periodSeconds": 1, "timeoutSeconds": 3},
        "volumeMounts": [{"name": "code", "mountPath": "/app"}]}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {APP: name}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {APP: name}},
                 "template": {"metadata": {"labels": {APP: name}},
                              "spec": {"terminationGracePeriodSeconds": 6, "containers": [container],
                                       "volumes": [{"name": "code", "configMap": {"name": "shop-code"}}]}}}}


def service(name: str) -> Object:
    """The Service of a program."""
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {APP: name}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}}


def secret(pair: Pair) -> Object:
    """The certificate that the ingress shows."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-tls"}, "type": "kubernetes.io/tls",
            "stringData": {"tls.crt": pair.certificate, "tls.key": pair.key}}


def ingress(host: str) -> Object:
    """The shop's route."""
    backend = {"service": {"name": "frontend", "port": {"name": "http"}}}
    return {"apiVersion": NETWORKING, "kind": "Ingress", "metadata": {"name": "shop"},
            "spec": {"ingressClassName": TRAEFIK, "tls": [{"hosts": [host], "secretName": "shop-tls"}],
                     "rules": [{"host": host, "http": {"paths": [
                         {"path": "/", "pathType": "Prefix", "backend": backend}]}}]}}


def policy(name: str, who: Mapping[str, str], peers: list[Object]) -> Object:
    """Lets in peers at the program's port; nobody for no peers."""
    rules = [{"from": peers, "ports": [{"protocol": "TCP", "port": PORT}]}] if peers else []
    return {"apiVersion": NETWORKING, "kind": "NetworkPolicy", "metadata": {"name": name},
            "spec": {"podSelector": {"matchLabels": dict(who)} if who else {}, "policyTypes": ["Ingress"],
                     "ingress": rules}}


# --- what can be wrong --------------------------------------------------------------------------------------------


def broken(values: Values, names: Any) -> Objects:
    """The objects with some faults in them."""
    made = copy.deepcopy(objects(values))
    for name in names:
        FAULTS[name][1](made, values)
    return made


def _rule(made: Objects) -> Object:
    rule: Object = made["Ingress", "shop"]["spec"]["rules"][0]
    return rule


def _route(made: Objects) -> Object:
    path: Object = _rule(made)["http"]["paths"][0]
    return path


def _port(made: Objects, name: str) -> Object:
    port: Object = made["Service", name]["spec"]["ports"][0]
    return port


def _container(made: Objects, name: str) -> Object:
    container: Object = made["Deployment", name]["spec"]["template"]["spec"]["containers"][0]
    return container


def _peer(made: Objects, name: str) -> Object:
    peer: Object = made["NetworkPolicy", name]["spec"]["ingress"][0]["from"][0]
    return peer


def _backend_url(made: Objects, url: str) -> None:
    entry = next(each for each in _container(made, "frontend")["env"] if each["name"] == "SHOP_BACKEND_URL")
    entry["value"] = url


Change = Callable[[Objects, Values], Any]
FAULTS: Mapping[str, tuple[str, Change]] = MappingProxyType({
    "tls-elsewhere": ("the Secret with the certificate is in another namespace",
                      lambda made, values: made.pop(("Secret", "shop-tls"))),
    "tls-expired": ("the certificate has expired", lambda made, values: made["Secret", "shop-tls"].update(
        secret(Pair(**values["old_certificate"])))),
    "tls-name": ("the Ingress names a Secret that there is not",
                 lambda made, values: made["Ingress", "shop"]["spec"]["tls"][0].update(secretName="shop-cert")),
    "host": ("the rule is for another host", lambda made, values: _rule(made).update(host=f"www.{values['host']}")),
    "path-type": ("the path is /index, and matched exactly",
                  lambda made, values: _route(made).update(path="/index", pathType="Exact")),
    "class": ("the Ingress is for a class that nobody serves",
              lambda made, values: made["Ingress", "shop"]["spec"].update(ingressClassName="nginx")),
    "service-name": ("the route names a Service that there is not",
                     lambda made, values: _route(made)["backend"]["service"].update(name="front-end")),
    "service-port": ("the route names a port that the Service does not have",
                     lambda made, values: _route(made)["backend"]["service"].update(port={"name": "https"})),
    "selector": ("the Service selects labels that no pod has",
                 lambda made, values: made["Service", "frontend"]["spec"].update(selector={APP: "web"})),
    "target-port": ("the Service sends to a port where nothing listens",
                    lambda made, values: _port(made, "frontend").update(targetPort=PORT + 1)),
    "port-name": ("the Service sends to a port by a name that the pods do not have",
                  lambda made, values: _port(made, "frontend").update(targetPort="web")),
    "unready": ("the readiness probe asks for a path that there is not", lambda made, values: _container(
        made, "frontend")["readinessProbe"]["httpGet"].update(path="/ready")),
    "no-pods": ("there are no replicas",
                lambda made, values: made["Deployment", "frontend"]["spec"].update(replicas=0)),
    "policy": ("a NetworkPolicy lets in the ingress of another namespace", lambda made, values: _peer(
        made, "frontend")["namespaceSelector"]["matchLabels"].update({"kubernetes.io/metadata.name": "ingress-nginx"})),
    "backend-name": ("the frontend asks for a name that there is not",
                     lambda made, values: _backend_url(made, "http://back-end")),
    "backend-port": ("the backend's Service has another port than the frontend asks for",
                     lambda made, values: _port(made, "backend").update(port=8000)),
    "backend-selector": ("the backend's Service selects labels that no pod has",
                         lambda made, values: made["Service", "backend"]["spec"].update(selector={APP: "api"})),
    "backend-policy": ("a NetworkPolicy of the backend lets in pods that there are not", lambda made, values: _peer(
        made, "backend")["podSelector"]["matchLabels"].update({APP: "web"})),
})
"""By name: what is wrong, in words, and the change that makes it so."""
LAYERS: Mapping[str, list[str]] = MappingProxyType({
    "certificate": ["tls-elsewhere", "tls-expired", "tls-name"],
    "route": ["host", "path-type", "class", "service-name", "service-port"],
    "Service": ["selector", "target-port", "port-name"],
    "pod": ["unready", "no-pods", "policy"],
    "backend": ["backend-name", "backend-port", "backend-selector", "backend-policy"],
})
"""The faults by the part of the way that they break; a learner's night has one of each."""
CASES = (["tls-elsewhere", "tls-expired", "tls-name"], ["host", "class"], ["service-name", "service-port"],
         ["path-type"], ["selector", "port-name"], ["policy"])
"""Of exercise 1: faults that show without new pods; a learner has one of each list."""


def night(values: Values) -> dict[str, str]:
    """A learner's faults, by layer."""
    return {layer: pick(values["night"].encode(), layer, names) for layer, names in LAYERS.items()}


def alter(space: Space, values: Values, names: Any) -> None:
    """Apply what these faults change, to a shop that runs; all other faults are taken back."""
    made = broken(values, names)
    good = objects(values)
    for kind, name in good.keys() - made.keys():
        space.delete(kind, name)
    space.apply(*(each for key, each in made.items() if key[0] != "Deployment"), manager=LEARNER)


def repair(space: Space, each: Object) -> str:
    """Apply a repair: a manifest, or, without ``apiVersion``, a part of an object that is there, as a patch.

    :raises labs.cluster.space.Refused: the API server says no
    """
    kind, name = each["kind"], each["metadata"]["name"]
    if "apiVersion" in each:
        space.apply(each, manager=LEARNER)
        return f"{kind} {name} applied"
    space.patch(kind, name, {key: value for key, value in each.items() if key != "kind"})
    return f"{kind} {name} patched"


def cause(space: Space, values: Values, names: Any) -> None:
    """Roll out the shop anew with these faults in it; all other faults are taken back.

    Anew, because pods that run, and connections that are kept, would hide some of them.
    """
    made = broken(values, names)
    gone = [key for key in objects(values) if key[0] == "Deployment" or key not in made]
    for kind, name in gone:
        space.delete(kind, name)
    if not until(lambda: not space.pods(), READY_WITHIN):
        raise TemporaryError(f"pods are still there after {READY_WITHIN:.0f} s: {space.pods()[0]['metadata']['name']}")
    space.apply(*made.values(), manager=LEARNER)
    started = until(lambda: all(running(space, made["Deployment", name]) for name in ("frontend", "backend")),
                    READY_WITHIN)
    if not started:
        raise TemporaryError(f"the shop's pods do not run after {READY_WITHIN:.0f} s: look at `kubectl get pods`")


def running(space: Space, deployment: Object) -> bool:
    """Do all pods of a Deployment serve, apart from a readiness probe that may be wrong?"""
    probe = deployment["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["httpGet"]["path"]
    pods = space.pods(deployment["metadata"]["name"])
    if len(pods) != deployment["spec"]["replicas"]:
        return False
    if probe == "/readyz":
        return all(ready(each) for each in pods)
    return all(each["status"].get("phase") == "Running" for each in pods)


H1.faults = MappingProxyType({
    "night": lambda space, values: cause(space, values, night(values).values()),
    **{name: (lambda space, values, name=name: cause(space, values, [name])) for name in FAULTS}})
