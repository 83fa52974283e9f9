"""A Dockerfile without a daemon: every instruction by its effect, the same input the same digest, errors by line."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from labs.cluster.images import dockerfile, layers
from labs.cluster.images.build import build
from labs.cluster.images.names import Name
from labs.cluster.images.store import Store
from labs.errors import PermanentError
from labs.jail import rungs
from tests.labs.cluster.images import making


class Place:
    """A store and a build context."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "images")
        self.context = folder / "context"
        self.context.mkdir()
        self.said: list[str] = []

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.context / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def build(self, text: str, target: str = "", **arguments: str) -> str:
        file = self.context.parent / "Dockerfile"
        file.write_text(text)
        return build(self.store, self.context, file, arguments, target, [Name.parse("it:1")], self.said.append)

    def config(self) -> dict:
        return self.store.parts(self.store.find(Name.parse("it:1"))).config["config"]

    def root(self) -> Path:
        return layers.unpacked(self.store, self.store.parts(self.store.find(Name.parse("it:1"))))

    def files(self) -> list[str]:
        root = self.root()
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink())


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path)


def test_configuration_is_what_was_said(place):
    place.build("""
ARG ONE=1
FROM scratch
ARG ONE
ARG TWO=${ONE}2
ENV A="a b" B=$TWO C='$TWO' D=${NONE:-word} E=${TWO:+set} F=\\$A
ENV OLD form of it
LABEL who=me "with space"="x y"
WORKDIR /srv
WORKDIR in/it
USER 5:6
EXPOSE 80 53/udp
VOLUME /data
VOLUME ["/more"]
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s CMD true
SHELL ["/bin/x", "-c"]
ENTRYPOINT run $A
CMD ["one", "two"]
""")
    config = place.config()
    assert config["Env"] == ["A=a b", "B=12", "C=$TWO", "D=word", "E=set", "F=$A", "OLD=form of it"]
    assert config["Labels"] == {"who": "me", "with space": "x y"}
    assert (config["WorkingDir"], config["User"], config["StopSignal"]) == ("/srv/in/it", "5:6", "SIGINT")
    assert sorted(config["ExposedPorts"]) == ["53/udp", "80/tcp"]
    assert sorted(config["Volumes"]) == ["/data", "/more"]
    assert (config["Entrypoint"], config["Cmd"]) == (["/bin/x", "-c", "run $A"], ["one", "two"])
    assert any("HEALTHCHECK is passed over" in line for line in place.said)
    assert (place.root() / "srv/in/it").is_dir()


def test_files_go_where_docker_puts_them(place):
    place.write(a="a", dir__b="b", dir__deep__c="c", x1="1", x2="2")
    (place.context / "dir/link").symlink_to("b")
    place.build("""
FROM scratch
COPY a /one
COPY a /folder/
COPY dir /tree
COPY x? /both/
WORKDIR /w
COPY a dir ./
COPY --chmod=0700 a /mode
COPY ["a", "/with space"]
""")
    assert place.files() == [
        "both/x1", "both/x2", "folder/a", "mode", "one", "tree/b", "tree/deep/c", "tree/link", "w/a", "w/b",
        "w/deep/c", "w/link", "with space"]
    assert (place.root() / "mode").stat().st_mode & 0o777 == 0o700
    assert (place.root() / "tree/link").is_symlink()


def test_stages_hand_files_over(place):
    place.write(a="a", b="b")
    text = """
FROM scratch AS first
COPY a /x/a
ENV SEEN=yes
FROM first AS second
COPY b /x/b
FROM scratch
COPY --from=second /x /y
COPY --from=0 /x/a /z
"""
    place.build(text)
    assert place.files() == ["y/a", "y/b", "z"]
    assert "Env" not in place.config()
    place.build(text, target="second")
    assert place.files() == ["x/a", "x/b"]
    assert place.config()["Env"] == ["SEEN=yes"]
    place.build("FROM it:1\nCOPY --from=it:1 /x/a /again")
    assert place.files() == ["again", "x/a", "x/b"]


def test_archives_are_unpacked_by_add_alone(place, tmp_path):
    place.write(a="a")
    with tarfile.open(place.context / "t.tar.gz", "w:gz") as archive:
        archive.add(place.context / "a", "in/a")
    place.build("FROM scratch\nADD t.tar.gz /added/\nCOPY t.tar.gz /copied/")
    assert place.files() == ["added/in/a", "copied/t.tar.gz"]


def test_ignored_files_are_not_there(place):
    place.write(keep="1", secret="2", dir__secret="3", dir__keep__secret="4")
    (place.context / ".dockerignore").write_text("# comment\n**/secret\n!dir/keep/secret\n.dockerignore\n")
    place.build("FROM scratch\nCOPY . /")
    assert place.files() == ["dir/keep/secret", "keep"]
    with pytest.raises(PermanentError, match=r"line 2: COPY: secret is not there, or \.dockerignore"):
        place.build("FROM scratch\nCOPY secret /")


def test_same_input_same_digest(place, tmp_path):
    text = "FROM scratch\nARG V=1\nCOPY . /x\nLABEL v=$V\n"
    place.write(a="a", b="b")
    first = place.build(text)
    (tmp_path / "again").mkdir()
    again = Place(tmp_path / "again")
    again.write(b="b", a="a")
    assert again.build(text) == first
    assert again.build(text, V="2") != first
    again.write(a="changed")
    assert again.build(text) != first


def test_run_changes_what_it_changes(place):
    if len(rungs.unavailable()) == 2:
        pytest.skip("no rung here shows a root file system")
    making.programs(place.context, "sh", "rm", "mkdir", "cat")
    place.write(gone="x", kept="x")
    text = """
FROM scratch
COPY . /
ENV WHO=world
WORKDIR /work
RUN echo "hello $WHO" > greeting && mkdir -p /made/in && \\
    # a comment between
    rm /gone && echo more >> /kept
RUN ["cat", "greeting"]
"""
    digest = place.build(text)
    files = [each for each in place.files() if not each.startswith(("bin/", "lib"))]
    assert files == ["kept", "work/greeting"]
    assert (place.root() / "work/greeting").read_text() == "hello world\n"
    assert (place.root() / "kept").read_text() == "xmore\n"
    assert any("hello world" in line for line in place.said)
    assert place.build(text) == digest
    assert not list((place.store.folder / "roots").glob("build-*"))
    with pytest.raises(PermanentError, match=r"line 3: RUN: .*cat /none ended with status 1"):
        place.build("FROM it:1\nUSER 7\nRUN cat /none")


@pytest.mark.parametrize(("text", "why"), [
    ("FROM scratch\nONBUILD RUN x", "line 2: ONBUILD is not an instruction"), ("FROM scratch\n\nFOO", "line 3: FOO"),
    ("RUN x", "no FROM"), ("COPY a /\nFROM scratch", "line 1: COPY: it comes before"),
    ("FROM scratch\nCOPY nothere /", "line 2: COPY: nothere is not there"),
    ("FROM scratch\nCOPY ../x /", "outside of the build context"),
    ("FROM scratch\nCOPY a", "a source and a destination"),
    ("FROM scratch\nADD https://example.com/x /", "local files only"), ("FROM scratch\nCOPY --foo=1 a /", "--foo"),
    ("FROM scratch\nRUN --mount=type=cache,target=/x y", "--mount is not known"),
    ("FROM scratch\nRUN <<EOF\nx\nEOF", "here-documents"), ("FROM scratch\nENV A", "A has no value"),
    ("FROM scratch\nENV A='b", "not closed"), ("FROM --platform=windows/amd64 scratch", "cannot be built here"),
    ("FROM nosuch.invalid/x:1", "line 1: FROM: nosuch.invalid/x:1 is not in the store and cannot be pulled"),
    ("FROM UPPER/x", "lowercase"), ("FROM scratch\nEXPOSE http", "no port"), ("FROM", "says nothing"),
    ("FROM scratch\nCOPY --from=none.invalid/x / /", "cannot be pulled"),
    ("FROM scratch\nCOPY --chown=who a /", "no such user")])
def test_error_names_instruction_and_line(place, text, why):
    place.write(a="a")
    with pytest.raises(PermanentError, match=why):
        place.build(text)
    assert place.store.find(Name.parse("it:1")) is None


def test_argument_that_nothing_takes_is_an_error(place):
    with pytest.raises(PermanentError, match="No ARG takes NONE"):
        place.build("FROM scratch", NONE="1")


def test_link_in_the_context_does_not_lead_out(place, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (place.context / "link").symlink_to(tmp_path / "secret")
    (place.context / "folder").symlink_to(tmp_path)
    for source in ("link", "folder/secret"):
        with pytest.raises((PermanentError, OSError)):
            place.build(f"FROM scratch\nCOPY {source} /x")


def test_escape_directive_and_comments():
    found = dockerfile.parse("# escape=`\n# syntax=x\nFROM a `\n  AS b\nRUN x `\n\n# c\n  y\n")
    assert [(each.name, each.line, each.text) for each in found] == [("FROM", 3, "a   AS b"), ("RUN", 5, "x   y")]
