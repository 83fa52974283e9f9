"""What lab h2 hands out, without a cluster: its answers fit its own controllers, and differ from learner to learner."""

from __future__ import annotations

import yaml

from labs.aws.learner import seed
from labs.cluster.alb.model import Cluster, build
from labs.cluster.alb.naming import GroupId
from labs.cluster.ingress.flags import Listeners
from labs.scenarios.h_networking.h2 import H2, alb, gateway, migrated, nginx, routes, service

VALUES = [H2().values(seed(student)) for student in ("learner", "ada@example.org", "grace")]


def test_learners_get_other_names_and_the_same_eight_questions() -> None:
    assert len({each["host"] for each in VALUES}) == 3
    for values in VALUES:
        assert len({(case["host"].replace(values["host"], "HOST"), case["path"]) for case in values["cases"]}) == 8
        assert [case["id"] for case in values["cases"]] == [f"case-{number}" for number in range(1, 9)]
        assert values["similar"].startswith(values["prefix"])


def test_the_answer_becomes_a_load_balancer_with_the_header_before_the_shares() -> None:
    for values in VALUES:
        made = alb(values)
        made["metadata"]["namespace"] = "n"
        services = {("n", each): service(each) for each in values["apps"].values()}
        stack = build(GroupId("n", "shop"), [made], Cluster("labs", services, {}, ()))
        fields = [[each["Field"] for each in rule.conditions] for rule in stack.listeners[0].rules]
        assert fields == [["host-header", "path-pattern"], ["http-header", "host-header", "path-pattern"],
                          ["host-header", "path-pattern"]]
        weights = [each["Weight"] for each in stack.listeners[0].rules[2].action["ForwardConfig"]["TargetGroups"]]
        assert weights == [100 - values["share"], values["share"]]
        assert stack.scheme == "internet-facing"


def test_the_old_ingresses_say_what_the_routes_say() -> None:
    values = VALUES[0]
    old = list(yaml.safe_load_all("---\n".join(yaml.safe_dump(each) for each in nginx(values))))
    notes = old[1]["metadata"]["annotations"]
    assert notes["nginx.ingress.kubernetes.io/canary-weight"] == str(values["share"])
    shop = migrated(values)[1]["spec"]["rules"]
    assert [each["weight"] for each in shop[1]["backendRefs"]] == [100 - values["share"], values["share"]]
    assert shop[0]["matches"][0]["headers"][0]["name"] == notes["nginx.ingress.kubernetes.io/canary-by-header"]


def test_the_gateways_ports_are_those_of_the_proxy() -> None:
    listeners = gateway(Listeners(8081, 8444, 9000))["spec"]["listeners"]
    assert [(each["name"], each["port"]) for each in listeners] == [("http", 8081), ("https", 8444)]
    assert {each["spec"]["ingressClassName"] for each in (routes(VALUES[0]),)} == {"traefik"}
