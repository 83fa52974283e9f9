"""The learner's tree: released notebooks and what runs them, without solutions, hidden checks, mutants and rubrics.

``release`` writes that tree, ``workspace`` writes only its notebooks and keeps what the learner changed.  In a tree
that is itself a release (it has ``notebooks/.released.json``) notebooks are copied as they are.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from labs.errors import PermanentError

MANIFEST = ".released.json"
NOTEBOOKS = "notebooks"
TREE = (
    "README.md",
    "LICENSE*",
    "LICENSES",
    "CURRICULUM.md",
    "environment.yml",
    "pyproject.toml",
    "uv.lock",
    "requirements*",
    "curriculum.toml",
    ".python-version",
    ".gitignore",
    "binder",
    ".devcontainer",
    "scripts",
    "labs",
    "graders",
    "docs",
    "images",
)
NEVER = frozenset(
    {
        "hidden.py",
        "mutants",
        "solutions",
        "__pycache__",
        ".ipynb_checkpoints",
        ".progress.json",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        ".DS_Store",
    }
)


def release(target: Path, source: Path | None = None) -> list[Path]:
    """Write the learner's tree into ``target``, which must be missing, empty or an earlier release.

    :returns: the files written, relative to ``target``
    """
    source = source or root()
    _refuse_foreign(target, source)
    wanted = dict(_tree(source))
    wanted |= {Path(NOTEBOOKS) / path: content for path, content in notebooks(source).items()}
    wanted[Path(NOTEBOOKS) / MANIFEST] = _manifest(
        {path.relative_to(NOTEBOOKS): content for path, content in wanted.items() if path.parts[0] == NOTEBOOKS}
    )
    for stale in sorted(set(_files(target)) - set(wanted)):
        if stale.parts[0] != ".git":
            (target / stale).unlink()
    for path, content in wanted.items():
        _write(target / path, content, executable=os.access(source / path, os.X_OK))
    return sorted(wanted)


def workspace(target: Path, source: Path | None = None) -> list[str]:
    """Make or update the learner's workspace; says in words what arrived, one line a file, and returns those lines.

    A file that the learner changed is never written to: its new version arrives as ``name.new.ipynb`` beside it, once.
    """
    target.mkdir(parents=True, exist_ok=True)
    before = _read_manifest(target)
    said, after = [], dict(before)
    for path, content in notebooks(source or root()).items():
        here, name, fresh = target / path, path.as_posix(), _hash(content)
        if not here.exists() or _hash(here.read_bytes()) == before.get(name):
            if not here.exists() or before.get(name) != fresh:
                said.append(f"{'new' if not here.exists() else 'updated'}: {name}")
                _write(here, content)
        elif before.get(name) != fresh and _hash(here.read_bytes()) != fresh:
            beside = _beside(here)
            _write(beside, content)
            said.append(
                f"{name} has a new version; yours is kept, the new one is {beside.relative_to(target).as_posix()}"
            )
        after[name] = fresh
    _write(target / MANIFEST, json.dumps(after, indent=1, sort_keys=True).encode() + b"\n")
    for line in said:
        print(line)
    return said


def root() -> Path:
    """The course's tree: where ``notebooks`` lies beside this package."""
    here = Path(__file__).resolve().parent.parent
    if not (here / NOTEBOOKS).is_dir():
        raise PermanentError(f"No notebooks beside {here / 'graders'}.", "Run this from a clone of the course.")
    return here


def notebooks(source: Path) -> dict[Path, bytes]:
    """Released content by path below ``notebooks``: notebooks cleared of solutions, other files as they are."""
    folder = source / NOTEBOOKS
    released = (folder / MANIFEST).is_file()
    return {
        path: (folder / path).read_bytes() if released or path.suffix != ".ipynb" else released_notebook(folder / path)
        for path in _files(folder)
        if path.name not in NEVER | {MANIFEST}
    }


def released_notebook(path: Path) -> bytes:
    """A source notebook as a learner gets it, by nbgrader's own steps; the same bytes every time."""
    import nbformat
    from nbconvert.exporters.exporter import ResourcesDict
    from traitlets.config import Config
    from traitlets.utils.importstring import import_item

    from graders.nbgrader_plugins import CODE_STUB, RELEASE, TEXT_STUB

    config = Config({"ClearSolutions": {"code_stub": CODE_STUB, "text_stub": TEXT_STUB}})
    nb: Any = nbformat.read(path, as_version=4)
    resources: Any = ResourcesDict()
    for step in RELEASE:
        if not step.endswith("SaveCells"):  # the gradebook is nbgrader's business
            nb, resources = import_item(step)(config=config).preprocess(nb, resources)
    return (nbformat.writes(nb).rstrip("\n") + "\n").encode("utf-8")


def _tree(source: Path) -> Iterator[tuple[Path, bytes]]:
    for pattern in TREE:
        for top in sorted(source.glob(pattern)):
            for path in [Path()] if top.is_file() else _files(top):
                where = top.relative_to(source) / path
                if not NEVER & set(where.parts):
                    yield where, _without_solutions(where, (source / where).read_bytes())


def _without_solutions(path: Path, content: bytes) -> bytes:
    """A scenario without its ``solution`` methods and solution regions; every other file as it is."""
    if path.parts[:2] != ("labs", "scenarios") or path.suffix != ".py" or len(path.parts) < 4:
        return content
    text = content.decode("utf-8")
    lines: list[str | None] = list(text.splitlines(keepends=True))
    for node in _solutions(ast.parse(text)):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        last = node.end_lineno or node.lineno
        lines[first - 1 : last] = [None] * (last - first + 1)
    inside = False
    for index, line in enumerate(lines):
        marker = line or ""
        inside = inside or "### BEGIN SOLUTION" in marker
        if inside:
            lines[index] = None
        inside = inside and "### END SOLUTION" not in marker
    return "".join(line for line in lines if line is not None).encode("utf-8")


def _solutions(module: ast.Module) -> list[ast.FunctionDef]:
    """The ``solution`` methods, and the module's functions that nothing but a solution uses."""
    found = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef) and node.name == "solution"]
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    while True:
        inside = {name for node in found for name in _names(node)}
        kept = _names(module, without=found)
        more = [node for node in functions if node not in found and node.name in inside and node.name not in kept]
        if not more:
            return found
        found += more


def _names(tree: ast.AST, without: Sequence[ast.AST] = ()) -> set[str]:
    """Names used in ``tree``, not counting the functions in ``without``."""
    used, waiting = set(), [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name):
            used.add(node.id)
        waiting += [child for child in ast.iter_child_nodes(node) if child not in without]
    return used


def _files(folder: Path) -> Iterator[Path]:
    """Regular files below, relative, sorted; never through a symlink to a folder."""
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in NEVER)
        for name in sorted(names):
            if not name.endswith((".pyc", "~")):
                yield (Path(here) / name).relative_to(folder)


def _refuse_foreign(target: Path, source: Path) -> None:
    if target.resolve() == source.resolve() or (
        source.resolve() in target.resolve().parents
        and target.resolve().relative_to(source.resolve()).parts[0] in (*TREE, NOTEBOOKS)
    ):
        raise PermanentError(f"{target} is inside the tree that is released.", "Name a folder of its own.")
    if (
        target.is_dir()
        and any(path.name != ".git" for path in target.iterdir())
        and not (target / NOTEBOOKS / MANIFEST).is_file()
    ):
        raise PermanentError(f"{target} holds something that is not a release.", "Name an empty folder.")


def _manifest(files: dict[Path, bytes]) -> bytes:
    hashes = {path.as_posix(): _hash(content) for path, content in files.items()}
    return json.dumps(hashes, indent=1, sort_keys=True).encode() + b"\n"


def _read_manifest(target: Path) -> dict[str, str]:
    try:
        known = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _beside(path: Path) -> Path:
    """``name.new.ipynb``, or ``name.new-2.ipynb`` … when that is there already."""
    number = 1
    while True:
        beside = path.with_name(f"{path.stem}.new{'' if number == 1 else f'-{number}'}{path.suffix}")
        if not beside.exists():
            return beside
        number += 1


def _write(path: Path, content: bytes, executable: bool = False) -> None:
    """Write at once or not at all: a kill in the middle leaves the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.chmod(0o755 if executable else 0o644)
    shutil.move(temporary, path)
