"""The path of credentials, from events as CloudTrail writes them."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from labs.errors import PermanentError
from labs.visuals import credential_path

PROVIDER = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
SUBJECT = "repo:acme@1/shop@2:ref:refs/heads/main"


def issued(key: str, who: dict[str, Any], name: str = "AssumeRole", when: int = 0, **request: Any) -> dict[str, Any]:
    return {
        "eventTime": f"2026-11-25T03:00:{when:02}Z",
        "eventSource": "sts.amazonaws.com",
        "eventName": name,
        "userIdentity": who,
        "requestParameters": {"roleArn": f"arn:aws:iam::111122223333:role/{key}", **request},
        "responseElements": {
            "credentials": {"accessKeyId": key, "expiration": "Nov 25, 2026, 04:00:00 AM"},
            "assumedRoleUser": {"arn": f"arn:aws:sts::111122223333:assumed-role/{key}/s"},
        },
    }


def made(key: str, name: str, error: str = "", when: int = 30) -> dict[str, Any]:
    who = {"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/x/s", "accessKeyId": key}
    found = {"eventTime": f"2026-11-25T03:00:{when:02}Z", "eventSource": "iam.amazonaws.com", "eventName": name}
    return {**found, "userIdentity": who, **({"errorCode": error} if error else {})}


def words(path: Any) -> list[str]:
    return [stop.word for stop in path.stops]


def test_job_begins_with_a_signed_token() -> None:
    who = {"type": "WebIdentityUser", "userName": SUBJECT, "identityProvider": PROVIDER}
    who["principalId"] = f"{PROVIDER}:sts.amazonaws.com:{SUBJECT}"
    events = [issued("ASIAJOB", who, "AssumeRoleWithWebIdentity"), made("ASIAJOB", "ListUsers", "AccessDenied")]
    path = credential_path(events, "ASIAJOB")
    assert words(path) == ["CI job", "Role", "Session", "Calls"]
    assert "shows a token for sts.amazonaws.com, signed by token.actions.githubusercontent.com" in path.text
    assert "iam:ListUsers  AccessDenied" in path.text


def test_chain_of_roles_is_followed_to_the_key_it_began_with() -> None:
    user = {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/ann", "accessKeyId": "AKIAANN"}
    first = {"type": "AssumedRole", "arn": "arn:…", "accessKeyId": "ASIAONE"}
    events = [issued("ASIAONE", user, when=1), issued("ASIATWO", first, when=2)]
    path = credential_path(events, "ASIATWO")
    assert words(path) == ["User", "Role", "Session", "Role", "Session", "Calls"]
    assert "valid until somebody deletes it" in path.text
    assert "none in the trail yet" in path.text


def test_service_takes_a_role_for_its_resource() -> None:
    path = credential_path([issued("ASIAEC2", {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"})], "ASIAEC2")
    assert (words(path)[0], path.stops[0].name) == ("AWS service", "ec2.amazonaws.com")


def test_loop_of_keys_ends() -> None:
    who = {"type": "AssumedRole", "arn": "arn:…", "accessKeyId": "ASIALOOP"}
    assert len(credential_path([issued("ASIALOOP", who)], "ASIALOOP").stops) < 20


def test_unknown_key_says_what_to_do() -> None:
    with pytest.raises(PermanentError, match="GetCallerIdentity"):
        credential_path([], "ASIANONE")


def test_picture_is_valid_labelled_and_the_same_each_time() -> None:
    user = {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/<ann> & co", "accessKeyId": "AKIAANN"}
    events = [issued("ASIAONE", user), *(made("ASIAONE", f"Get{n}", when=10 + n) for n in range(9))]
    path = credential_path(events, "ASIAONE")
    root = ElementTree.fromstring(path.svg)
    named = {child.tag.rpartition("}")[2] for child in root}
    assert {"title", "desc"} <= named
    assert path.svg == credential_path(events, "ASIAONE").svg
    assert "3 earlier calls" in path.text
    assert path._repr_mimebundle_()["text/plain"] == path.text
