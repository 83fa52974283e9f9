"""Lab h2: three ways into a cluster: a Service, an Ingress (by Traefik, by a load balancer of AWS), a Gateway."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import yaml

from labs.cluster.ingress import gateway_api
from labs.cluster.ingress.flags import Listeners
from labs.cluster.ingress.manifests import NAME as TRAEFIK
from labs.cluster.space import APP, Object, Space, complete, expect
from labs.errors import PermanentError, TemporaryError
from labs.scenarios.base import Values, digest, pick, shuffled
from labs.scenarios.cluster_lab import ClusterLab
from labs.scenarios.h_networking import old_front
from labs.scenarios.h_networking.asking import Answer, Place, ask
from labs.scenarios.h_networking.authority import Authority, Pair

PORT = 8080
READY_WITHIN = 40.0
SHOWN_WITHIN = 30.0
NETWORKING, GATEWAY = "networking.k8s.io/v1", "gateway.networking.k8s.io/v1"
APPS = [
    {"web": "storefront", "next": "storefront-next", "api": "catalog", "idle": "search"},
    {"web": "frontend", "next": "frontend-next", "api": "orders", "idle": "wishlist"},
    {"web": "website", "next": "website-next", "api": "stock", "idle": "reviews"},
]
PREFIXES = {"/shop": "/shopping", "/store": "/storefront", "/buy": "/buyers"}
"""Where the old shop was, and a path that only begins with the same letters."""


class H2(ClusterLab):
    """Two versions of a web shop, its API, and a Service without pods."""

    id: ClassVar[str] = "h2"
    title: ClassVar[str] = "Service, Ingress, load balancer, Gateway"
    minutes: ClassVar[int] = 95
    needs: ClassVar[tuple[str, ...]] = ("kubernetes", "ingress", "load-balancer-controller")

    def values(self, seed: bytes) -> Values:
        """Names, shares and requests of one learner."""
        host = f"{pick(seed, 'host', ['garden', 'books', 'music', 'toys'])}-{digest(seed, 'host')[:4]}.test"
        prefix = pick(seed, "prefix", list(PREFIXES))
        apps = pick(seed, "apps", APPS)
        return {
            "namespace": f"h2-{apps['web']}-{digest(seed, 'namespace')[:6]}",
            "host": host,
            "apps": apps,
            "health": pick(seed, "health", ["/healthz", "/alive", "/ok"]),
            "share": pick(seed, "share", [10, 20, 25]),
            "header": pick(seed, "header", ["X-Beta", "X-Preview", "X-Early"]),
            "prefix": prefix,
            "similar": PREFIXES[prefix],
            "cases": cases(seed, host),
            "certificate": vars(Authority(seed, "Certificates of lab h2").issue(host)),
        }

    def furnish(self, space: Space, values: Values) -> None:
        """The workloads and their Services, Ready."""
        space.apply(*workloads(values))
        names = [values["apps"][each] for each in ("web", "next", "api")]
        expect(lambda: all(complete(space.get("Deployment", each)) for each in names), READY_WITHIN,
               "the shop's pods are not Ready")

    def prepare(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """The workloads, a Gateway, and none of the routes that a learner made; the old front stands still."""
        home = Path(space.cluster.kubeconfig).parent
        old_front.stop(home)
        _serve_gateways(space)
        for kind in ("Ingress", "HTTPRoute"):
            for each in space.list(kind):
                space.delete(kind, each["metadata"]["name"])
        self.furnish(space, values)
        space.apply(secret(values), gateway(Listeners.read(home)))

    def observe(self, space: Space, values: Values) -> dict[str, Any]:  # type: ignore[override]
        """What the Ingresses and routes show."""
        return {f"{kind} {each['metadata']['name']}": each.get("status", {})
                for kind in ("Ingress", "HTTPRoute") for each in space.list(kind)}

    def reset(self, space: Space, values: Values) -> list[str]:  # type: ignore[override]
        """Remove Ingresses first, so that their load balancers go with them; then the namespace."""
        stopped = old_front.stop(Path(space.cluster.kubeconfig).parent)
        names = [each["metadata"]["name"] for each in space.list("Ingress")] if space.exists() else []
        for each in names:
            space.delete("Ingress", each)
        if names:
            expect(lambda: not space.list("Ingress"), SHOWN_WITHIN,
                   "the Ingress is still there (does the load-balancer-controller run?)")
        return [*(["nginx, the old front"] if stopped else []), *(f"Ingress {each}" for each in names),
                *super().reset(space, values)]

    def start(self, space: Space, values: Values) -> old_front.OldFront | None:  # type: ignore[override]
        """nginx with what the old Ingresses stand for; a sentence and None where this machine has no nginx."""
        if old_front.found() is None:
            print(old_front.missing())
            return None
        return old_front.OldFront(space, nginx(values))

    def run(self, space: Space, values: Values, program: str, **options: Any) -> Any:  # type: ignore[override]
        """``ask``: see :func:`asked`.  ``balancer``: what AWS has for an Ingress (``name``), as text.

        ``routes``: the Ingress of the first exercise.  ``nginx``: the old Ingresses of the third, as YAML.
        """
        if program == "ask":
            return asked(space, values, **options)
        if program == "balancer":
            return balancer(space, str(options.get("name", "shop")))
        if program == "routes":
            return routes(values)
        if program == "nginx":
            return "---\n".join(yaml.safe_dump(each, sort_keys=False) for each in nginx(values))
        raise PermanentError(f"lab {self.id} has no program {program!r}", "It has ask, balancer, routes and nginx.")

    faults: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def solution(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """An Ingress for the load balancer, and routes of the Gateway."""
        space.apply(alb(values), *migrated(values), manager="learner")


def _serve_gateways(space: Space) -> None:
    """Have the Gateway API, and an ingress that serves it."""
    from labs import services

    gateway_api.install(space.cluster)
    if not gateway_api.served(space.cluster):
        services.down(["ingress"])
        services.up(["ingress"])


# --- workloads ----------------------------------------------------------------------------------------------------


def workloads(values: Values) -> list[Object]:
    """Deployments and Services; the idle Service has no pods."""
    code = Path(__file__).with_name("echo.py").read_text(encoding="utf-8")
    apps = values["apps"]
    made: list[Object] = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "echo"},
                           "data": {"echo.py": code}}]
    for role, replicas in (("web", 2), ("next", 1), ("api", 1)):
        made.append(deployment(apps[role], replicas, values["health"], "/api" if role == "api" else "/"))
    return [*made, *(service(each) for each in apps.values())]


def deployment(name: str, replicas: int, health: str, only: str) -> Object:
    """Pods that tell who they are."""
    told = {"APP": name, "HEALTH": health, "ONLY": only}
    container = {
        "name": "echo", "image": "host/python3", "command": ["python3", "-u", "/code/echo.py"],
        "env": [{"name": key, "value": value} for key, value in told.items()],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": health, "port": PORT}, "periodSeconds": 1, "timeoutSeconds": 3},
        "volumeMounts": [{"name": "code", "mountPath": "/code"}]}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {APP: name}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {APP: name}},
                 "template": {"metadata": {"labels": {APP: name}}, "spec": {
                     "terminationGracePeriodSeconds": 1, "containers": [container],
                     "volumes": [{"name": "code", "configMap": {"name": "echo"}}]}}}}


def service(name: str) -> Object:
    """Port 80 of the pods with that name."""
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": {APP: name}},
            "spec": {"selector": {APP: name}, "ports": [{"name": "http", "port": 80, "targetPort": PORT}]}}


def secret(values: Values) -> Object:
    """The host's certificate."""
    pair = Pair(**values["certificate"])
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-tls"}, "type": "kubernetes.io/tls",
            "stringData": {"tls.crt": pair.certificate, "tls.key": pair.key}}


# --- the first exercise -------------------------------------------------------------------------------------------


def routes(values: Values) -> Object:
    """An Ingress with rules that are easily taken for others."""
    apps, host = values["apps"], values["host"]
    return ingress("routes", TRAEFIK, [
        rule(host, path("/", "Prefix", apps["web"]), path("/api", "Prefix", apps["api"]),
             path("/checkout", "Exact", apps["next"]), path("/find", "Prefix", apps["idle"])),
        rule(f"*.{host}", path("/", "Prefix", apps["next"])),
        rule("", path("/up", "Prefix", apps["next"])),
    ])


def cases(seed: bytes, host: str) -> list[dict[str, str]]:
    """Eight requests."""
    asked = [(host, "/apis"), (host, "/api/v1"), (host, "/checkout"), (host, "/checkout/"), (host, "/find/tea"),
             (host, "/up"), (f"old.www.{host}", "/"), ("other.test", "/up/now")]
    return [{"id": f"case-{number}", "host": name, "path": text}
            for number, (name, text) in enumerate(shuffled(seed, "cases", asked), 1)]


def ingress(name: str, of: str, rules: list[Object], annotations: Mapping[str, str] | None = None) -> Object:
    """An Ingress of a class."""
    return {"apiVersion": NETWORKING, "kind": "Ingress",
            "metadata": {"name": name, **({"annotations": dict(annotations)} if annotations else {})},
            "spec": {"ingressClassName": of, "rules": rules}}


def rule(host: str, *paths: Object) -> Object:
    """A rule of an Ingress; for every host where none is given."""
    return {**({"host": host} if host else {}), "http": {"paths": list(paths)}}


def path(text: str, kind: str, service: str, port: Object | None = None) -> Object:
    """A path of a rule."""
    return {"path": text, "pathType": kind, "backend": {"service": {"name": service, "port": port or {"number": 80}}}}


# --- the second: a load balancer of AWS ---------------------------------------------------------------------------


def alb(values: Values) -> Object:
    """An Ingress that passes the exercise."""
    apps, prefix = values["apps"], "alb.ingress.kubernetes.io"
    split = {"type": "forward", "forwardConfig": {"targetGroups": [
        {"serviceName": apps["web"], "servicePort": 80, "weight": 100 - values["share"]},
        {"serviceName": apps["next"], "servicePort": 80, "weight": values["share"]}]}}
    only = [{"field": "http-header", "httpHeaderConfig": {"httpHeaderName": values["header"], "values": ["yes"]}}]
    return ingress("shop", "alb", [rule(
        values["host"], path("/api", "Prefix", apps["api"]), path("/", "Prefix", apps["next"]),
        path("/", "Prefix", "split", {"name": "use-annotation"}))], {
            f"{prefix}/scheme": "internet-facing", f"{prefix}/target-type": "ip",
            f"{prefix}/healthcheck-path": values["health"], f"{prefix}/actions.split": json.dumps(split),
            f"{prefix}/conditions.{apps['next']}": json.dumps(only)})


def balancer(space: Space, name: str) -> str:
    """Listeners, rules and targets of the load balancer of the learner's Ingress, a line each."""
    from labs.aws.account import learner_account
    from labs.scenarios.h_networking.balancing import described

    found = described(learner_account().client("elbv2"), _hostname(space, name))
    names = {each["TargetGroupArn"]: each["TargetGroupName"] for each in found["TargetGroups"]}
    lines = [f"{found['LoadBalancerName']} ({found['Scheme']}) {found['DNSName']}"]
    for listener in found["Listeners"]:
        lines.append(f"  listener {listener['Protocol']} {listener['Port']}")
        for each in listener["Rules"]:
            lines.append(f"    rule {each['Priority']:<8}{_when(each) or 'else':<60} → {_then(each, names)}")
    for each in found["TargetGroups"]:
        lines.append(f"  target group {each['TargetGroupName']}, asks {each['HealthCheckPath']}"
                     f" for {each['Matcher']['HttpCode']} every {each['HealthCheckIntervalSeconds']} s")
        for one in each["Health"]:
            state = one["TargetHealth"]
            lines.append(f"    {one['Target']['Id']}:{one['Target']['Port']} {state['State']}"
                         f" {state.get('Reason', '')} {state.get('Description', '')}".rstrip())
    return "\n".join(lines)


def _when(described: Object) -> str:
    told = []
    for each in described["Conditions"]:
        config = next((value for key, value in each.items() if key.endswith("Config")), {})
        named = f"{config.get('HttpHeaderName', each['Field'])}"
        told.append(f"{named} {' or '.join(map(str, config.get('Values') or each.get('Values') or ()))}")
    return ", ".join(told)


def _then(described: Object, names: Mapping[str, str]) -> str:
    action = described["Actions"][-1]
    groups = (action.get("ForwardConfig") or {}).get("TargetGroups") or [action]
    if action["Type"] == "forward":
        return ", ".join(f"{names.get(each['TargetGroupArn'], '?')} {each.get('Weight', '')}".strip()
                         for each in groups)
    config = action.get("FixedResponseConfig") or action.get("RedirectConfig") or {}
    return f"{action['Type']} {config.get('StatusCode', '')}"


def _hostname(space: Space, name: str) -> str:
    from labs.scenarios.h_networking.balancing import hostname

    found = expect(lambda: hostname(space.get("Ingress", name) or {}), SHOWN_WITHIN,
                   f"Ingress {name} shows no load balancer (look at `kubectl describe ingress {name}`)")
    return str(found)


# --- the third: a Gateway -----------------------------------------------------------------------------------------


def gateway(ports: Listeners) -> Object:
    """The Gateway ``shop``: its listeners are Traefik's."""
    return {"apiVersion": GATEWAY, "kind": "Gateway", "metadata": {"name": "shop"}, "spec": {
        "gatewayClassName": TRAEFIK, "listeners": [
            {"name": "http", "protocol": "HTTP", "port": ports.http},
            {"name": "https", "protocol": "HTTPS", "port": ports.https,
             "tls": {"mode": "Terminate", "certificateRefs": [{"name": "shop-tls"}]}}]}}


def nginx(values: Values) -> list[Object]:
    """What the team had on Ingress NGINX: the shop, and a canary of it."""
    prefix, apps, host = "nginx.ingress.kubernetes.io", values["apps"], values["host"]
    pattern = f"{values['prefix']}(/|$)(.*)"
    old = {f"{prefix}/use-regex": "true", f"{prefix}/rewrite-target": "/$2"}
    main = ingress("shop", "nginx", [rule(host, path(pattern, "ImplementationSpecific", apps["web"]))],
                   {**old, f"{prefix}/ssl-redirect": "true"})
    main["spec"]["tls"] = [{"hosts": [host], "secretName": "shop-tls"}]
    canary = ingress("shop-canary", "nginx", [rule(host, path(pattern, "ImplementationSpecific", apps["next"]))], {
        **old, f"{prefix}/canary": "true", f"{prefix}/canary-weight": str(values["share"]),
        f"{prefix}/canary-by-header": values["header"], f"{prefix}/canary-by-header-value": "yes"})
    return [main, canary]


def migrated(values: Values) -> list[Object]:
    """HTTPRoutes that pass the exercise."""
    apps = values["apps"]
    below = {"path": {"type": "PathPrefix", "value": values["prefix"]}}
    rewrite = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}

    def route(name: str, listener: str, rules: list[Object]) -> Object:
        return {"apiVersion": GATEWAY, "kind": "HTTPRoute", "metadata": {"name": name}, "spec": {
            "parentRefs": [{"name": "shop", "sectionName": listener}], "hostnames": [values["host"]], "rules": rules}}

    return [
        route("to-https", "http", [{"filters": [
            {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 308}}]}]),
        route("shop", "https", [
            {"matches": [{**below, "headers": [{"name": values["header"], "value": "yes"}]}], "filters": [rewrite],
             "backendRefs": [{"name": apps["next"], "port": 80}]},
            {"matches": [below], "filters": [rewrite], "backendRefs": [
                {"name": apps["web"], "port": 80, "weight": 100 - values["share"]},
                {"name": apps["next"], "port": 80, "weight": values["share"]}]},
        ])]


# --- asking -------------------------------------------------------------------------------------------------------


def asked(space: Space, values: Values, path: str = "/", *, through: str = "ingress", host: str = "", times: int = 1,
          headers: Mapping[str, str] | None = None) -> str:
    """One request and its answer, or who answered how many.

    :param through: ``ingress`` or ``ingress-tls`` (Traefik), ``old-front`` or ``old-front-tls`` (nginx), ``balancer``
        (of the Ingress ``shop``), or a Service's name: its cluster IP
    """
    from collections import Counter

    place = where(space, through)
    answers: list[Answer] = [ask(place, host or values["host"], path, headers) for _ in range(times)]
    if times == 1:
        return str(answers[0])
    return ", ".join(f"{who}: {count}" for who, count in Counter(each.who for each in answers).most_common())


def where(space: Space, through: str) -> Place:
    """Where a way into the cluster begins on this machine."""
    from labs.scenarios.h_networking.balancing import place_of

    home = Path(space.cluster.kubeconfig).parent
    if through in ("ingress", "ingress-tls"):
        ports = Listeners.read(home)
        return Place("127.0.0.1", ports.https, True) if through == "ingress-tls" else Place("127.0.0.1", ports.http)
    if through in ("old-front", "old-front-tls"):
        return old_front.places(home)[through == "old-front-tls"]
    if through == "balancer":
        return place_of(_hostname(space, "shop"))
    found = space.get("Service", through)
    if found is None:
        raise PermanentError(f"There is no Service {through}.")
    address, port = found["spec"].get("clusterIP", "None"), found["spec"]["ports"][0]
    if found["spec"]["type"] == "NodePort":
        return Place("127.0.0.1", port["nodePort"])
    if address == "None":
        raise TemporaryError(f"Service {through} has no address of its own", 0.5)
    ends = json.loads((home / "kubernetes" / "network.json").read_text(encoding="utf-8"))
    number = port["port"] + 30000 if port["port"] < 1024 else port["port"]
    return Place(str(ends["services"]) + ".".join(address.split(".")[2:]), number)
