"""Lab b4 on a real gateway: starts, breaks, repairs, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import pytest

from labs.aws.account import AwsAccount
from labs.scenarios import Session, registry
from labs.scenarios.b_iam_security.b4 import another_account, detector_id, external, principal

SEED = b"test of lab b4, any 32 bytes do!"
CLOSED = "implicit deny by the resource-based policy"


@pytest.fixture
def session(endpoint: str, request: pytest.FixtureRequest) -> Iterator[Session]:
    account = str(300_000_000_000 + crc32(request.node.name.encode()))
    one = Session(registry()["b4"], AwsAccount(endpoint, account), SEED)
    yield one
    one.reset()


def started(session: Session) -> dict[str, str]:
    """What ``observe`` says after ``prepare``."""
    return {
        "the partner reads the report": "allowed",
        "a stranger reads the report": CLOSED,
        "a stranger overwrites cart.js": CLOSED,
        "the web server reads cart.js": "allowed",
        "the thief reads cart.js": "allowed",
        "active findings about the site bucket": session.values["sync_arn"],
    }


def findings_of(session: Session) -> set[str]:
    """Types of the detector's findings, without those about the root user, as whom this test calls."""
    client, detector = session.client("guardduty"), detector_id(session.aws)
    ids = client.list_findings(DetectorId=detector)["FindingIds"]
    found = client.get_findings(DetectorId=detector, FindingIds=ids)["Findings"] if ids else []
    return {one["Type"] for one in found} - {"Policy:IAMUser/RootCredentialUsage"}


def test_prepare_brings_the_declared_start_twice(session: Session) -> None:
    for _ in range(2):
        session.prepare()
        assert session.observe() == started(session)
        found = {
            (one["resource"].rpartition(":")[2].rpartition("/")[2], principal(one))
            for one in external(session.aws, session.values)
            if one["status"] == "ACTIVE"
        }
        values = session.values
        assert found == {
            (values["site"], values["sync_arn"]),
            (values["queue"], values["sync_arn"]),
            (values["support"], values["contractor_account"]),
        }


def test_the_incident_opens_the_bucket_and_is_found(session: Session) -> None:
    session.prepare()
    assert findings_of(session) == set()
    session.break_("stolen-credentials")
    seen = session.observe()
    assert seen["a stranger overwrites cart.js"] == "allowed"
    assert seen["active findings about the site bucket"].startswith("*, ")
    assert {
        "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS",
        "Policy:S3/BucketAnonymousAccessGranted",
        "Policy:S3/BucketBlockPublicAccessDisabled",
        "Discovery:IAMUser/AnomalousBehavior",
    } <= findings_of(session)


def test_the_solution_closes_the_door_and_contains_the_thief(session: Session) -> None:
    session.prepare()
    session.break_("stolen-credentials")
    session.lab.solution(session.aws, session.values)
    assert session.observe() == {
        **started(session),
        "the thief reads cart.js": "explicit deny by the identity-based policy",
    }


def test_prepare_takes_the_incident_and_the_repair_back(session: Session) -> None:
    session.prepare()
    session.break_("stolen-credentials")
    session.break_("stolen-credentials")
    session.lab.solution(session.aws, session.values)
    session.prepare()
    assert session.observe() == started(session)
    body = session.client("s3").get_object(Bucket=session.values["site"], Key="cart.js")["Body"].read()
    assert b"skimmer" not in body


def test_reset_leaves_nothing_and_spares_what_is_not_the_labs(session: Session) -> None:
    client = session.client("guardduty")
    session.prepare()
    session.break_("stolen-credentials")
    session.client("iam").create_user(UserName="somebody-else")
    removed = session.reset()
    iam = session.client("iam")
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["somebody-else"]
    assert iam.list_roles()["Roles"] == session.client("s3").list_buckets()["Buckets"] == []
    assert client.list_detectors()["DetectorIds"] == []
    assert session.client("accessanalyzer").list_analyzers()["analyzers"] == []
    there = another_account(session.aws, session.values["partner_account"]).client("iam")
    assert there.list_roles()["Roles"] == []
    assert any(line.startswith("analyzer ") for line in removed)
    assert session.reset() == []
    own = client.create_detector(Enable=True)["DetectorId"]
    session.prepare()
    session.reset()
    assert client.list_detectors()["DetectorIds"] == [own]


class Killed(BaseException):
    """Stands for the kernel's end in the middle of a call."""


@pytest.mark.parametrize("after", [2, 7, 15, 22, 27])
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
    assert session.observe() == started(session)


def test_values_come_from_the_seed_and_addresses_are_documentation_addresses() -> None:
    one, other = (registry()["b4"].values(seed) for seed in (SEED, b"another seed"))
    assert one == registry()["b4"].values(SEED)
    assert all(one[name] != other[name] for name in ("suffix", "instance", "partner_account", "sync"))
    assert one["egress"].startswith("203.0.113.")
    assert one["attacker"].startswith("198.51.100.")
