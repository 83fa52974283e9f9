"""Pull and push with a registry: authentication of both kinds, what a broken transfer leaves, whose password."""

from __future__ import annotations

import base64
import json

import pytest

from labs.cluster.images import credentials, transfer
from labs.cluster.images.credentials import Access
from labs.cluster.images.layers import Item
from labs.cluster.images.names import Name
from labs.cluster.images.registry import RegistryError
from labs.cluster.images.store import ARCHITECTURE, INDEX, Damaged, Store
from labs.errors import PermanentError
from tests.labs.cluster.images import making
from tests.labs.cluster.images import registry_for_tests as serving

OWN = (serving.USER, serving.PASSWORD)


@pytest.fixture
def source(tmp_path) -> Store:
    store = Store(tmp_path / "source")
    making.made_of(store, [Item("a", b"1" * 100_000)], [Item("b", b"2")], name="app:1", Cmd=["x"])
    return store


@pytest.fixture
def target(tmp_path) -> Store:
    return Store(tmp_path / "target")


def pushed(source: Store, registry, access: Access) -> Name:
    name = Name.parse(f"{registry.host}/team/app:1")
    digest = transfer.push(source, Name.parse("app:1"), name, access)
    assert digest == source.find(Name.parse("app:1"))["digest"]
    return name


@pytest.mark.parametrize("kind", ["", "basic", "bearer"])
def test_image_goes_there_and_back(source, target, kind):
    with serving.RegistryForTests(kind) as registry:
        access = Access(OWN if kind else None)
        name = pushed(source, registry, access)
        found = transfer.pull(target, name, access)
        assert target.whole(found)
        by_digest = Name.parse(f"{registry.host}/team/app@{found['digest']}")
        assert transfer.pull(target, by_digest, access)["digest"] == found["digest"]
        registry.asked.clear()
        transfer.push(source, Name.parse("app:1"), name, access)
        assert not [each for each in registry.asked if each.startswith("POST")], "what is there is not sent again"


@pytest.mark.parametrize("kind", ["basic", "bearer"])
@pytest.mark.parametrize("credential", [None, ("puller", "wrong")])
def test_without_the_password_nothing_is_pulled(source, target, kind, credential):
    with serving.RegistryForTests(kind) as registry:
        name = pushed(source, registry, Access(OWN))
        with pytest.raises(RegistryError, match="UNAUTHORIZED") as refused:
            transfer.pull(target, name, Access(credential))
    assert refused.value.status == 401
    assert target.find(name) is None


def test_unknown_manifest_and_silent_registry(target):
    with serving.RegistryForTests() as registry:
        host = registry.host
        with pytest.raises(RegistryError, match="manifest unknown") as refused:
            transfer.pull(target, Name.parse(f"{host}/none:1"), Access())
        assert refused.value.status == 404
    with pytest.raises(RegistryError, match="connect: connection refused"):
        transfer.pull(target, Name.parse(f"{host}/none:1"), Access())
    with pytest.raises(RegistryError, match=r"lookup nosuch\.invalid: no such host"):
        transfer.pull(target, Name.parse("nosuch.invalid/none:1"), Access())


def test_broken_transfer_leaves_nothing_and_goes_on_where_it_was(source, target):
    with serving.RegistryForTests() as registry:
        name = pushed(source, registry, Access())
        registry.cut = 100
        with pytest.raises((RegistryError, Damaged)):
            transfer.pull(target, name, Access())
        assert target.find(name) is None
        assert list((target.folder / "incoming").iterdir()) == []
        there = {path.name for path in target.blobs.iterdir()}
        registry.cut = None
        registry.asked.clear()
        transfer.pull(target, name, Access())
        assert not [each for each in registry.asked if any(digest in each for digest in there)]


def test_changed_content_is_refused(source, target):
    with serving.RegistryForTests() as registry:
        name = pushed(source, registry, Access())
        for digest in registry.blobs:
            registry.blobs[digest] = registry.blobs[digest][:-1] + b"!"
        with pytest.raises(Damaged):
            transfer.pull(target, name, Access())
        digest = source.find(Name.parse("app:1"))["digest"]
        kind, content = registry.manifests["team/app", digest]
        registry.manifests["team/app", digest] = kind, content + b" "
        with pytest.raises(Damaged):
            transfer.pull(target, Name.parse(f"{registry.host}/team/app@{digest}"), Access())


def test_index_gives_the_image_of_this_machine(source, target):
    with serving.RegistryForTests() as registry:
        name = pushed(source, registry, Access())
        own = source.find(Name.parse("app:1"))
        others = [{"digest": "sha256:" + "0" * 64, "size": 1, "mediaType": own["mediaType"],
                   "platform": {"os": "linux", "architecture": "s390x"}}]
        mine = {"digest": own["digest"], "size": own["size"], "mediaType": own["mediaType"],
                "platform": {"os": "linux", "architecture": ARCHITECTURE}}
        for listed, tag in (([*others, mine], "many"), (others, "foreign")):
            registry.manifests["team/app", tag] = INDEX, json.dumps({"schemaVersion": 2, "manifests": listed}).encode()
        found = transfer.pull(target, Name.parse(f"{registry.host}/team/app:many"), Access())
        assert found["digest"] != own["digest"]
        assert target.parts(found).config["config"] == {"Cmd": ["x"]}
        with pytest.raises(PermanentError, match="no match for platform"):
            transfer.pull(target, Name.parse(f"{registry.host}/team/app:foreign"), Access())
        registry.manifests["team/app", "odd"] = "text/html", b"<html>"
        with pytest.raises(PermanentError, match="no image manifest"):
            transfer.pull(target, Name.parse(f"{name.repository_name}:odd"), Access())


@pytest.mark.parametrize(("place", "image", "served"), [
    ("registry.example", "registry.example/a", True), ("https://registry.example/v2/", "registry.example/a", True),
    ("https://index.docker.io/v1/", "busybox", True), ("*.example", "registry.example/a", True),
    ("*.example", "a.b.example/a", False), ("registry.example/team", "registry.example/team/a", True),
    ("registry.example/team", "registry.example/other/a", False),
    ("registry.example:5000", "registry.example/a", False)])
def test_pull_secret_is_for_its_registry_alone(place, image, served):
    auth = base64.b64encode(b"user:pass:word").decode()
    secret = json.dumps({"auths": {place: {"auth": auth}}}).encode()
    found = credentials.from_secrets(Name.parse(image), [b"no json", secret])
    assert found == ([("user", "pass:word")] if served else [])


def test_most_exact_pull_secret_comes_first():
    secret = json.dumps({"auths": {"r.example": {"username": "a", "password": "1"},
                                   "r.example/team": {"username": "b", "password": "2"}}}).encode()
    assert [user for user, _ in credentials.from_secrets(Name.parse("r.example/team/x"), [secret])] == ["b", "a"]
