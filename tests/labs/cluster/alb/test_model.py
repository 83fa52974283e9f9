"""From Ingresses to what there shall be: the real controller's order, names, defaults and complaints."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labs.cluster.alb.annotations import PREFIX, ModelError
from labs.cluster.alb.model import Cluster, Stack, build
from labs.cluster.alb.naming import GroupId
from labs.cluster.alb.rules import NO_SERVICE, NOT_FOUND, Backend

Object = dict[str, Any]
WEB = Backend("shop", "web", "80")


def ingress(*paths: Object, name: str = "shop", host: str = "", default: str = "", **annotations: Any) -> Object:
    said = {PREFIX + key.replace("__", ".").replace("_", "-"): value if isinstance(value, str) else json.dumps(value)
            for key, value in {"target_type": "ip", **annotations}.items()}
    spec: Object = {"ingressClassName": "alb", "rules": [{"host": host, "http": {"paths": list(paths)}}]}
    if default:
        spec["defaultBackend"] = {"service": {"name": default, "port": {"number": 80}}}
    return {"metadata": {"namespace": "shop", "name": name, "annotations": said}, "spec": spec}


def path(text: str, service: str = "web", kind: str = "Prefix", port: Any = 80) -> Object:
    to = {"number": port} if isinstance(port, int) else {"name": port}
    return {"path": text, "pathType": kind, "backend": {"service": {"name": service, "port": to}}}


def service(name: str, port: Object | None = None, **annotations: str) -> Object:
    return {"metadata": {"namespace": "shop", "name": name, "uid": f"u-{name}",
                         "annotations": {PREFIX + key.replace("_", "-"): value for key, value in annotations.items()}},
            "spec": {"ports": [port or {"port": 80, "targetPort": 8080}]}}


def slice_of(name: str, *endpoints: tuple[str, bool]) -> Object:
    return {"metadata": {"namespace": "shop", "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"name": "", "port": 8080}],
            "endpoints": [{"addresses": [each], "conditions": {"ready": ready}} for each, ready in endpoints]}


def made(*ingresses: Object, services: tuple[Object, ...] = (), group: str = "", **known: Any) -> Stack:
    there = {("shop", each["metadata"]["name"]): each for each in (service("web"), service("api"), *services)}
    cluster = Cluster("labs", there, known.get("slices", {}), known.get("nodes", ()))
    return build(GroupId("", group) if group else GroupId("shop", "shop"), ingresses, cluster)


def patterns(stack: Stack, listener: int = 0) -> list[list[str]]:
    return [each["PathPatternConfig"]["Values"] for rule in stack.listeners[listener].rules
            for each in rule.conditions if each["Field"] == "path-pattern"]


def test_exact_paths_come_first_then_the_longest_prefix_then_the_rest_as_it_stands() -> None:
    stack = made(ingress(path("/*", kind="ImplementationSpecific"), path("/"), path("/a"), path("/a/b"),
                         path("/a", kind="Exact")))
    assert patterns(stack) == [["/a"], ["/a/b", "/a/b/*"], ["/a", "/a/*"], ["/*"], ["/*"]]


def test_names_and_tags_are_the_real_controllers() -> None:
    stack = made(ingress(path("/")))
    assert stack.name.startswith("k8s-shop-shop-")
    assert (len(stack.name.rpartition("-")[2]), stack.scheme) == (10, "internal")
    assert stack.tags == {"elbv2.k8s.aws/cluster": "labs", "ingress.k8s.aws/stack": "shop/shop",
                          "ingress.k8s.aws/resource": "LoadBalancer"}
    group = stack.target_groups[WEB]
    assert group.name.startswith("k8s-shop-web-")
    assert group.tags["ingress.k8s.aws/resource"] == "shop/shop-web:80"
    assert (group.settings["HealthCheckIntervalSeconds"], group.settings["Port"]) == (15, 8080)


def test_ready_endpoints_are_targets_at_the_pods_port() -> None:
    known = {("shop", "web"): [slice_of("web", ("10.244.0.2", True), ("10.244.0.3", False))]}
    assert made(ingress(path("/")), slices=known).target_groups[WEB].targets == {("10.244.0.2", 8080)}


def test_instance_targets_need_a_node_port_and_are_ready_nodes() -> None:
    with pytest.raises(ModelError, match="must be of type 'NodePort' or 'LoadBalancer'"):
        made(ingress(path("/"), target_type="instance"))
    ready = {"spec": {"providerID": "aws:///us-east-1a/i-1"},
             "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    lost = {"spec": {"providerID": "aws:///us-east-1b/i-2"},
            "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    node_port = service("web", {"port": 80, "targetPort": 8080, "nodePort": 30123})
    stack = made(ingress(path("/"), target_type="instance"), services=(node_port,), nodes=(ready, lost))
    assert stack.target_groups[WEB].targets == {("i-1", 30123)}


def test_a_services_annotation_wins_over_the_ingresss() -> None:
    special = service("web", healthcheck_path="/up", success_codes="200-299")
    settings = made(ingress(path("/"), healthcheck_path="/"), services=(special,)).target_groups[WEB].settings
    assert (settings["HealthCheckPath"], settings["Matcher"]) == ("/up", {"HttpCode": "200-299"})


def test_a_certificate_means_https_and_ssl_redirect_leaves_http_one_rule() -> None:
    assert [(each.port, each.protocol) for each in made(ingress(path("/"), certificate_arn="arn:a")).listeners] == [
        (443, "HTTPS")]
    ports = [{"HTTP": 80}, {"HTTPS": 443}]
    stack = made(ingress(path("/"), certificate_arn="arn:a, arn:b", listen_ports=ports, ssl_redirect="443"))
    http, https = stack.listeners
    assert (http.rules, http.default["RedirectConfig"]) == (
        (), {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"})
    assert (https.certificates, len(https.rules)) == (("arn:a", "arn:b"), 1)


def test_actions_and_conditions_of_annotations() -> None:
    said = made(ingress(
        path("/split", "split", port="use-annotation"), path("/gone", "gone", port="use-annotation"),
        path("/web"), host="shop.test",
        actions__split={"type": "forward", "forwardConfig": {"targetGroups": [
            {"serviceName": "web", "servicePort": 80, "weight": 90},
            {"serviceName": "api", "servicePort": "80", "weight": 10}]}},
        actions__gone={"type": "fixed-response", "fixedResponseConfig": {"statusCode": "410"}},
        conditions__web=[{"field": "http-header", "httpHeaderConfig": {"httpHeaderName": "X-Beta", "values": ["1"]}}],
    )).listeners[0].rules
    by_path = {rule.conditions[-1]["PathPatternConfig"]["Values"][0]: rule for rule in said}
    split = by_path["/split"].action["ForwardConfig"]["TargetGroups"]
    assert [(each["TargetGroupArn"].service, each["Weight"]) for each in split] == [("web", 90), ("api", 10)]
    assert by_path["/gone"].action == {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "410"}}
    assert by_path["/web"].conditions[0] == {
        "Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Beta", "Values": ["1"]}}
    assert by_path["/web"].conditions[1]["HostHeaderConfig"] == {"Values": ["shop.test"]}


def test_a_missing_service_answers_503_and_no_default_404() -> None:
    stack = made(ingress(path("/", "nobody")))
    assert (stack.listeners[0].rules[0].action, stack.listeners[0].default) == (NO_SERVICE, NOT_FOUND)
    assert made(ingress(default="web")).listeners[0].default["Type"] == "forward"


def test_a_group_shares_listeners_in_group_order() -> None:
    first = ingress(path("/b"), name="b", group__name="front", group__order="1")
    second = ingress(path("/a"), name="a", group__name="front", group__order="2",
                     listen_ports=[{"HTTP": 80}, {"HTTP": 8080}])
    stack = made(second, first, group="front")
    assert stack.name.startswith("k8s-front-")
    assert patterns(stack) == [["/b", "/b/*"], ["/a", "/a/*"]]
    assert patterns(stack, 1) == [["/a", "/a/*"]]
    assert stack.tags["ingress.k8s.aws/stack"] == "front"


WRONG = [
    ({"scheme": "public"}, "unknown scheme: public"),
    ({"listen_ports": "80"}, "failed to parse listen-ports"),
    ({"listen_ports": "[{"}, "failed to parse json annotation"),
    ({"ssl_redirect": "443"}, "listener does not exist for SSLRedirect port: 443"),
    ({"listen_ports": [{"HTTPS": 443}]}, "no certificate found for host"),
    ({"healthcheck_interval_seconds": "5s"}, "failed to parse int64 annotation"),
    ({"target_type": "pod"}, "unknown target-type: pod"),
    ({"tags": "a"}, "failed to parse stringMap annotation"),
]


@pytest.mark.parametrize(("annotations", "why"), WRONG)
def test_what_cannot_be_made_is_said(annotations: dict[str, Any], why: str) -> None:
    with pytest.raises(ModelError, match=why):
        made(ingress(path("/"), **annotations))


def test_more_that_cannot_be_made() -> None:
    with pytest.raises(ModelError, match=r"missing actions\.x configuration"):
        made(ingress(path("/", "x", port="use-annotation")))
    with pytest.raises(ModelError, match="unable to find port 81 on service shop/web"):
        made(ingress(path("/", port=81)))
    with pytest.raises(ModelError, match="prefix path shouldn't contain wildcards"):
        made(ingress(path("/a*")))
    with pytest.raises(ModelError, match="conflicting scheme"):
        made(ingress(path("/"), scheme="internal"), ingress(path("/"), name="b", scheme="internet-facing"), group="g")
