"""Lab b3 on a real gateway: starts, breaks, repairs, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import pytest

from labs.aws.account import AwsAccount
from labs.scenarios import Session, attempt, registry

SEED = b"test of lab b3, any 32 bytes do!"


@pytest.fixture
def session(endpoint: str, request: pytest.FixtureRequest) -> Iterator[Session]:
    account = str(300_000_000_000 + crc32(request.node.name.encode()))
    one = Session(registry()["b3"], AwsAccount(endpoint, account), SEED)
    yield one
    one.reset()


def test_prepare_brings_the_declared_start_twice_and_the_job_works(session: Session) -> None:
    for _ in range(2):
        session.prepare()
        assert set(session.observe().values()) == {"allowed"}
        role = session.values["deployer"]
        assert session.client("iam").list_role_policies(RoleName=role)["PolicyNames"] == ["everything"]
        status = session.client("cloudtrail").get_trail_status(Name=session.values["trail"])
        assert status["IsLogging"]
        assert "LatestDeliveryError" not in status


def test_the_solution_lets_the_job_work_and_nobody_else(session: Session) -> None:
    session.prepare()
    session.lab.solution(session.aws, session.values)
    assert set(session.observe().values()) == {"allowed"}
    thief = session.client("s3", as_="deployer")
    assert attempt(lambda: thief.get_object(Bucket=session.values["photos"], Key="customer-1.txt")).denied
    session.break_("quick-fix")
    assert attempt(lambda: thief.get_object(Bucket=session.values["photos"], Key="customer-1.txt")).allowed
    session.prepare()
    role = session.values["deployer"]
    assert session.client("iam").list_role_policies(RoleName=role)["PolicyNames"] == ["everything"]


def test_reset_leaves_nothing_and_spares_what_is_not_the_labs(session: Session) -> None:
    session.prepare()
    session.client("iam").create_user(UserName="somebody-else")
    removed = session.reset()
    assert f"trail {session.values['trail']}" in removed
    assert [user["UserName"] for user in session.client("iam").list_users()["Users"]] == ["somebody-else"]
    assert session.client("iam").list_roles()["Roles"] == session.client("s3").list_buckets()["Buckets"] == []
    assert session.client("lambda").list_functions()["Functions"] == []
    assert session.client("cloudtrail").list_trails()["Trails"] == []
    assert session.reset() == []


class Killed(BaseException):
    """Stands for the kernel's end in the middle of a call."""


@pytest.mark.parametrize("after", [3, 14, 22, 26, 31, 36, 39])
def test_a_kill_in_the_middle_is_repaired(session: Session, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert set(session.observe().values()) == {"allowed"}


def test_values_come_from_the_seed() -> None:
    one, other = (registry()["b3"].values(seed) for seed in (SEED, b"another seed"))
    assert one == registry()["b3"].values(SEED)
    assert all(one[name] != other[name] for name in ("suffix", "bucket", "canary", "trail_arn"))
