"""Lab b5 on a real gateway: starts, breaks, rotates under traffic, and leaves nothing behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from labs.aws.account import AwsAccount
from labs.errors import PermanentError
from labs.scenarios import Session, attempt, registry
from labs.scenarios.b_iam_security.shop_run import ShopRun

ROOT = Path(__file__).resolve().parents[4]
SEED = b"test of lab b5, any 32 bytes do!"
STARTED = {"user by label": {"AWSCURRENT": "nobody"}, "rotation": False}


@pytest.fixture
def session(endpoint: str, request: pytest.FixtureRequest) -> Iterator[Session]:
    account = str(300_000_000_000 + crc32(request.node.name.encode()))
    one = Session(registry()["b5"], AwsAccount(endpoint, account), SEED)
    yield one
    one.reset()


@pytest.fixture
def shop(session: Session) -> Iterator[ShopRun]:
    session.prepare()
    running = session.start()
    yield running
    running.stop()


def _everything(session: Session) -> list[str]:
    iam, functions = session.aws.client("iam"), session.aws.client("lambda")
    there = [user["UserName"] for user in iam.list_users()["Users"]]
    there += [role["RoleName"] for role in iam.list_roles()["Roles"]]
    there += [one["FunctionName"] for one in functions.list_functions()["Functions"]]
    there += [group["logGroupName"] for group in session.aws.client("logs").describe_log_groups()["logGroups"]]
    return there + [one["ARN"] for one in session.aws.client("secretsmanager").list_secrets()["SecretList"]]


def test_prepare_brings_the_declared_start_and_twice_changes_nothing(session: Session) -> None:
    session.prepare()
    assert session.observe() == STARTED
    before = _everything(session)
    session.break_("locked-admin")
    session.prepare()
    assert (_everything(session), session.observe()) == (before, STARTED)
    rotation = session.client("secretsmanager", as_="rotation")
    assert attempt(lambda: rotation.get_secret_value(SecretId=session.values["admin_secret"])).allowed


@pytest.mark.parametrize("after", [1, 5, 9, 13])
def test_a_kill_in_the_middle_of_prepare_is_repaired(
    session: Session, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import botocore.client

    real, calls = botocore.client.BaseClient._make_api_call, iter(range(1000))

    class Killed(BaseException):
        """Stands for the kernel's end."""

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


def test_a_rotation_that_failed_is_attempted_again_and_prepare_gives_it_up(shop: ShopRun, session: Session) -> None:
    session.break_("locked-admin")
    failed = shop.rotate()
    assert (failed.succeeded, failed.step) == (False, "setSecret")
    assert session.values["admin_secret"] in failed.reason
    again = shop.rotate()
    assert again.version == failed.version
    assert "ResourceExistsException" in again.reason  # the lab's create_secret minds being called again
    session.prepare()
    assert shop.version("AWSPENDING") == ""
    assert shop.rotate().succeeded


def test_the_solution_rotates_and_alternates_unnoticed_and_leaks_nothing(shop: ShopRun, session: Session) -> None:
    session.lab.solution(session.aws, session.values)
    name, reads = session.values["db_user"], shop.reads()
    rotations, report = shop.under_traffic(lambda: [shop.rotate(), shop.rotate()])
    assert [str(one) for one in rotations if not one.succeeded] == []
    assert report.failed == []
    users = {"AWSCURRENT": name, "AWSPREVIOUS": f"{name}_clone"}
    assert session.observe() == {"user by label": users, "rotation": True}
    assert shop.leaks() == []
    assert shop.reads() - reads <= 2
    assert "createSecret" in shop.function_log()


def test_a_development_login_is_found_in_the_environment(shop: ShopRun) -> None:
    assert shop.leaks() == []
    shop.restart(development=True)
    assert shop.leaks() == ["the shop's environment"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os\nconnect = None", "no function connect"),
        ("def connect(:", "SyntaxError"),
        ("raise RuntimeError('not today')", "RuntimeError: not today"),
    ],
)
def test_a_way_to_connect_that_cannot_be_defined_is_reported(
    shop: ShopRun, session: Session, source: str, reason: str
) -> None:
    with pytest.raises(PermanentError, match=reason):
        shop.restart(connecting=source)


def test_somebody_elses_way_to_connect_runs_in_the_shop_and_without_root(shop: ShopRun) -> None:
    shop.restart(connecting="import os\nprint('user', os.getuid(), 'process', os.getpid())\ndef connect(*_): pass")
    user, process = next(line for line in shop.log().splitlines() if line.startswith("user")).split()[1::2]
    assert int(process) != os.getpid()
    above = {*Path(os.__file__).resolve().parents, *ROOT.parents, Path(sys.prefix)}
    if os.getuid() == 0 and all(folder.stat().st_mode & 1 for folder in above):
        assert user == "65534"


def test_reset_leaves_nothing_and_says_what_it_removed(session: Session) -> None:
    before = _everything(session)
    session.prepare()
    session.start().stop()
    removed = session.reset()
    assert _everything(session) == before
    assert f"secret {session.values['secret']}" in removed
    assert f"function {session.values['function']}" in removed
    assert session.reset() == []
