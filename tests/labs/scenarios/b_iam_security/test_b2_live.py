"""Lab b2 on a real gateway: starts, runs its pods and jobs, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import pytest

from labs.aws.account import AwsAccount
from labs.errors import PermanentError, TemporaryError
from labs.scenarios import Session, registry
from labs.scenarios.b_iam_security import b2
from labs.scenarios.b_iam_security.pods import run_pod
from labs.visuals import credential_path

SEED = b"test of lab b2, any 32 bytes do!"
REFUSED = "denied (Not authorized to perform sts:AssumeRoleWithWebIdentity)"
STARTED = {
    "access keys of the bots and the one who left": 3,
    "the pod takes the role": REFUSED,
    "the CI job takes the role": REFUSED,
    "a fork's job takes the role": REFUSED,
}
SOLVED = {**STARTED, "access keys of the bots and the one who left": 0}
SOLVED |= {"the pod takes the role": "allowed", "the CI job takes the role": "allowed"}


@pytest.fixture
def session(endpoint: str, request: pytest.FixtureRequest) -> Iterator[Session]:
    account = str(300_000_000_000 + crc32(request.node.name.encode()))
    one = Session(registry()["b2"], AwsAccount(endpoint, account), SEED)
    yield one
    one.reset()


def _everything(session: Session) -> list[str]:
    iam, s3, eks, ec2 = (session.aws.client(service) for service in ("iam", "s3", "eks", "ec2"))
    there = [user["UserName"] for user in iam.list_users()["Users"]]
    there += [role["RoleName"] for role in iam.list_roles()["Roles"]]
    there += [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    there += [provider["Arn"] for provider in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    there += [profile["Arn"] for profile in iam.list_instance_profiles()["InstanceProfiles"]]
    there += eks.list_clusters()["clusters"]
    running = ec2.describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["running"]}])
    return there + [item["InstanceId"] for found in running["Reservations"] for item in found["Instances"]]


def test_prepare_brings_the_declared_start_again_after_anything(session: Session) -> None:
    session.prepare()
    assert session.observe() == STARTED
    session.lab.solution(session.aws, session.values)
    assert session.observe() == SOLVED
    session.prepare()
    session.prepare()
    assert session.observe() == STARTED


def test_pod_has_one_identity_in_three_ways(session: Session) -> None:
    session.prepare()
    values = session.values
    keys = session.run("pod", identity="keys")
    assert f":user/{values['app_bot']}" in keys
    assert "AWS_SECRET_ACCESS_KEY" in keys
    session.lab.solution(session.aws, values)
    web, pod = session.run("pod", identity="web identity"), session.run("pod", identity="pod identity")
    assert f":assumed-role/{values['app_role']}/{values['app']}" in web
    assert f":assumed-role/{values['shared_role']}/eks-" in pod
    for said in (web, pod):
        assert "SECRET" not in said
        assert f"bytes of {values['key']}" in said
    with pytest.raises(PermanentError, match="Choose one of"):
        session.run("pod", identity="luck")


def test_stolen_session_is_there_only_after_the_theft(session: Session) -> None:
    session.prepare()
    with pytest.raises(PermanentError, match="stolen-session"):
        session.client("s3", as_="thief")
    session.break_("stolen-session")
    thief = session.client("s3", as_="thief")
    thief.get_object(Bucket=session.values["bucket"], Key=session.values["key"])
    session.prepare()
    with pytest.raises(PermanentError, match="stolen-session"):
        session.client("s3", as_="thief")


def test_reset_leaves_nothing_and_may_run_twice(session: Session) -> None:
    before = _everything(session)
    session.prepare()
    session.lab.solution(session.aws, session.values)
    session.run("pod", identity="pod identity")
    assert session.reset()
    assert _everything(session) == before
    assert session.reset() == []


def test_another_process_may_take_over_the_issuers(session: Session) -> None:
    session.prepare()
    session.lab.solution(session.aws, session.values)
    token = session.run("token")
    b2._stop(session.aws)  # as if the kernel had been restarted: other keys, another port
    assert session.observe()["the pod takes the role"] == "allowed"
    assert b2.attempt(lambda: b2.assume_with(session.aws, session.values["app_role"], token, "old")).code == (
        "InvalidIdentityToken"
    )


def test_path_of_credentials_is_read_from_the_trail(session: Session) -> None:
    session.prepare()
    values, trail = session.values, session.client("cloudtrail")
    operator = session.client("sts", as_="operator")
    role = f"arn:aws:iam::{session.aws.account}:role/{values['app_role']}"
    tags = [{"Key": "folder", "Value": "x"}]
    answer = operator.assume_role(RoleArn=role, RoleSessionName="look", Tags=tags)
    session.aws.client_as("sts", **b2.keys_of(answer)).get_caller_identity()
    text = credential_path(trail, answer["Credentials"]["AccessKeyId"]).text
    words = ["User", values["operator"], "signs AssumeRole with AKIA", "Role", role, "Session", "assumed-role"]
    words += ["session tag folder = x", "sts:GetCallerIdentity  allowed"]
    places = [text.find(word) for word in words]
    assert -1 not in places
    assert places == sorted(places)
    session.lab.solution(session.aws, values)
    pod = b2.pod_identity(session.aws, values)
    found = credential_path(trail, pod["Credentials"]["AccessKeyId"])
    assert f"service account {values['app']} in namespace {values['namespace']}" in found.text
    assert found.svg.startswith("<svg")
    assert 'role="img"' in found.svg


def test_pod_that_fails_says_why() -> None:
    with pytest.raises(TemporaryError, match="status 3"):
        run_pod("import sys; sys.exit(3)", {})
    said = run_pod("import os; print(sorted(os.environ), open('token').read())", {"TOKEN": "{files}/t"}, {"token": "x"})
    assert said.split("] ")[1].strip() == "x"
    assert "AWS_ACCESS_KEY_ID" not in said
