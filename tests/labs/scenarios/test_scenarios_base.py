"""Seeds, values and the registry: what holds for every lab without any service running."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from labs.errors import PermanentError
from labs.scenarios import Lab, Session, attempt, registry, settle
from labs.scenarios.base import shuffled
from labs.scenarios.registration import _register

SEEDS = [bytes([n]) * 32 for n in range(1, 6)]


@pytest.mark.parametrize("lab", registry().values(), ids=registry())
def test_values_are_a_pure_function_of_the_seed(lab: Lab) -> None:
    assert lab.values(SEEDS[0]) == lab.values(SEEDS[0])


@pytest.mark.parametrize("lab", registry().values(), ids=registry())
def test_learners_get_different_values(lab: Lab) -> None:
    assert len({json.dumps(lab.values(seed), sort_keys=True) for seed in SEEDS}) == len(SEEDS)


@pytest.mark.parametrize("lab", registry().values(), ids=registry())
def test_values_are_json(lab: Lab) -> None:
    assert json.loads(json.dumps(lab.values(SEEDS[0]))) == lab.values(SEEDS[0])


def test_settled_values_name_the_account_and_keep_no_placeholder() -> None:
    for lab in registry().values():
        settled = settle(lab.values(SEEDS[0]), "111122223333")
        assert settled["account"] == "111122223333"
        assert "{account}" not in json.dumps(settled)
        assert settle(settled, "111122223333") == settled


def test_a_lab_without_services_is_refused() -> None:
    class Nameless(Lab):
        id = "x1"

    with pytest.raises(PermanentError, match="id, title and needs"):
        _register({}, Nameless())


def test_two_labs_of_one_id_are_refused() -> None:
    one = next(iter(registry().values()))
    with pytest.raises(PermanentError, match="two labs are called"):
        _register({one.id: one}, type(one)())


def test_an_unknown_fault_is_refused_with_the_names_there_are() -> None:
    class Account:
        account = "111122223333"

    session = Session(registry()["b1"], Account(), SEEDS[0])
    with pytest.raises(PermanentError, match="forgotten-deny"):
        session.break_("no-such-fault")


def test_shuffling_keeps_every_item_and_depends_on_seed_and_label() -> None:
    items = list(range(12))
    assert sorted(shuffled(SEEDS[0], "a", items)) == items
    assert shuffled(SEEDS[0], "a", items) != shuffled(SEEDS[1], "a", items)
    assert shuffled(SEEDS[0], "a", items) != shuffled(SEEDS[0], "b", items)


MESSAGE = 'User: arn:aws:iam::111122223333:user/a is not authorized to perform: s3:GetObject on resource: "x" '


@pytest.mark.parametrize(
    ("message", "verdict", "by"),
    [
        ("because no identity-based policy allows the s3:GetObject action", "implicit deny", "identity-based policy"),
        ("because no permissions boundary allows the s3:GetObject action", "implicit deny", "permissions boundary"),
        ("because no role trust policy allows the sts:AssumeRole action", "implicit deny", "resource-based policy"),
        ("with an explicit deny in an identity-based policy", "explicit deny", "identity-based policy"),
        ("with an explicit deny in a service control policy: arn:aws:x", "explicit deny", "service control policy"),
        ("with an explicit deny in a VPC endpoint policy", "explicit deny", "VPC endpoint policy"),
        ("", "deny", ""),
    ],
)
def test_an_outcome_is_read_from_the_words_of_the_denial(message: str, verdict: str, by: str) -> None:
    def call() -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": MESSAGE + message}}, "GetObject")

    outcome = attempt(call)
    assert (outcome.verdict, outcome.by, outcome.denied) == (verdict, by, True)


def test_another_error_is_no_denial() -> None:
    def call() -> None:
        raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "The key does not exist"}}, "GetObject")

    outcome = attempt(call)
    assert outcome.verdict == "error"
    assert not outcome.denied
    assert not outcome.allowed
