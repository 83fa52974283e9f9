"""Submissions are brought back into the released notebook's shape, whatever happened to their cells or their file."""

import copy
import json
import os

import pytest

from graders.submission import load, restore
from labs.errors import PermanentError

TOLD = {"schema_version": 3, "task": False}


def cell(name, source, kind="code", **flags):
    told = TOLD | {"grade": False, "grade_id": name, "locked": False, "solution": True} | flags
    return {"cell_type": kind, "id": f"id-{name}", "metadata": {"nbgrader": told}, "source": source}


def released():
    check = cell("q1", 'check("q1")', grade=True, locked=True, points=3, solution=False)
    return {
        "cells": [
            {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# Title"},
            cell("a1", "answer = None"),
            check,
            cell("a2", "other = None"),
            cell("essay", "*Your answer here.*", "markdown", grade=True, points=4),
        ],
        "metadata": {"kernelspec": {"name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def worked():
    found = released()
    found["cells"][1]["source"] = "answer = 1"
    found["cells"][3]["source"] = "other = 2"
    found["cells"][4]["source"] = "Because."
    return found


def nested(depth):
    return "[" * depth + "]" * depth


def as_text(change):
    document = worked()
    return change(document) or json.dumps(document)


def edit(at, **fields):
    def change(document):
        document["cells"][at].update(fields)

    return change


def told(at, **flags):
    def change(document):
        document["cells"][at]["metadata"]["nbgrader"].update(flags)

    return change


def without(at):
    return lambda document: document["cells"].pop(at) and None


def twice(at, source, *, first=False):
    def change(document):
        copied = copy.deepcopy(document["cells"][at]) | {"id": "copied", "source": source}
        document["cells"].insert(0 if first else len(document["cells"]), copied)

    return change


def cut(document):
    text = json.dumps(document, indent=1)
    return text[: text.index("Because.")]


def deep_cell(document):
    document["cells"].insert(1, "DEEP")
    cell = f'{{"cell_type": "raw", "source": "", "metadata": {nested(100_000)}}}'
    return json.dumps(document).replace('"DEEP"', cell)


def deep_metadata(document):
    text = json.dumps({"metadata": "DEEP", **document, "nbformat": 4})
    return text.replace(json.dumps(document["metadata"]), nested(100_000))


def many(document):
    document["cells"] += [{"cell_type": "code", "metadata": {}, "source": f"x = {n}"} for n in range(4_000)]


def big(document):
    document["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 61 * 2**20}]


def old(document):
    cells = [{"input" if key == "source" else key: value for key, value in each.items()} for each in document["cells"]]
    return json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]})


def pasted(document):
    document["cells"][3]["metadata"]["nbgrader"]["grade_id"] = "a1"


def renumbered(document):
    for each in document["cells"]:
        each.pop("id")
    document["nbformat_minor"] = 4


def in_pieces(document):
    document["cells"][1]["source"] = ["answer = (\n", "1)"]


#: what happened → (the change, a1, a2, essay as they must come out, a part of what is said or "")
HAPPENED = {
    "nothing": (lambda document: None, "answer = 1", "other = 2", "Because.", ""),
    "source as a list": (in_pieces, "answer = (\n1)", "other = 2", "Because.", ""),
    "check edited": (edit(2, source="pass"), "answer = 1", "other = 2", "Because.", "check cell q1 was changed"),
    "check deleted": (without(2), "answer = 1", "other = 2", "Because.", "check cell q1 was missing"),
    "check retyped": (edit(2, cell_type="raw"), "answer = 1", "other = 2", "Because.", "check cell q1 was changed"),
    "check worth more": (told(2, points=300), "answer = 1", "other = 2", "Because.", "metadata (points)"),
    "check twice": (twice(2, 'check("q1")'), "answer = 1", "other = 2", "Because.", "q1 was there 2 times"),
    "answer deleted": (without(1), "answer = None", "other = 2", "Because.", "answer cell a1 was missing"),
    "answer retyped": (edit(1, cell_type="markdown"), "answer = 1", "other = 2", "Because.", "become a markdown cell"),
    "answer graded": (told(1, grade=True, points=9), "answer = 1", "other = 2", "Because.", "(grade, points)"),
    "answer renamed": (told(1, grade_id="mine"), "answer = 1", "other = 2", "Because.", "(grade_id)"),
    "answer without metadata": (edit(1, metadata={}), "answer = 1", "other = 2", "Because.", "a1 had other nbgrader"),
    "answer without id": (edit(1, id="x"), "answer = 1", "other = 2", "Because.", ""),
    "no ids at all": (renumbered, "answer = 1", "other = 2", "Because.", ""),
    "copied and worked on": (twice(1, "answer = 7"), "answer = 7", "other = 2", "Because.", "a1 was there 2 times"),
    "copied, copy empty": (twice(1, "answer = None"), "answer = 1", "other = 2", "Because.", "a1 was there 2 times"),
    "copied to the front": (
        twice(1, "answer = 7", first=True), "answer = 1", "other = 2", "Because.", "a1 was there 2 times"),
    "re-pointed": (pasted, "answer = 1", "other = 2", "Because.", "a2 had other nbgrader metadata (grade_id)"),
    "metadata of another type": (edit(1, metadata=[]), "answer = 1", "other = 2", "Because.", "a1 had other"),
    "nbgrader of another type": (
        edit(1, metadata={"nbgrader": "x"}), "answer = 1", "other = 2", "Because.", "a1 had other"),
    "source a number": (edit(1, source=7), "", "other = 2", "Because.", ""),
    "source enormous": (edit(1, source="x" * 300_000), "answer = None", "other = 2", "Because.", "longer than 256 kB"),
    "other schema": (told(1, schema_version=99), "answer = 1", "other = 2", "Because.", "(schema_version)"),
    "other kernel": (lambda document: document.update(metadata={"kernelspec": {"name": "evil"}}), "answer = 1",
                     "other = 2", "Because.", ""),
    "other format": (lambda document: document.update(nbformat=9), "answer = 1", "other = 2", "Because.", "format 4"),
    "format 3": (old, "answer = 1", "other = 2", "Because.", "format 3"),
    "cut off": (cut, "answer = 1", "other = 2", "*Your answer here.*", "not a whole notebook"),
    "a cell 100,000 deep": (deep_cell, "answer = 1", "other = 2", "Because.", "nested too deep"),
    "metadata 100,000 deep": (deep_metadata, "answer = 1", "other = 2", "Because.", "nested too deep"),
    "4,000 cells": (many, "answer = 1", "other = 2", "Because.", ""),
    "61 MB": (big, "answer = 1", "other = 2", "Because.", ""),
    "byte order mark": (lambda document: "\ufeff" + json.dumps(document), "answer = 1", "other = 2", "Because.", ""),
    "a list": (lambda document: "[1]", "answer = None", "other = None", "*Your answer here.*", "holds no notebook"),
    "nothing at all": (lambda document: "\n", "answer = None", "other = None", "*Your answer here.*", "not a whole"),
    "a constant": (lambda document: "NaN", "answer = None", "other = None", "*Your answer here.*", "holds no notebook"),
    "cells of other types": (
        lambda document: document.update(cells=[1, None, "x", *document["cells"]]), "answer = 1", "other = 2",
        "Because.", ""),
    "cells is a text": (
        lambda document: document.update(cells="x"), "answer = None", "other = None", "*Your answer here.*",
        "no list of cells"),
}  # fmt: skip


@pytest.mark.parametrize("name", HAPPENED)
def test_answers_are_found_and_nothing_else(name, tmp_path):
    change, first, second, essay, said = HAPPENED[name]
    path = tmp_path / "n.ipynb"
    path.write_text(as_text(change), encoding="utf-8")
    document, repairs = restore(released(), load(path))
    found = {each["metadata"].get("nbgrader", {}).get("grade_id"): each["source"] for each in document["cells"]}
    assert (found["a1"], found["a2"], found["essay"]) == (first, second, essay)
    expected = released()
    for at, source in ((1, first), (3, second), (4, essay)):
        expected["cells"][at]["source"] = source
    assert document == expected, "everything but the answers is the released notebook's"
    assert said in "\n".join(repairs)
    assert bool(repairs) == bool(said)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_other_encodings_cost_no_answer(encoding, tmp_path):
    path = tmp_path / "n.ipynb"
    document = worked()
    document["cells"][0]["source"] = "# é"
    path.write_bytes(json.dumps(document, ensure_ascii=False).encode(encoding))
    restored, _ = restore(released(), load(path))
    assert restored["cells"][1]["source"] == "answer = 1"


def test_a_lone_surrogate_can_be_written_again(tmp_path):
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps(worked()).replace("answer = 1", "answer = '\\ud800'"))
    restored, _ = restore(released(), load(path))
    assert restored["cells"][1]["source"] == "answer = '?'"


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "missing", "loop"])
def test_what_is_no_ordinary_file_is_not_read(kind, tmp_path):
    path = tmp_path / "n.ipynb"
    (tmp_path / "real").write_text(json.dumps(worked()))
    made = {
        "link": lambda: path.symlink_to(tmp_path / "real"),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "missing": lambda: None,
        "loop": lambda: path.symlink_to(path),
    }
    made[kind]()
    with pytest.raises(PermanentError, match=r"n\.ipynb"):
        load(path)
