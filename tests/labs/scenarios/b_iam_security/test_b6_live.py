"""Lab b6 on a real gateway: the attack from a jailed pod, door after door, and nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import pytest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount
from labs.scenarios import Session, registry
from labs.scenarios.b_iam_security.b6 import HARDENED, NODE_CALLS, SECRET, choose
from labs.scenarios.creation import access_key, ensure_user

SEED = b"test of lab b6, any 32 bytes do!"


@pytest.fixture
def session(endpoint: str, request: pytest.FixtureRequest) -> Iterator[Session]:
    account = str(300_000_000_000 + crc32(request.node.name.encode()))
    one = Session(registry()["b6"], AwsAccount(endpoint, account), SEED)
    one.lab.prepare(one.aws, one.values)
    yield one
    one.lab.reset(one.aws, one.values)


def got(site, *steps, **pod):
    return {step: seen["got"] for step, seen in site.intrude(*steps, use=False, **pod).items()}


def test_the_old_way_gives_the_customers_data_to_any_pod(session: Session):
    with session.lab.site(session) as site:
        seen = site.intrude("v1", "v2")
    for step in seen.values():
        assert step["arn"].endswith(f"assumed-role/{session.values['node_role']}/{site.instance}")
        assert step["reads"] == {SECRET: "allowed"}


@pytest.mark.parametrize(("options", "pod", "host"), [
    ({"HttpTokens": "required"}, ("HTTP 401", "credentials"), ("HTTP 401", "credentials")),
    ({"HttpPutResponseHopLimit": 1}, ("credentials", "no answer"), ("credentials", "credentials")),
    (HARDENED, ("HTTP 401", "no answer"), ("HTTP 401", "credentials")),
    ({"HttpEndpoint": "disabled"}, ("HTTP 403", "HTTP 403"), ("HTTP 403", "HTTP 403")),
])
def test_each_option_closes_what_it_says(session: Session, options: dict, pod: tuple, host: tuple):
    with session.lab.site(session) as site:
        site.node.modify(**options)
        assert tuple(got(site, "v1", "v2").values()) == pod
        assert tuple(got(site, "v1", "v2", host_network=True).values()) == host


def test_options_that_aws_refuses_change_nothing(session: Session):
    with session.lab.site(session) as site:
        with pytest.raises(ClientError, match="between 1 and 64"):
            site.node.modify(HttpTokens="required", HttpPutResponseHopLimit=65)
        assert got(site, "v1") == {"v1": "credentials"}


def test_the_solution_leaves_the_thief_nothing_and_the_application_its_folder(session: Session):
    session.lab.solution(session.aws, session.values)
    page, role = f"{session.values['folder']}/list.json", session.values["pod_role"]
    with session.lab.site(session) as site:
        site.node.modify(**HARDENED)
        thief = site.intrude("v2", keys=(SECRET, page), calls=NODE_CALLS, host_network=True)["v2"]
        own = site.intrude("environment", keys=(SECRET, page), role=role)["environment"]
        other = site.intrude("environment", role=role, service_account="batch")["environment"]["got"]
    assert [answer.partition(":")[0] for answer in thief["reads"].values()] == ["AccessDenied", "AccessDenied"]
    assert thief["calls"] == ["allowed"] * 3
    assert (own["reads"][SECRET].partition(":")[0], own["reads"][page]) == ("AccessDenied", "allowed")
    assert "EKS does not have permissions to assume the associated role" in other


def test_a_pod_without_an_association_finds_nothing_in_its_environment(session: Session):
    with session.lab.site(session) as site:
        assert got(site, "environment") == {"environment": "nothing there"}


def test_keys_in_the_environment_are_used_as_they_stand(session: Session):
    name = f"ci-{session.values['suffix']}"
    ensure_user(session.aws, name)
    keys = access_key(session.aws, name)
    variables = {"AWS_ACCESS_KEY_ID": keys["access_key_id"], "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"]}
    with session.lab.site(session) as site:
        seen = site.intrude("environment", environment=variables)["environment"]
    assert seen["arn"] == f"arn:aws:iam::{session.aws.account}:user/{name}"
    assert seen["reads"][SECRET].startswith("AccessDenied")


LISTENER = """
import socket
try:
    socket.create_connection(("127.0.0.1", PORT), 5)
except OSError:
    print("refused")
"""
SHORTHAND = """
import boto3, botocore.exceptions
try:
    boto3.client("sts", aws_access_key_id="test", aws_secret_access_key="test").get_caller_identity()
except botocore.exceptions.ClientError:
    print("refused")
"""


def test_pods_do_not_become_the_administrator(session: Session):
    with session.lab.site(session) as site:
        for code in (LISTENER.replace("PORT", session.aws.endpoint.rpartition(":")[2]), SHORTHAND):
            assert site.node.run(site.pod(), code).stdout == b"refused\n"


def test_prepare_takes_everything_back_and_runs_twice(session: Session):
    session.lab.solution(session.aws, session.values)
    for _ in range(2):
        session.lab.prepare(session.aws, session.values)
        assert session.observe() == {"v1": "credentials", "v2": "credentials"}


def test_reset_leaves_nothing_and_runs_twice(session: Session):
    session.lab.solution(session.aws, session.values)
    with session.lab.site(session) as site:
        site.pod(role=session.values["pod_role"])
    removed = session.lab.reset(session.aws, session.values)
    for kind in ("instance i-", "instance profile", "cluster ", "role node-", "role pages-", "bucket "):
        assert any(line.startswith(kind) for line in removed), (kind, removed)
    assert session.lab.reset(session.aws, session.values) == []


@pytest.mark.parametrize("number", range(20))
def test_every_learner_predicts_the_same_eight_attempts_in_an_order_of_their_own(number: int):
    cases = choose(bytes([number]) * 32)
    bare = [tuple(sorted((name, value) for name, value in case.items() if name != "id")) for case in cases]
    assert len(set(bare)) == 8
    assert [case["id"] for case in cases] == [f"case-{position}" for position in range(1, 9)]
    for half in (cases[:4], cases[4:]):
        assert sorted(case["version"] for case in half) == [1, 1, 2, 2]
