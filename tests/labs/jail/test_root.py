"""A root file system of its own: what the command sees, where its changes go, who it is; as both kinds of user."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labs.errors import PermanentError
from labs.jail import NOBODY, Root, Spec, rungs, start, view

PROGRAM = Path(__file__).with_name("a_root.py")
ORDINARY = 1234
PROGRAMS = ("sh", "cat", "id", "ls", "rm", "mkdir", "ln", "uname")
WAYS = [("bubblewrap", True), ("bubblewrap", False), ("proot", False)]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


def interpreter() -> str:
    """A Python that every user may run."""
    for path in ("/usr/bin/python3", sys.executable):
        code = "import sys; sys.exit(sys.version_info < (3, 11))"
        if os.path.exists(path) and subprocess.run([path, "-c", code], check=False).returncode == 0:
            return path
    pytest.skip("no Python ≥ 3.11 here that an ordinary user may run")


@pytest.fixture(params=["self", "ordinary"])
def user(request) -> str:
    if request.param == "ordinary" and os.getuid():
        pytest.skip("the tests run as an ordinary user already")
    return request.param


@pytest.fixture
def base(tmp_path_factory, user):
    """A folder with ``root``: a few of the host's programs and their libraries; its own user's, as an image's are."""
    folder = tmp_path_factory.mktemp("root")
    for parent in (folder, *folder.parents):        # pytest's own folders are its user's alone
        if parent.name.startswith(("root", "pytest-", "popen-")):
            parent.chmod(0o755)
    root = folder / "root"
    for name in ("bin", "tmp", "private", "inner", "etc"):
        (root / name).mkdir(parents=True)
    for name in PROGRAMS:
        found = shutil.which(name)
        assert found is not None
        shutil.copy(found, root / "bin" / name)
        listed = subprocess.run(["ldd", found], capture_output=True, text=True, check=True).stdout
        for library in re.findall(r"(/\S+)", listed):
            (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, root / library[1:])
    (root / "etc/kept").write_text("from the image\n")
    (root / "data").mkdir()
    (root / "data/link").symlink_to("/inner")           # the mount below it must land inside
    (root / "outward").symlink_to("/../../../../../../etc")
    (root / "private").chmod(0o700)
    owner = ORDINARY if user == "ordinary" else NOBODY if os.getuid() == 0 else os.getuid()
    if os.getuid() == 0:
        for path in (root, *root.rglob("*")):
            os.chown(path, owner, owner, follow_symlinks=False)
        if user == "ordinary":
            os.chown(folder, owner, owner)
    return folder


def run(base: Path, user: str, way: tuple[str, bool], script: str, *, uid: int = 0, writable: bool = True,
        groups: tuple[int, ...] = (), **more) -> dict:
    rung, changes = way
    if rung in rungs.unavailable():
        pytest.skip(f"no {rung} rung here: {rungs.unavailable()[rung]}")
    if changes and rungs.overlay():
        pytest.skip(f"no overlays here: {rungs.overlay()}")
    order = {"script": script, "folder": str(base / "root"), "changes": changes, "writable": writable, "uid": uid,
             "groups": groups, "more": more}
    change = {"user": ORDINARY, "group": ORDINARY, "extra_groups": []} if user == "ordinary" else {}
    done = subprocess.run([interpreter() if user == "ordinary" else sys.executable, "-B", str(PROGRAM), rung,
                           json.dumps(order)], capture_output=True, text=True, timeout=100, check=False, cwd="/",
                          **change)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["missing"] == []
    return said


@pytest.mark.parametrize("way", WAYS)
def test_root_is_seen_and_changed_as_its_own(base, user, way):
    said = run(base, user, way, """
        pwd; cat /etc/kept /inner/file; echo $WHAT; echo t > /taken
        echo new > /etc/new && cat /etc/new; rm /etc/kept; mkdir /opt; ls -d /opt
        echo x > /tmp/x; echo x > /var/tmp/x; echo x > /dev/null; echo out > /dev/stdout
        ls /proc/self/exe
    """)
    assert said["out"].split("\n")[:6] == ["/srv/work", "from the image", "mounted", "value", "new", "/opt"], said
    assert said["out"].split("\n")[6:8] == ["out", "/proc/self/exe"], said
    assert said["taken"] == "t\n"
    assert (base / "root/etc/kept").exists() == way[1], "with a folder for changes the root itself stays as it was"
    assert (base / "root/etc/new").exists() != way[1]


@pytest.mark.parametrize("way", WAYS)
def test_nothing_of_the_host_is_in_reach(base, user, way):
    secret = base / "secret"
    secret.write_text("secret")
    secret.chmod(0o644)
    said = run(base, user, way, f"""
        cat {secret}; cat /.jail/host{secret}; cat /outward/hostname; ls /outward; cat /proc/1/root{secret}
        cat /.jail/lower/etc/kept; cat /usr/bin/python3; echo x > /inner/file; ls /.jail/host
    """)
    # `ls` of a link that leads outwards shows the root's own /etc, as the kernel would; PRoot may not follow it at all
    assert said["out"].split() in (["kept"], []), said
    assert (base / "given").read_text() == "mounted\n"


@pytest.mark.parametrize("way", WAYS)
def test_read_only_root_takes_no_change(base, user, way):
    said = run(base, user, way, "echo x > /etc/new; rm /etc/kept; mkdir /opt; echo x > /tmp/x; echo x > /taken; ls /",
               writable=False)
    assert "opt" not in said["out"].split()
    assert said["taken"] == "x\n"
    assert (base / "root/etc/kept").exists()
    assert not (base / "root/etc/new").exists()
    assert said["err"].count("Read-only") + said["err"].count("denied") >= 4, said


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("uid", [0, 4321])
def test_command_is_the_user_that_was_asked_for(base, user, way, uid):
    said = run(base, user, way, "id -u; id -g; cat /proc/self/status; echo x > /private/x && echo wrote", uid=uid)
    lines = said["out"].splitlines()
    seen = NOBODY if (way[0], user, os.getuid(), uid) == ("proot", "self", 0, 0) else uid
    assert lines[:2] == [str(seen), str(seen)]
    powers = {line.split()[0]: int(line.split()[1], 16) for line in lines if line.startswith("Cap")}
    if way[0] == "bubblewrap":
        assert set(powers.values()) == {0}
    else:
        assert powers["CapEff:"] in (0, 1 << 2), "reading in spite of permissions, which Landlock holds to the root"
    own = uid == 0 or user == "ordinary" or os.getuid() != 0        # an ordinary user owns all of an image's files
    assert ("wrote" in lines) == own, said


@pytest.mark.parametrize("way", WAYS[:2])
def test_pod_has_its_name_and_groups(base, user, way):
    said = run(base, user, way, "uname -n; id -G", uid=7, groups=(5, 6))
    name, groups = said["out"].splitlines()
    assert name == "a-pod"
    if user == "self" and os.getuid() == 0:
        assert groups.split() == ["7", "5", "6"]


def test_changes_are_counted(base, user):
    said = run(base, user, ("bubblewrap", True), "while true; do cat /bin/sh; done > /filled", writable_bytes=2**22)
    assert (said["limit"], said["status"]) in (("files", 137), (None, 128 + 25)), said


def test_plain_rung_has_no_root(base):
    with pytest.raises(PermanentError, match="no root file system"):
        start(Spec(root=Root(str(base / "root")), rung="plain"), ["sh"])


@pytest.mark.parametrize(("path", "follow", "found"), [
    ("a/b", True, "a/b"), ("/../../a", True, "a"), ("up/x", True, "x"), ("abs/x", True, "etc/x"),
    ("abs", True, "etc"), ("abs", False, "abs"), ("rel/../y", True, "y"), ("deep/x", True, "etc/x"),
    ("missing/../../z", True, "z")])
def test_paths_stay_inside(tmp_path, path, follow, found):
    root = tmp_path / "root"
    for name in ("a", "etc"):
        (root / name).mkdir(parents=True)
    (root / "up").symlink_to("../../..")
    (root / "abs").symlink_to("/etc")
    (root / "rel").symlink_to("a")
    (root / "a/deep").symlink_to("/abs")
    (root / "deep").symlink_to("a/deep")
    assert view.inside(str(root), path, follow=follow) == str(root / found)


def test_circle_of_links_is_an_error(tmp_path):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(OSError, match="symbolic links"):
        view.inside(str(tmp_path), "one/x")
