"""`lab progress`: answers and results leave one workspace as one file, and come back in another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from labs.services import state


def cell(grade_id: str, source: str, solution: bool = True) -> dict[str, Any]:
    told = {"grade_id": grade_id, "solution": solution, "grade": not solution, "points": 2}
    return {"cell_type": "code", "metadata": {"nbgrader": told}, "source": source}


def section(workspace: Path, answer: str, *more: dict[str, Any]) -> Path:
    folder = workspace / "a_section"
    folder.mkdir(parents=True)
    cells = [{"cell_type": "markdown", "metadata": {}, "source": "text"}, cell("x1-q1-answer", answer),
             cell("x1-q1", 'check("x1-q1")', solution=False), *more]
    (folder / "x1.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}))
    return folder


def sources(folder: Path) -> list[str]:
    return [each["source"] for each in json.loads((folder / "x1.ipynb").read_text())["cells"]]


def result(points: float, full: bool = False) -> dict[str, Any]:
    return {"points": points, "max": 2, "full": full, "when": "2026-11-26T00:00:00Z"}


@pytest.fixture
def enrolled(labs_home: Path) -> Path:
    state.make_home()
    state.write_json(labs_home / "learner.json", {"student": "ann"})
    return labs_home


def test_answers_and_results_move_to_a_fresh_workspace(lab, enrolled, tmp_path):
    old, new, file = tmp_path / "old", tmp_path / "new", tmp_path / "mine.json"
    (section(old, "a = 1\n# ünï") / ".progress.json").write_text(json.dumps({"x1-q1": result(2, True)}))
    folder = section(new, "a = ...", cell("x1-q2-answer", "b = ..."))
    said = lab("progress", "save", str(file), "--workspace", str(old)).stdout
    assert "1 answers and 1 checked exercises" in said
    said = lab("progress", "load", str(file), "--workspace", str(new)).stdout
    assert sources(folder) == ["text", "a = 1\n# ünï", 'check("x1-q1")', "b = ..."]
    assert json.loads((folder / ".progress.json").read_text()) == {"x1-q1": result(2, True)}
    kept = json.loads(next(tmp_path.glob("mine-before-*.json")).read_text())
    assert kept["answers"] == {"x1-q1-answer": "a = ...", "x1-q2-answer": "b = ..."}
    assert "what was there before is in" in said


def test_a_better_result_here_is_kept_and_cells_that_are_no_answers_are_not_touched(lab, enrolled, tmp_path):
    file = tmp_path / "mine.json"
    folder = section(tmp_path / "new", "a = ...")
    (folder / ".progress.json").write_text(json.dumps({"x1-q1": result(2, True)}))
    file.write_text(json.dumps({
        "kind": "production-labs progress", "version": 1, "student": "ann", "reached": {"x1-q1": result(1)},
        "answers": {"x1-q1-answer": "a = 2", "x1-q1": "print('full marks')", "z9-q1-answer": "gone"}}))
    said = lab("progress", "load", str(file), "--workspace", str(tmp_path / "new")).stdout
    assert sources(folder) == ["text", "a = 2", 'check("x1-q1")']
    assert json.loads((folder / ".progress.json").read_text())["x1-q1"]["full"]
    assert "Not in these notebooks: x1-q1, z9-q1-answer." in said


def test_answers_for_another_students_values_are_loaded_only_when_asked(lab, enrolled, tmp_path):
    file, folder = tmp_path / "mine.json", section(tmp_path / "new", "a = ...")
    file.write_text(json.dumps({"kind": "production-labs progress", "version": 1, "student": "bob", "reached": {},
                                "answers": {"x1-q1-answer": "a = 3"}}))
    refused = lab("progress", "load", str(file), "--workspace", str(tmp_path / "new"), status=1).stderr
    assert "--student bob" in refused
    assert sources(folder)[1] == "a = ..."
    lab("progress", "load", str(file), "--workspace", str(tmp_path / "new"), "--other-student")
    assert sources(folder)[1] == "a = 3"


@pytest.mark.parametrize(("text", "said"), [
    ("{", "cannot be read"), ("[]", "is no progress file"), ('{"kind": "other"}', "is no progress file"),
    ('{"kind": "production-labs progress", "version": 1, "student": "ann", "reached": {}, "answers": {"a": 1}}',
     "answers.a")])
def test_a_file_that_is_none_changes_nothing(lab, enrolled, tmp_path, text, said):
    file, folder = tmp_path / "mine.json", section(tmp_path / "new", "a = ...")
    file.write_text(text)
    error = lab("progress", "load", str(file), "--workspace", str(tmp_path / "new"), status=1).stderr
    assert said in error
    assert "Traceback" not in error
    assert sources(folder)[1] == "a = ..."


def test_what_was_reached_is_shown(lab, enrolled, tmp_path, monkeypatch):
    folder = section(tmp_path / "work", "a = 1")
    monkeypatch.setenv("LABS_WORKSPACE", str(tmp_path / "work"))
    assert "No exercise was checked" in lab("progress").stdout
    (folder / ".progress.json").write_text(json.dumps({"x1-q1": result(1)}))
    assert "– open    x1-q1    1 of 2 points" in lab("progress").stdout
