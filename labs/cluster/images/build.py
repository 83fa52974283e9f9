"""A Dockerfile carried out: no daemon, no root, the same input the same digest.

COPY and ADD make layers out of files alone.  RUN needs the image so far as a root file system, which the jail shows
(bubblewrap or PRoot): its layer is what differs afterwards.  It has no network but the ports that pods could reach
anyway are closed too: a RUN that downloads fails, as on a builder that is offline.

Reproducible: entries of layers are sorted and their times are 1970, the configuration's ``created`` is
``SOURCE_DATE_EPOCH`` or 1970, and what a build is made of is all in its digest ("Reproducible builds", Docker
documentation).  The bytes of gzip may differ between machines with other versions of zlib.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import os
import re
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from labs import jail
from labs.cluster.images import archives, dockerfile, layers, transfer
from labs.cluster.images.credentials import Access, from_secrets
from labs.cluster.images.dockerfile import Instruction, expand, parse, words
from labs.cluster.images.layers import Item
from labs.cluster.images.names import Name
from labs.cluster.images.registry import RegistryError
from labs.cluster.images.store import ARCHITECTURE, Descriptor, Store, forget
from labs.errors import LabError, PermanentError
from labs.jail import rungs, view

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SHELL = ("/bin/sh", "-c")
RUN_SECONDS = 900.0
RUN_BYTES = 4 * 2**30
PREDEFINED = tuple(name for each in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
                   for name in (each, each.lower()))


@dataclass
class Stage:
    """One stage of a build so far."""

    config: dict[str, Any]
    layers: list[Descriptor] = field(default_factory=list)
    difference: list[str] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    arguments: dict[str, str] = field(default_factory=dict)
    shell: tuple[str, ...] = SHELL
    entered: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """The image's variables."""
        return dict(each.partition("=")[::2] for each in self.config.get("Env") or [])

    def known(self) -> dict[str, str]:
        """What ``$NAME`` means: ENV wins over ARG."""
        return self.arguments | self.environment


class Builder:
    """One build."""

    def __init__(self, store: Store, context: Path, arguments: dict[str, str], say: Callable[[str], None]) -> None:
        self.store, self.context, self.say = store, context.resolve(), say
        self.given = arguments
        self.used: set[str] = set()
        self.outer: dict[str, str] = {}         # ARGs before the first FROM
        self.stages: list[Stage] = []
        self.names: dict[str, Stage] = {}
        self.ignored = _ignored(self.context)
        seconds = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
        self.created = datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def build(self, instructions: list[Instruction], target: str) -> Descriptor:
        """Every instruction up to the end of the wanted stage."""
        for each in instructions:
            if each.name == "FROM" and target and self.names.get(target) is not None and self.stages:
                break
            self.say(f"line {each.line}: {each.name} {each.text}"[:160])
            if each.name == "ARG":
                self._arg(each)
            elif each.name == "FROM":
                self._from(each)
            elif not self.stages:
                raise each.error("it comes before the first FROM")
            else:
                getattr(self, f"_{each.name.lower()}")(each, self.stages[-1])
                self._note(each)
        if target and target not in self.names:
            raise PermanentError(f"There is no stage {target!r}.", f"There are {', '.join(self.names)}.")
        unused = set(self.given) - self.used - set(PREDEFINED)
        if unused:
            raise PermanentError(f"No ARG takes {', '.join(sorted(unused))}.")
        return self._finish(self.names[target] if target else self.stages[-1])

    def _finish(self, stage: Stage) -> Descriptor:
        whole = {"created": self.created, "architecture": ARCHITECTURE, "os": "linux", "config": stage.config,
                 "rootfs": {"type": "layers", "diff_ids": stage.difference}, "history": stage.history}
        return archives.describe(self.store, json.dumps(whole, sort_keys=True, separators=(",", ":")).encode(),
                                 stage.layers)

    def _note(self, each: Instruction) -> None:
        stage = self.stages[-1]
        grown = len(stage.layers) > sum(not note.get("empty_layer") for note in stage.history)
        stage.history.append({"created": self.created, "created_by": f"{each.name} {each.text}",
                              **({} if grown else {"empty_layer": True})})

    # --- stages ---------------------------------------------------------------------------------------------------

    def _arg(self, each: Instruction) -> None:
        stage = self.stages[-1] if self.stages else None
        for word in words(each, expand(each.text, stage.known() if stage else self.outer)):
            name, equals, value = word.partition("=")
            if name in self.given:
                self.used.add(name)
                value, equals = self.given[name], "="
            elif stage is not None and not equals and name in self.outer:
                value, equals = self.outer[name], "="
            if equals:
                (stage.arguments if stage else self.outer)[name] = value

    def _from(self, each: Instruction) -> None:
        said = each.text.split()
        if len(said) not in (1, 3) or (len(said) == 3 and said[1].lower() != "as"):
            raise each.error("expected FROM IMAGE, or FROM IMAGE AS NAME")
        for flag, value in each.flags:
            if flag != "platform" or expand(value, {**_platform(), **self.outer}) not in (
                    "", "linux", f"linux/{ARCHITECTURE}"):
                raise each.error(f"--{flag}={value} cannot be built here (this machine is linux/{ARCHITECTURE})")
        base = expand(said[0], {**_platform(), **self.outer})
        stage = self._base(each, base)
        self.stages.append(stage)
        self.names[str(len(self.stages) - 1)] = stage
        if len(said) == 3:
            self.names[said[2].lower()] = stage
            self.names[said[2]] = stage

    def _base(self, each: Instruction, base: str) -> Stage:
        if base == "scratch":
            return Stage({})
        if base in self.names:
            before = self.names[base]
            return Stage(json.loads(json.dumps(before.config)), [*before.layers], [*before.difference],
                         [*before.history], shell=before.shell)
        parts = self.store.parts(self._image(each, base))
        return Stage(dict(parts.config.get("config") or {}), list(parts.manifest["layers"]),
                     list(parts.config["rootfs"]["diff_ids"]), list(parts.config.get("history") or []))

    def _image(self, each: Instruction, text: str) -> Descriptor:
        """An image of the store; else of its registry."""
        try:
            name = Name.parse(text)
        except ValueError as error:
            raise each.error(f"{text!r}: {error}") from error
        found = self.store.find(name)
        if found is not None and self.store.whole(found):
            return found
        self.say(f"pulling {name}")
        docker = Path(os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker"))) / "config.json"
        pairs = from_secrets(name, [docker.read_bytes()] if docker.is_file() else [])
        try:
            return transfer.pull(self.store, name, Access(pairs[0] if pairs else None))
        except RegistryError as error:
            raise each.error(f"{name} is not in the store and cannot be pulled: {error}") from error

    # --- the configuration ----------------------------------------------------------------------------------------

    def _env(self, each: Instruction, stage: Stage) -> None:
        made = stage.environment | dockerfile.pairs(each, stage.known())
        stage.config["Env"] = [f"{name}={value}" for name, value in made.items()]

    def _label(self, each: Instruction, stage: Stage) -> None:
        stage.config["Labels"] = {**(stage.config.get("Labels") or {}), **dockerfile.pairs(each, stage.known())}

    def _maintainer(self, each: Instruction, stage: Stage) -> None:
        stage.config["Labels"] = {**(stage.config.get("Labels") or {}), "maintainer": each.text}

    def _workdir(self, each: Instruction, stage: Stage) -> None:
        path = str(PurePosixPath("/", stage.config.get("WorkingDir") or "/", self._one(each, stage)))
        stage.config["WorkingDir"] = os.path.normpath(path)
        if (folder := stage.config["WorkingDir"].strip("/")):
            self._layer(stage, [*_parents(folder), Item(folder)])

    def _user(self, each: Instruction, stage: Stage) -> None:
        stage.config["User"] = self._one(each, stage)

    def _stopsignal(self, each: Instruction, stage: Stage) -> None:
        stage.config["StopSignal"] = self._one(each, stage)

    def _expose(self, each: Instruction, stage: Stage) -> None:
        for port in words(each, expand(each.text, stage.known())):
            if not re.fullmatch(r"\d+(-\d+)?(/(tcp|udp|sctp))?", port):
                raise each.error(f"{port!r} is no port")
            stage.config.setdefault("ExposedPorts", {})[port if "/" in port else f"{port}/tcp"] = {}

    def _volume(self, each: Instruction, stage: Stage) -> None:
        for path in each.words or words(each, expand(each.text, stage.known())):
            stage.config.setdefault("Volumes", {})[path] = {}

    def _shell(self, each: Instruction, stage: Stage) -> None:
        if not each.words:
            raise each.error('expected the JSON form, ["/bin/sh", "-c"]')
        stage.shell = each.words

    def _entrypoint(self, each: Instruction, stage: Stage) -> None:
        stage.config["Entrypoint"] = self._command(each, stage)
        if not stage.entered:       # an ENTRYPOINT drops the CMD of the image it is built upon
            stage.config.pop("Cmd", None)

    def _cmd(self, each: Instruction, stage: Stage) -> None:
        stage.config["Cmd"] = self._command(each, stage)
        stage.entered = True

    def _command(self, each: Instruction, stage: Stage) -> list[str]:
        if each.words is not None:
            return list(each.words)
        return [*stage.shell, each.text] if each.text else []

    def _healthcheck(self, each: Instruction, stage: Stage) -> None:
        self.say(f"line {each.line}: HEALTHCHECK is passed over: OCI images have none; use the probes of a Pod")

    def _one(self, each: Instruction, stage: Stage) -> str:
        return expand(each.text, stage.known()).strip("\"'")

    # --- files ----------------------------------------------------------------------------------------------------

    def _add(self, each: Instruction, stage: Stage) -> None:
        sources = each.words or words(each, each.text)
        for source in sources[:-1]:
            if re.match(r"(https?://|git@|\w+://)", source):
                raise each.error(f"{source}: ADD takes local files only here")
        self._copy(each, stage)

    def _copy(self, each: Instruction, stage: Stage) -> None:
        flags = dict(each.flags)
        for flag in flags:
            if flag not in ("from", "chown", "chmod", "link"):
                raise each.error(f"--{flag} is not known here")
        text = list(each.words) if each.words is not None else words(each, expand(each.text, stage.known()))
        if each.words is not None:
            text = [expand(word, stage.known()) for word in text]
        if len(text) < 2:
            raise each.error("expected a source and a destination")
        *sources, target = text
        with self._source(each, flags.get("from", "")) as folder:
            items = self._items(each, stage, folder, sources, target, flags)
            self._layer(stage, items)

    @contextlib.contextmanager
    def _source(self, each: Instruction, named: str) -> Iterator[Path]:
        """The folder that a COPY takes from: the context, a stage's files, an image's."""
        if not named:
            yield self.context
            return
        stage = self.names.get(named) or self.names.get(named.lower()) or self._base(each, named)
        with self._root(stage) as root:
            yield root

    def _items(self, each: Instruction, stage: Stage, folder: Path, sources: list[str], target: str,
               flags: dict[str, str]) -> list[Item]:
        uid, gid = self._owner(each, stage, expand(flags.get("chown", ""), stage.known()))
        mode = _mode(each, flags.get("chmod", ""))
        into = str(PurePosixPath("/", stage.config.get("WorkingDir") or "/", target))
        as_folder = target.endswith("/") or target in (".", "..") or len(sources) > 1
        place = os.path.normpath(into).strip("/")
        made: dict[str, Item] = {}
        ignored = self.ignored if folder == self.context else (lambda path: False)
        for source in sources:
            found = self._matching(each, folder, source, ignored)
            for path in found:
                inner = view.inside(str(folder), str(path.relative_to(folder)))
                if each.name == "ADD" and os.path.isfile(inner) and tarfile.is_tarfile(inner):
                    self._unpacked(Path(inner), place, made)
                elif os.path.isdir(inner):
                    self._tree(folder, Path(inner), place, made, ignored)
                else:
                    name = f"{place}/{path.name}".strip("/") if as_folder or len(found) > 1 or self._is_folder(
                        stage, place) else place
                    made[name] = _plain(Path(inner), name)
        items = [_with(item, uid, gid, mode) for item in made.values()]
        parents = {parent.path: parent for item in items for parent in _parents(item.path) if parent.path not in made}
        if as_folder or any(item.path.startswith(f"{place}/") for item in items):
            parents |= {parent.path: parent for parent in _parents(f"{place}/x") if parent.path not in made}
        return [*self._new(stage, parents), *items]

    def _new(self, stage: Stage, parents: dict[str, Item]) -> Iterator[Item]:
        """Those folders that the image has not yet: a layer must not change the modes of others."""
        if not stage.layers:
            yield from parents.values()
            return
        with self._root(stage) as root:
            for path, item in parents.items():
                if not os.path.isdir(view.inside(str(root), path)):
                    yield item

    def _is_folder(self, stage: Stage, place: str) -> bool:
        if not place or not stage.layers:
            return not place
        with self._root(stage) as root:
            return os.path.isdir(view.inside(str(root), place))

    def _matching(self, each: Instruction, folder: Path, source: str, ignored: Callable[[str], bool]) -> list[Path]:
        pattern = os.path.normpath(source).lstrip("/")
        if pattern.startswith(".."):
            raise each.error(f"{source} is outside of the build context")
        if pattern == ".":
            return [folder]
        if any(sign in pattern for sign in "*?["):
            found = sorted(path for path in folder.glob(pattern) if not ignored(str(path.relative_to(folder))))
        else:
            inner = Path(view.inside(str(folder), pattern, follow=False))
            found = [inner] if os.path.lexists(inner) and not ignored(pattern) else []
        if not found:
            raise each.error(f"{source} is not there" + ("" if folder != self.context else
                                                         ", or .dockerignore leaves it out"))
        return found

    def _tree(self, folder: Path, top: Path, place: str, made: dict[str, Item], ignored: Callable[[str], bool]) -> None:
        """What a folder holds, not the folder itself."""
        for path, names, files in os.walk(top):
            for name in sorted((*names, *files)):
                full = Path(path, name)
                if ignored(str(full.relative_to(folder))):
                    continue
                inner = f"{place}/{full.relative_to(top)}".strip("/")
                found = full.lstat()
                if stat.S_ISLNK(found.st_mode) or stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode):
                    made[inner] = _plain(full, inner)
            names.sort()

    def _unpacked(self, archive: Path, place: str, made: dict[str, Item]) -> None:
        """"ADD: local tar archives": as ``tar -x`` does."""
        with tarfile.open(archive) as tar:
            for member in tar:
                inner = os.path.normpath(f"/{member.name}").strip("/")
                name = f"{place}/{inner}".strip("/")
                if not inner:
                    continue
                if member.isdir():
                    made[name] = Item(name, mode=member.mode & 0o1777, uid=member.uid, gid=member.gid)
                elif member.issym():
                    made[name] = Item(name, link=member.linkname, mode=0o777)
                elif member.isreg() or member.islnk():
                    file = tar.extractfile(member)
                    made[name] = Item(name, file.read() if file else b"", mode=member.mode & 0o777, uid=member.uid,
                                      gid=member.gid)

    def _owner(self, each: Instruction, stage: Stage, text: str) -> tuple[int, int]:
        """``--chown``: numbers, or names of the image's own users."""
        if not text:
            return 0, 0
        user, _, group = text.partition(":")
        if user.isdigit() and (group or user).isdigit():
            return int(user), int(group or user)
        with self._root(stage) as root:
            people, groups = _rows(root, "etc/passwd"), _rows(root, "etc/group")
        uid = int(user) if user.isdigit() else people.get(user, (None, None))[0]
        gid = int(group) if group.isdigit() else groups.get(group, (None, None))[0] if group else \
            people.get(user, (None, uid))[1]
        if uid is None or gid is None:
            raise each.error(f"--chown={text}: the image has no such user or group")
        return uid, gid

    def _layer(self, stage: Stage, items: list[Item]) -> None:
        descriptor, difference = layers.pack(self.store, items)
        stage.layers.append(descriptor)
        stage.difference.append(difference)

    # --- RUN ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _root(self, stage: Stage) -> Iterator[Path]:
        """The stage's files so far, for as long as the context; nobody else's."""
        parts = self.store.parts(self._finish(stage))
        yield layers.unpacked(self.store, parts)

    def _run(self, each: Instruction, stage: Stage) -> None:
        for flag, value in each.flags:
            if flag != "network" or value != "none":
                raise each.error(f"--{flag} is not known here")
        command = list(each.words) if each.words is not None else [*stage.shell, each.text]
        with self._root(stage) as root, tempfile.TemporaryDirectory(
                prefix="build-", dir=self.store.folder / "roots", ignore_cleanup_errors=True) as made:
            copy = Path(made, "root")
            copy.mkdir()
            subprocess.run(["cp", "-a", "--reflink=auto", f"{root}/.", str(copy)], check=True)
            self._prepare(copy)
            before = layers.snapshot(copy)
            status = self._jailed(each, stage, command, copy)
            if status:
                raise each.error(f"{' '.join(command)} ended with status {status}")
            self._layer(stage, list(layers.changes(before, copy)))
            forget(copy)

    def _prepare(self, copy: Path) -> None:
        """Make what the jail adds before the first look, so that it is no part of the layer."""
        owner = jail.NOBODY if os.getuid() == 0 else None
        view.furnish(str(copy), {"mounts": [], "uid": owner, "root": {"owner": owner}, "directory": None})

    def _jailed(self, each: Instruction, stage: Stage, command: list[str], root: Path) -> int:
        known = {"PATH": PATH, "HOME": "/root", **stage.arguments, **stage.environment}
        uid, gid = self._owner(each, stage, stage.config.get("User") or "")
        spec = jail.Spec(
            root=jail.Root(str(root), None, True, uid, gid, hostname="buildkitsandbox"), environment=known,
            directory=stage.config.get("WorkingDir") or "/", processes=512, open_files=1024, memory=RUN_BYTES,
            cpu_seconds=None, wall_seconds=RUN_SECONDS, file_bytes=RUN_BYTES)
        if len(rungs.unavailable()) == 2:
            raise each.error("this host cannot show a root file system: that needs bubblewrap or PRoot")
        try:
            with jail.start(spec, command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running, \
                    contextlib.closing(running.stdout or io.BytesIO()) as output:
                for line in output:
                    self.say(f"  {line.decode(errors='replace').rstrip()}")
                done = running.wait()
        except LabError as error:
            raise each.error(str(error)) from error
        assert done is not None
        if done.limit:
            raise each.error(f"it was ended: too much {done.limit}")
        return done.status


def _platform() -> dict[str, str]:
    """"Automatic platform ARGs in the global scope"."""
    made = {"OS": "linux", "ARCH": ARCHITECTURE, "PLATFORM": f"linux/{ARCHITECTURE}"}
    return {f"{kind}{name}": value for kind in ("TARGET", "BUILD") for name, value in made.items()}


def _parents(path: str) -> list[Item]:
    parts = path.strip("/").split("/")[:-1]
    return [Item("/".join(parts[:count])) for count in range(1, len(parts) + 1) if parts[0]]


def _plain(path: Path, name: str) -> Item:
    """A file of the host as root's; its permissions stay."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return Item(name, link=os.readlink(path), mode=0o777)
    mode = stat.S_IMODE(found.st_mode) & 0o777
    return Item(name, None if stat.S_ISDIR(found.st_mode) else path, mode=mode)


def _with(item: Item, uid: int, gid: int, mode: int | None) -> Item:
    return Item(item.path, item.source, item.link, item.mode if mode is None or item.link else mode, uid or item.uid,
                gid or item.gid)


def _mode(each: Instruction, text: str) -> int | None:
    if text and not re.fullmatch(r"0?[0-7]{3,4}", text):
        raise each.error(f"--chmod={text}: expected an octal number")
    return int(text, 8) if text else None


def _rows(root: Path, path: str) -> dict[str, tuple[int, int]]:
    """name → (its number, the next one) of passwd or group."""
    try:
        lines = Path(view.inside(str(root), path)).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    rows = [line.split(":") for line in lines]
    return {row[0]: (int(row[2]), int(row[3]) if len(row) > 3 and row[3].isdigit() else int(row[2]))
            for row in rows if len(row) >= 3 and row[2].isdigit()}


def _ignored(context: Path) -> Callable[[str], bool]:
    """".dockerignore file": the last pattern that matches a path, or a folder above it, decides."""
    try:
        lines = (context / ".dockerignore").read_text(encoding="utf-8").splitlines()
    except OSError:
        return lambda path: False
    rules = []
    for line in (line.strip() for line in lines):
        if line and not line.startswith("#"):
            keep = line.startswith("!")
            pattern = os.path.normpath(line.lstrip("!").strip()).lstrip("/")
            rules.append((re.compile(_pattern(pattern)), keep))

    def decided(path: str) -> bool:
        out = False
        parts = path.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        for pattern, keep in rules:
            if any(pattern.fullmatch(each) for each in above):
                out = not keep
        return out

    return decided


def _pattern(text: str) -> str:
    """Go's ``filepath.Match`` with ``**``, as a regular expression."""
    made = ""
    for piece in re.split(r"(\*\*/|\*\*|\*|\?)", text):
        made += {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(piece, re.escape(piece))
    return made


def build(store: Store, context: Path, file: Path, arguments: dict[str, str], target: str, names: list[Name],
          say: Callable[[str], None]) -> str:
    """Build and name an image; returns its digest.  Raises PermanentError with the line that failed."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise PermanentError(f"{file} cannot be read: {error.strerror}.") from error
    if not context.is_dir():
        raise PermanentError(f"{context} is not a folder.")
    with store.filling():
        found = Builder(store, context, arguments, say).build(parse(text), target)
        for name in names:
            store.tag(name, found)
    return str(found["digest"])



