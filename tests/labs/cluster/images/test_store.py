"""The store: what arrives is whole, what is unpacked stays inside, what nothing names goes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from labs.cluster.drivers import embedded
from labs.cluster.images import archives, layers
from labs.cluster.images.layers import Item
from labs.cluster.images.names import Name, on_loopback
from labs.cluster.images.store import MANIFEST, NAMED, Damaged, Store, of_home
from labs.errors import PermanentError
from tests.labs.cluster.images import making


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "images")


@pytest.mark.parametrize(("text", "full"), [
    ("busybox", "docker.io/library/busybox:latest"), ("team/app:2", "docker.io/team/app:2"),
    ("localhost/x", "localhost/x:latest"), ("127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c"),
    ("registry.k8s.io/pause@sha256:" + "a" * 64, "registry.k8s.io/pause@sha256:" + "a" * 64),
    ("a:1@sha256:" + "b" * 64, "docker.io/library/a:1@sha256:" + "b" * 64),
    ("index.docker.io/library/a", "docker.io/library/a:latest")])
def test_name_in_full(text, full):
    assert str(Name.parse(text)) == full


@pytest.mark.parametrize(("text", "why"), [
    ("UPPER/x", "must be lowercase"), ("", "invalid reference"), ("a:b:c", "invalid reference"),
    ("a@sha256:12", "digest"),
    ("a b", "invalid reference"), ("../etc", "invalid reference"), ("a//b", "invalid reference"), ("a:", "invalid"),
    ("x" * 300, "255")])
def test_what_is_no_name_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        Name.parse(text)


@pytest.mark.parametrize(("registry", "local"), [
    ("127.0.0.1:5000", True), ("localhost", True), ("[::1]:5000", True), ("registry.k8s.io", False),
    ("10.0.0.1:5000", False), ("127.evil.example", False)])
def test_plain_http_is_for_loopback_alone(registry, local):
    assert on_loopback(registry) == local


def test_blob_that_is_not_what_its_digest_says_never_appears(store):
    digest = "sha256:" + hashlib.sha256(b"good").hexdigest()
    for chunks, size in (([b"bad"], 3), ([b"go"], 4), ([b"good", b"more"], 4)):
        with pytest.raises(Damaged):
            store.add(chunks, digest, size)
        assert not store.has(digest)

    def cut():
        yield b"go"
        raise ConnectionError("cut")

    with pytest.raises(ConnectionError):
        store.add(cut(), digest, 4)
    assert not store.has(digest)
    assert list((store.folder / "incoming").iterdir()) == []
    store.add([b"go", b"od"], digest, 4)
    assert store.read(digest) == b"good"


@pytest.mark.parametrize("digest", ["sha256:../../x", "sha512:" + "a" * 128, "sha256:" + "A" * 64, "x"])
def test_digest_cannot_name_another_file(store, digest):
    with pytest.raises(Damaged):
        store.path(digest)


def test_names_move_and_digests_stay(store):
    first = making.made_of(store, [Item("a", b"1")], name="app:1")
    second = making.made_of(store, [Item("a", b"2")], name="app:1")
    assert store.find(Name.parse("app:1"))["digest"] == second["digest"] != first["digest"]
    assert store.find(Name.parse(f"app@{first['digest']}")) is None
    assert store.find(Name.parse(f"app@{second['digest']}"))["digest"] == second["digest"]
    assert store.find(Name.parse(f"other@{second['digest']}")) is None


def test_sweep_takes_what_no_name_leads_to(store):
    kept = making.made_of(store, [Item("a", b"kept")], name="kept:1")
    gone = making.made_of(store, [Item("a", b"gone")], name="gone:1")
    roots = {each: layers.unpacked(store, store.parts(found)).parent
             for each, found in (("kept", kept), ("gone", gone))}
    assert store.sweep(spare=0) == 0
    assert store.remove(Name.parse("gone:1"))
    assert not store.remove(Name.parse("gone:1"))
    assert store.sweep(spare=3600) == 0, "what has just come may be about to be named"
    assert store.sweep([roots["gone"]], spare=0) > 0
    assert roots["gone"].is_dir(), "a container runs from it"
    assert not store.has(gone["digest"])
    store.sweep(spare=0)
    assert not roots["gone"].exists()
    assert (roots["kept"] / "rootfs/a").read_bytes() == b"kept"
    assert store.whole(kept)


def test_nothing_is_swept_while_something_comes(store):
    digest = store.put(b"not named yet")
    with store.filling():
        assert store.sweep(spare=0) == 0
        assert store.has(digest)
    assert store.sweep(spare=0) == len(b"not named yet")


# --- layers ---------------------------------------------------------------------------------------------------------


def unpacked(tmp_path, *archived) -> Path:
    root = tmp_path / "root"
    root.mkdir(exist_ok=True)
    for archive in archived:
        layers.apply(archive, str(root), {})
    return root


@pytest.mark.parametrize("members", [
    [making.entry("../outside")], [making.entry("/../../outside")], [making.entry("a/../../outside")],
    [making.entry("out", tarfile.SYMTYPE, ".."), making.entry("out/outside")],
    [making.entry("out", tarfile.SYMTYPE, "/tmp/../.."), making.entry("out/outside")],
    [making.entry("deep", tarfile.SYMTYPE, "out"), making.entry("out", tarfile.SYMTYPE, "../.."),
     making.entry("deep/outside")]])
def test_no_path_leads_out(tmp_path, members):
    root = unpacked(tmp_path, making.tar(*((member, b"x" if member.isreg() else b"") for member in members)))
    assert {path.name for path in tmp_path.iterdir()} == {"root"}
    assert any(path.name == "outside" for path in root.rglob("*"))


def test_links_and_whiteouts_touch_nothing_outside(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_text("x")
    with pytest.raises(OSError, match="No such file"):
        unpacked(tmp_path, making.tar((making.entry("hard", tarfile.LNKTYPE, str(secret)), b"")))
    root = unpacked(tmp_path, making.tar((making.entry("l", tarfile.SYMTYPE, str(folder)), b"")),
                    making.tar((making.entry("l/.wh.file"), b""), (making.entry("l/.wh..wh..opq"), b"")))
    assert (folder / "file").exists()
    unpacked(tmp_path, making.tar((making.entry("f", tarfile.SYMTYPE, str(secret)), b"")),
             making.tar((making.entry("f"), b"written")))
    assert secret.read_text() == "secret"
    assert (root / "f").read_text() == "written"


def test_layers_lie_over_each_other(tmp_path):
    folder = making.entry("d", tarfile.DIRTYPE, mode=0o755)
    root = unpacked(
        tmp_path,
        making.tar((folder, b""), (making.entry("d/a"), b"1"), (making.entry("d/b"), b"1"), (making.entry("c"), b"1"),
                   (making.entry("usr/lib/x"), b"1"), (making.entry("lib", tarfile.SYMTYPE, "usr/lib"), b"")),
        making.tar((making.entry("d/.wh.a"), b""), (making.entry("c"), b"2"), (making.entry("lib/y"), b"2")),
        making.tar((making.entry("d/new"), b"3"), (making.entry("d/.wh..wh..opq"), b""),
                   (making.entry("h", tarfile.LNKTYPE, "c"), b"")))
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) == [
        "c", "d/new", "h", "usr/lib/x", "usr/lib/y"]
    assert (root / "h").stat().st_ino == (root / "c").stat().st_ino


def test_set_uid_and_devices_are_left_out(tmp_path):
    root = unpacked(tmp_path, making.tar((making.entry("su", mode=0o4755), b"x"),
                                         (making.entry("dev/sda", tarfile.BLKTYPE), b"")))
    assert (root / "su").stat().st_mode & 0o7777 == 0o755
    assert not (root / "dev/sda").exists()


def test_same_items_make_the_same_layer(store, tmp_path):
    file = tmp_path / "file"
    file.write_text("content")
    first = layers.pack(store, [Item("b", file), Item("a")])
    os.utime(file, (1, 1))
    assert layers.pack(store, [Item("a"), Item("b", file)]) == first
    assert layers.pack(store, [Item("a"), Item("b", file, mode=0o700)]) != first


def test_closed_folders_are_unpacked_and_forgotten(store):
    found = making.made_of(store, [Item("shut", mode=0), Item("shut/in", b"x", mode=0o400)])
    root = layers.unpacked(store, store.parts(found))
    assert sorted(path.name for path in root.iterdir()) == ["shut"]
    store.remove(Name.parse("made:1"))
    store.sweep(spare=0)
    assert not root.exists()


# --- archives -------------------------------------------------------------------------------------------------------


def archive_of(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def oci(store: Store, found) -> dict[str, bytes]:
    manifest = store.parts(found).manifest
    digests = [found["digest"], manifest["config"]["digest"], *(each["digest"] for each in manifest["layers"])]
    files = {f"blobs/sha256/{each[7:]}": store.read(each) for each in digests}
    index = {"manifests": [{**found, "annotations": {NAMED: "docker.io/library/made:1"}}]}
    return {"oci-layout": b"{}", "index.json": json.dumps(index).encode(), **files}


def test_oci_archive_is_loaded(store, tmp_path):
    found = making.made_of(Store(tmp_path / "other"), [Item("a", b"1")])
    path = archive_of(tmp_path / "a.tar", oci(Store(tmp_path / "other"), found))
    assert archives.load(store, path, Name.parse("mine:2"))["digest"] == found["digest"]
    assert [str(each.name) for each in store.entries()] == ["docker.io/library/mine:2"]
    assert store.whole(store.find(Name.parse("mine:2")))


def test_the_embedded_driver_loads_into_the_store_of_its_home(tmp_path, monkeypatch):
    found = making.made_of(Store(tmp_path / "other"), [Item("a", b"1")])
    path = archive_of(tmp_path / "a.tar", oci(Store(tmp_path / "other"), found))
    monkeypatch.setenv("LABS_HOME", str(tmp_path / "home"))
    embedded.DRIVER.load_image("mine:2", path)
    assert of_home(tmp_path / "home").find(Name.parse("mine:2"))["digest"] == found["digest"]
    with pytest.raises(PermanentError, match="A name looks like"):
        embedded.DRIVER.load_image("Mine:2", path)


def test_docker_save_archive_is_loaded(store, tmp_path):
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("empty"))
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = {"config": {"Cmd": ["x"]}, "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}}
    saved = [{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["l/layer.tar"]}]
    files = {"c.json": json.dumps(config).encode(), "l/layer.tar": layer.getvalue(),
             "manifest.json": json.dumps(saved).encode()}
    found = archives.load(store, archive_of(tmp_path / "a.tar", files), Name.parse("y:1"))
    assert found["mediaType"] == MANIFEST
    assert (layers.unpacked(store, store.parts(found)) / "empty").exists()
    files["l/layer.tar"] += b"\0" * 512
    with pytest.raises(PermanentError, match="configuration says"):
        archives.load(store, archive_of(tmp_path / "b.tar", files), Name.parse("z:1"))


@pytest.mark.parametrize("broken", ["missing", "changed", "no tar", "neither", "no json"])
def test_archive_that_is_not_whole_names_nothing(store, tmp_path, broken):
    other = Store(tmp_path / "other")
    found = making.made_of(other, [Item("a", b"1")])
    files = oci(other, found)
    layer = f"blobs/sha256/{other.parts(found).manifest['layers'][0]['digest'][7:]}"
    if broken == "missing":
        del files[layer]
    elif broken == "changed":
        files[layer] = files[layer][:-1] + b"x"
    elif broken == "neither":
        files = {"a": b""}
    elif broken == "no json":
        files["index.json"] = b"{"
    path = archive_of(tmp_path / "a.tar", files)
    if broken == "no tar":
        path.write_bytes(b"no tar at all")
    with pytest.raises(PermanentError):
        archives.load(store, path, Name.parse("mine:2"))
    assert store.find(Name.parse("mine:2")) is None


def test_what_is_saved_can_be_loaded_elsewhere(store: Store, tmp_path: Path) -> None:
    found = making.made_of(store, [Item("a", b"1")], [Item("b", b"2")], name="team/tools:2", Cmd=["/bin/a"])
    archives.save(store, Name.parse("team/tools:2"), tmp_path / "saved.tar")
    other = Store(tmp_path / "other")
    assert archives.load(other, tmp_path / "saved.tar", Name.parse("x:1"))["digest"] == found["digest"]
    assert other.parts(found).config["config"] == {"Cmd": ["/bin/a"]}
    assert other.whole(found)
    with pytest.raises(PermanentError, match="There is no image"):
        archives.save(store, Name.parse("none"), tmp_path / "none.tar")
    assert not (tmp_path / "none.tar").exists()
