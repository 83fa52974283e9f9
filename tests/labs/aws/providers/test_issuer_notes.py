"""Issuers that a note in the state folder makes reachable for every account."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from labs.aws.gateway.calls import AwsError
from labs.aws.issuer import ClusterIssuer
from labs.aws.providers.web_identity import IssuerKeys

ISSUER = "D539D4633E53DE1B716D3041E7E4A6B1"


def note(folder: Path, **about: object) -> IssuerKeys:
    (folder / "one.json").write_text(json.dumps(about))
    return IssuerKeys(folder)


@pytest.mark.parametrize("keys", ["", "/keys"])
def test_keys_are_read_where_the_note_says(tmp_path: Path, keys: str) -> None:
    with ClusterIssuer(ISSUER) as issuer:
        known = note(tmp_path, issuer=issuer.url, location=issuer.location, keys=keys, cluster=True)
        found = asyncio.run(known.find("111122223333", issuer.url, issuer.key_id))
        assert [each["kid"] for each in found] == [issuer.key_id]
        assert known.of_cluster("111122223333", "any") == issuer.url


def test_an_announcement_for_an_account_goes_before_the_note(tmp_path: Path) -> None:
    with ClusterIssuer(ISSUER) as noted, ClusterIssuer(ISSUER) as announced:
        known = note(tmp_path, issuer=noted.url, location=noted.location)
        known.route("111122223333", announced.url, announced.location)
        assert asyncio.run(known.find("111122223333", noted.url, announced.key_id))
        assert not asyncio.run(known.find("444455556666", noted.url, announced.key_id))


@pytest.mark.parametrize("about", [
    {"issuer": ClusterIssuer.url_of(ISSUER), "location": "http://192.0.2.1:1"},
    {"issuer": ClusterIssuer.url_of(ISSUER)}, {"some": "thing"}])
def test_a_note_that_leads_nowhere_or_off_this_machine_counts_for_nothing(
    tmp_path: Path, about: dict[str, str]
) -> None:
    known = note(tmp_path, **about)
    with pytest.raises(AwsError, match="could not be reached"):
        asyncio.run(known.find("111122223333", ClusterIssuer.url_of(ISSUER), "k"))
    assert known.of_cluster("111122223333", "any") == ""
