"""Lab b1 on a real gateway: starts, breaks, repairs, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import pytest

from labs.aws.account import AwsAccount
from labs.scenarios import Session, attempt, registry, settle
from labs.scenarios.b_iam_security.b1 import ADMINISTRATOR
from labs.scenarios.b_iam_security.cases import _pool, stage
from labs.scenarios.creation import access_key

SEED = b"test of lab b1, any 32 bytes do!"
STARTED = {
    "alice lists her folder": "implicit deny by the identity-based policy",
    "alice reads her file": "implicit deny by the identity-based policy",
    "alice sends an order": "implicit deny by the identity-based policy",
    "restore reads the backup": "implicit deny by the identity-based policy",
}
TRUTH = {
    "bucket names user": "allowed",
    "bucket names session": "allowed",
    "all but iam": "allowed",
    "both say yes": "allowed",
    "allow and deny": "explicit deny by the identity-based policy",
    "bucket says no": "explicit deny by the resource-based policy",
    "boundary says no": "explicit deny by the permissions boundary",
    "session says no": "explicit deny by the session policy",
    "no policy": "implicit deny by the identity-based policy",
    "boundary elsewhere": "implicit deny by the permissions boundary",
    "bucket names role": "implicit deny by the permissions boundary",
    "narrow session": "implicit deny by the session policy",
    "bucket names account": "implicit deny by the identity-based policy",
    "wrong network": "implicit deny by the identity-based policy",
    "trust forgets": "implicit deny by the resource-based policy",
    "key for another": "implicit deny by the resource-based policy",
}


@pytest.fixture
def session(endpoint: str, request: pytest.FixtureRequest) -> Iterator[Session]:
    account = str(300_000_000_000 + crc32(request.node.name.encode()))
    one = Session(registry()["b1"], AwsAccount(endpoint, account), SEED)
    yield one
    one.reset()


def _everything(session: Session) -> list[str]:
    iam, s3, sqs = (session.aws.client(service) for service in ("iam", "s3", "sqs"))
    there = [user["UserName"] for user in iam.list_users()["Users"]]
    there += [role["RoleName"] for role in iam.list_roles()["Roles"]]
    there += [policy["PolicyName"] for policy in iam.list_policies(Scope="Local")["Policies"]]
    there += [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    return there + sqs.list_queues().get("QueueUrls", [])


def test_prepare_brings_the_declared_start(session: Session) -> None:
    session.prepare()
    assert session.observe() == STARTED


def test_prepare_twice_changes_nothing(session: Session) -> None:
    session.prepare()
    before = _everything(session)
    session.prepare()
    assert _everything(session) == before


def test_the_solution_makes_the_work_succeed_under_every_repaired_gate(session: Session) -> None:
    session.prepare()
    session.lab.solution(session.aws, session.values)
    assert set(session.observe().values()) == {"allowed"}


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("forgotten-deny", "explicit deny by the identity-based policy"),
        ("tight-boundary", "implicit deny by the permissions boundary"),
        ("locked-bucket", "explicit deny by the resource-based policy"),
    ],
)
def test_each_fault_breaks_a_working_lab_and_prepare_takes_it_back(session: Session, fault: str, seen: str) -> None:
    session.prepare()
    session.lab.solution(session.aws, session.values)
    session.break_(fault)
    session.break_(fault)
    assert session.observe()["alice reads her file"] == seen
    session.prepare()
    assert session.observe() == STARTED


def test_the_guardrail_stops_the_administrator_until_prepare_takes_it_back(session: Session) -> None:
    session.prepare()
    iam, name = session.aws.client("iam"), f"admin-{session.values['suffix']}"
    iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=ADMINISTRATOR)
    s3 = session.aws.client_as("s3", **access_key(session.aws, name))
    vault = session.values["vault"]
    session.break_("guardrail")
    seen = attempt(lambda: s3.delete_object(Bucket=vault, Key="keys/master.txt"))
    assert str(seen) == "explicit deny by the service control policy"
    session.prepare()
    assert attempt(lambda: s3.delete_object(Bucket=vault, Key="keys/master.txt")).allowed


def test_reset_leaves_nothing_and_says_what_it_removed(session: Session) -> None:
    before = _everything(session)
    session.prepare()
    for fault in session.lab.faults:
        session.break_(fault)
    suffix = session.values["suffix"]
    session.aws.client("iam").create_user(UserName=f"made-by-the-learner-{suffix}")
    removed = session.reset()
    assert _everything(session) == before
    assert f"user made-by-the-learner-{suffix}" in removed
    assert any(line.startswith(f"bucket {session.values['bucket']} with") for line in removed)
    assert session.reset() == []


def test_reset_spares_what_is_not_the_labs(session: Session) -> None:
    session.prepare()
    session.aws.client("iam").create_user(UserName="somebody-else")
    session.reset()
    assert "somebody-else" in _everything(session)


class Killed(BaseException):
    """Stands for the kernel's end in the middle of a call."""


@pytest.mark.parametrize("after", [1, 4, 9, 15])
def test_a_kill_in_the_middle_of_prepare_is_repaired(
    session: Session, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import botocore.client

    real, calls = botocore.client.BaseClient._make_api_call, iter(range(1000))

    def killed(self, name, params):
        if next(calls) == after:
            raise Killed
        return real(self, name, params)

    with monkeypatch.context() as patch:
        patch.setattr(botocore.client.BaseClient, "_make_api_call", killed)
        with pytest.raises(Killed):
            session.prepare()
    session.prepare()
    assert session.observe() == STARTED


def test_the_endpoint_answers_each_case_as_aws_does(session: Session) -> None:
    session.prepare()
    operator = access_key(session.aws, session.values["operator"])
    cases = [case for group in _pool(session.values["suffix"]).values() for case in group]
    seen = {}
    for case in settle({"cases": cases}, session.aws.account)["cases"]:
        seen[case["title"]] = str(attempt(stage(session.aws, session.values, case, operator)))
    assert seen == TRUTH
