"""What the webhook for EKS Pod Identity changes in a pod, as a table; with a real API server in tests/labs/cluster."""

from __future__ import annotations

from typing import Any

import pytest

from labs.aws.gateway.eks_pods import FOLDER, FULL_URI, VOLUME, changes

URI = "http://127.0.0.1:1/_eks/111122223333/shop/v1/credentials"


def applied(pod: dict[str, Any]) -> dict[str, Any]:
    """The pod after the patch, which adds only."""
    for change in changes(pod, URI, "us-east-1"):
        assert change["op"] == "add"
        *path, last = [int(word) if word.isdigit() else word for word in change["path"].strip("/").split("/")]
        where: Any = pod
        for word in path:
            where = where[word]
        if last == "-":
            where.append(change["value"])
        else:
            where[last] = change["value"]
    return pod


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container.get("env", [])}


@pytest.mark.parametrize("more", [
    {}, {"env": [], "volumeMounts": []}, {"env": [{"name": "A", "value": "1"}],
                                          "volumeMounts": [{"name": "data", "mountPath": "/data"}]}])
def test_every_container_gets_variables_and_token(more: dict[str, Any]) -> None:
    had = len(more.get("volumeMounts", []))
    main = {"name": "main", **more}
    pod = applied({"spec": {"initContainers": [{"name": "first"}], "containers": [main, {"name": "second"}]}})["spec"]
    for one in [*pod["initContainers"], *pod["containers"]]:
        assert variables(one)[FULL_URI] == URI
        assert variables(one)["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] == f"{FOLDER}/{VOLUME}"
        assert {"name": VOLUME, "mountPath": FOLDER, "readOnly": True} in one["volumeMounts"]
    assert len(pod["containers"][0]["volumeMounts"]) == 1 + had
    assert [volume["name"] for volume in pod["volumes"]] == [VOLUME]


def test_what_is_set_stays() -> None:
    own = {"name": "own", "env": [{"name": FULL_URI, "value": "http://127.0.0.1:2/v1/credentials"}]}
    region = {"name": "region", "env": [{"name": "AWS_REGION", "value": "eu-west-1"}]}
    pod = applied({"spec": {"containers": [own, region], "volumes": [{"name": "data"}]}})["spec"]
    assert pod["containers"][0] == own
    assert variables(pod["containers"][1])["AWS_REGION"] == "eu-west-1"
    assert [volume["name"] for volume in pod["volumes"]] == ["data", VOLUME]


def test_an_association_goes_before_an_annotation() -> None:
    token = {"name": "aws-iam-token", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount"}
    env = [{"name": "AWS_ROLE_ARN", "value": "arn"}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "token"},
           {"name": "MINE", "value": "1"}]
    own = {"name": "own", "env": [{"name": "AWS_ROLE_ARN", "value": "mine"}]}       # a container that was skipped
    pod = applied({"spec": {"volumes": [{"name": "aws-iam-token"}, {"name": "data"}],
                            "containers": [{"name": "main", "env": env, "volumeMounts": [token]}, own]}})["spec"]
    assert [volume["name"] for volume in pod["volumes"]] == ["data", VOLUME]
    assert [mount["name"] for mount in pod["containers"][0]["volumeMounts"]] == [VOLUME]
    assert {"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"}.isdisjoint(variables(pod["containers"][0]))
    assert variables(pod["containers"][0])["MINE"] == "1"
    assert variables(pod["containers"][1])["AWS_ROLE_ARN"] == "mine"


def test_nothing_is_done_twice_or_for_nobody() -> None:
    pod = applied({"spec": {"containers": [{"name": "main"}]}})
    assert changes(pod, URI, "us-east-1") == []
    own = {"name": "own", "env": [{"name": FULL_URI, "value": "http://127.0.0.1:2/v1/credentials"}]}
    assert changes({"spec": {"containers": [own]}}, URI, "us-east-1") == []
