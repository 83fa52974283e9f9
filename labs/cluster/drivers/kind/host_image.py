"""This machine's Python as a container image, so that ``host`` and ``host/python3`` mean on kind what they mean on the
embedded cluster: ``python3`` with boto3, a shell and some tools of this machine.

The image is one layer: the interpreter and its standard library where they are on this machine, boto3 and what it needs
beside them, some programs, and every shared library that one of these is linked with (ldd(1)).  It is an archive as
`docker save` writes it ("Docker image specification v1.2"), made once and kept in the cache; nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from labs.errors import PermanentError
from labs.toolbox import cache

NAMES = ("host:latest", "host/python3:latest")
FORMAT = 1
"""Counts changes of what is put in."""
LINKED_WITHIN = 120.0
_PACKAGE = "boto3"
_LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idlelib", "turtledemo", "tkinter", "ensurepip",
             "lib2to3", "pydoc_data"}
"""Folders of the standard library that no pod needs."""
_PROGRAMS = ("sh", "bash", "cat", "cp", "date", "df", "echo", "env", "false", "find", "grep", "head", "hostname", "id",
             "ln", "ls", "mkdir", "mv", "ps", "pwd", "rm", "sed", "sleep", "sort", "stat", "tail", "test", "touch",
             "tr", "true", "uname", "wc")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
_ROOTS = "/etc/ssl/certs/ca-certificates.crt"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def archive() -> Path:
    """The image's archive, made where it is not in the cache yet: some seconds, some 100 MB."""
    folder = cache() / "images"
    found = folder / f"host-{fingerprint()}.tar"
    if not found.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f".{found.name}.{os.getpid()}"
        try:
            _write(fresh)
            fresh.replace(found)
        finally:
            fresh.unlink(missing_ok=True)
    return found


def fingerprint() -> str:
    """Changes with what the image would hold."""
    packages = [f"{one.name} {one.version}" for one in _needed()]
    parts = [FORMAT, sys.version, _interpreter(), platform.libc_ver(), packages]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _write(target: Path) -> None:
    layer = target.with_name(target.name + ".layer")
    try:
        with tarfile.open(layer, "w") as tar:
            _fill(tar)
        with layer.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        config = json.dumps({
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()), "os": "linux",
            "config": {"Env": [f"PATH={_PATH}", "HOME=/root", "LANG=C.UTF-8"], "Cmd": ["python3"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}}).encode()
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = json.dumps([{"Config": name, "RepoTags": list(NAMES), "Layers": ["layer.tar"]}]).encode()
        with tarfile.open(target, "w") as tar:
            for member, content in ((name, config), ("manifest.json", manifest)):
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
            tar.add(layer, "layer.tar")
    finally:
        layer.unlink(missing_ok=True)


def _fill(tar: tarfile.TarFile) -> None:
    """Everything, parents first; a path is written once."""
    files = dict(_files())
    files |= {path: Path(path) for path in _libraries([source for source in files.values() if _is_program(source)])}
    written: set[str] = set()
    for path in ("/root", "/proc", "/sys", "/dev", "/etc", "/var"):
        _folder(tar, path, written)
    _folder(tar, "/tmp", written, 0o1777)
    for path, source in sorted(files.items()):
        _folder(tar, os.path.dirname(path), written)
        entry = tar.gettarinfo(str(source.resolve()), path.lstrip("/"))
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.type, entry.linkname, entry.size = tarfile.REGTYPE, "", source.stat().st_size     # never a hard link
        entry.mode = 0o755 if entry.mode & 0o111 else 0o644
        with source.open("rb") as file:
            tar.addfile(entry, file)
        written.add(path)
    for name in ("python3", "python"):
        _link(tar, f"/usr/local/bin/{name}", _interpreter(), written)
    for name in ("sh", "bash", "python3"):
        target = _interpreter() if name == "python3" else f"/usr/bin/{name}"
        _link(tar, f"/bin/{name}", target, written)
    for name in ("passwd", "group"):
        text = _ACCOUNTS if name == "passwd" else "root:x:0:\nnogroup:x:65534:\n"
        entry = tarfile.TarInfo(f"etc/{name}")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text.encode()))


def _folder(tar: tarfile.TarFile, path: str, written: set[str], mode: int = 0o755) -> None:
    if path in ("", "/") or path in written:
        return
    _folder(tar, os.path.dirname(path), written)
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    tar.addfile(entry)
    written.add(path)


def _link(tar: tarfile.TarFile, path: str, target: str, written: set[str]) -> None:
    if path in written or path == target:
        return
    _folder(tar, os.path.dirname(path), written)
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)
    written.add(path)


def _files() -> Iterator[tuple[str, Path]]:
    """(path in the image, file here) of all but shared libraries."""
    yield _interpreter(), Path(_interpreter())
    library = Path(os.__file__).parent
    for source in library.rglob("*"):
        if source.is_file() and source.suffix != ".a" and not _LEFT_OUT & set(source.relative_to(library).parts[:-1]):
            yield str(source), source
    for one in _needed():
        for file in one.files or ():
            if ".." not in file.parts and file.suffix != ".pyc":
                yield str(library / str(file)), Path(str(one.locate_file(file)))
    for name in _PROGRAMS:
        here = shutil.which(name, path=_PATH)
        if here:
            yield f"/usr/bin/{name}", Path(here)
    if os.path.exists(_ROOTS):
        yield _ROOTS, Path(_ROOTS)


def _interpreter() -> str:
    return os.path.realpath(sys.executable)


def _needed() -> list[importlib.metadata.Distribution]:
    """boto3 and what it needs, by name."""
    found: dict[str, importlib.metadata.Distribution] = {}
    wanted = [_PACKAGE]
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = importlib.metadata.distribution(name)
            wanted += [re.split(r"[^\w.-]", each)[0].lower() for each in found[name].requires or () if ";" not in each]
    return [found[name] for name in sorted(found)]


def _is_program(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _libraries(programs: list[Path]) -> list[str]:
    """Paths of every shared library that these are linked with, the loader included."""
    done = subprocess.run(["ldd", *map(str, programs)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=LINKED_WITHIN, check=False)
    found = set(re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", done.stdout, re.MULTILINE))
    if not found:
        raise PermanentError(f"ldd does not tell what {_interpreter()} is linked with: {done.stderr.strip()[-300:]}")
    return sorted(found)
