"""Images in repositories of ECR: pushed and pulled with passwords that IAM stands behind."""

from __future__ import annotations

import json

import pytest

from labs.cluster.images import credentials, transfer
from labs.cluster.images.layers import Item
from labs.cluster.images.names import Name
from labs.cluster.images.registry import RegistryError
from labs.cluster.images.store import Store
from labs.errors import PermanentError, TemporaryError
from tests.labs.cluster.images import making


@pytest.fixture
def store(tmp_path) -> Store:
    made = Store(tmp_path / "images")
    making.made_of(made, [Item("a", b"1" * 5000)], name="shop:1", Cmd=["x"])
    return made


@pytest.fixture
def home(tmp_path, gateway, monkeypatch):
    monkeypatch.setenv("LABS_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home/endpoints.json").write_text(json.dumps({"aws": gateway.endpoint}))
    return tmp_path / "home"


def test_node_pulls_what_was_pushed_to_ecr(store, home, account, tmp_path):
    account.client("ecr").create_repository(repositoryName="team/shop")
    name = Name.parse(f"{account.account}.dkr.ecr.us-east-1.amazonaws.com/team/shop:7")
    access = credentials.Ecr().access(name)
    assert access is not None
    digest = transfer.push(store, Name.parse("shop:1"), name, access)
    listed = account.client("ecr").describe_images(repositoryName="team/shop")["imageDetails"]
    assert [(each["imageDigest"], each["imageTags"]) for each in listed] == [(digest, ["7"])]
    other = Store(tmp_path / "other")
    assert transfer.pull(other, name, access)["digest"] == digest
    assert other.whole(other.find(name))
    for missing in (f"{name.repository_name}:8", f"{name.registry}/team/none:1"):
        with pytest.raises(RegistryError) as refused:
            transfer.pull(other, Name.parse(missing), access)
        assert refused.value.status == 404


def test_user_without_the_right_is_refused_by_iam(store, home, account):
    account.client("ecr").create_repository(repositoryName="shop")
    iam = account.client("iam")
    iam.create_user(UserName="dev")
    iam.put_user_policy(UserName="dev", PolicyName="token", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ecr:GetAuthorizationToken",
                                                "Resource": "*"}]}))
    key = iam.create_access_key(UserName="dev")["AccessKey"]
    keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    name = Name.parse(f"{account.account}.dkr.ecr.us-east-1.amazonaws.com/shop:1")
    access = credentials.Ecr(keys).access(name)
    assert access is not None
    with pytest.raises(RegistryError, match="is not authorized to perform: ecr:") as refused:
        transfer.push(store, Name.parse("shop:1"), name, access)
    assert refused.value.status == 403
    with pytest.raises(PermanentError, match="GetAuthorizationToken"):
        credentials.Ecr({**keys, "AWS_SECRET_ACCESS_KEY": "wrong"}).access(name)


def test_other_registries_and_no_endpoint(home):
    assert credentials.Ecr().access(Name.parse("registry.example/a")) is None
    (home / "endpoints.json").unlink()
    with pytest.raises(TemporaryError, match="lab up aws"):
        credentials.Ecr().access(Name.parse("111122223333.dkr.ecr.us-east-1.amazonaws.com/a"))
