"""What lies beside a notebook is an ordinary file or is set aside, and the submission is graded all the same."""

import json
import os
import socket
import time

import pytest

from graders import quarantine


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "submitted" / "ada" / "b_testing"
    made.mkdir(parents=True)
    (made / "t1.ipynb").write_text("{}")
    return made


def fifo(path):
    os.mkfifo(path)


def link(path):
    path.symlink_to("/etc/hostname")


def loop(path):
    path.symlink_to(path)


def folder_link(path):
    path.symlink_to("/etc", target_is_directory=True)


def unix_socket(path):
    before = os.getcwd()
    os.chdir(path.parent)  # a socket's address is short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(before)


def large(path):
    with path.open("wb") as file:
        file.truncate(quarantine.LARGEST + 1)


def odd_name(path):
    (path.parent / "a\nb").write_text("x")


THINGS = {
    "pipe": (fifo, "is a named pipe"),
    "link": (link, "is a link"),
    "loop": (loop, "is a link"),
    "folder link": (folder_link, "is a link"),
    "socket": (unix_socket, "is a socket"),
    "large": (large, "is larger than 128 MB"),
    "odd name": (odd_name, "has a name that is no ordinary one"),
}


@pytest.mark.parametrize("name", THINGS)
def test_what_is_no_ordinary_file_is_set_aside_and_told(name, folder):
    make, said = THINGS[name]
    make(folder / "thing")
    told = quarantine.clean(folder)
    assert len(told) == 1
    assert said in told[0]
    assert sorted(path.name for path in folder.iterdir()) == ["t1.ipynb"]
    assert quarantine.noted(folder) == told
    assert quarantine.clean(folder) == []
    assert quarantine.noted(folder) == told, "what was said before is still known"


@pytest.mark.parametrize("name", THINGS)
def test_collecting_leaves_it_behind(name, folder, tmp_path):
    make, said = THINGS[name]
    make(folder / "thing")
    (folder / "data").mkdir()
    (folder / "data" / "numbers.csv").write_text("1,2")
    destination = tmp_path / "course" / "submitted" / "ada" / "b_testing"
    told = quarantine.copy(folder, destination)
    assert len(told) == 1
    assert said in told[0] or "cannot be read" in told[0]
    found = sorted(str(path.relative_to(destination)) for path in destination.rglob("*"))
    assert found == ["data", "data/numbers.csv", "t1.ipynb"]
    assert quarantine.noted(destination) == told


def test_ordinary_files_stay_as_they_are(folder):
    (folder / "data").mkdir()
    (folder / "data" / "numbers.csv").write_text("1,2")
    (folder / "timestamp.txt").write_text("2026-11-25 09:00:00.000000 UTC")
    assert quarantine.clean(folder, ["t1"]) == []
    assert (folder / "data" / "numbers.csv").read_text() == "1,2"
    assert not (folder.parents[2] / "quarantined").exists()


def test_modes_that_forbid_reading_are_put_right(folder):
    (folder / "data").mkdir()
    (folder / "data" / "numbers.csv").write_text("1,2")
    (folder / "t1.ipynb").chmod(0)
    (folder / "data").chmod(0)
    assert quarantine.clean(folder) == []
    assert (folder / "t1.ipynb").stat().st_mode & 0o600 == 0o600
    assert (folder / "data" / "numbers.csv").read_text() == "1,2"


@pytest.mark.parametrize("text", ["tomorrow-ish", "", "\x00", "99999-99-99", "9" * 400, "12"])
def test_garbage_for_a_time_is_set_aside(folder, text):
    (folder / "timestamp.txt").write_text(text)
    told = quarantine.clean(folder)
    if text != "12":  # a day of this month to dateutil, as to nbgrader
        assert "holds no time" in told[0]
        assert not (folder / "timestamp.txt").exists()


def test_too_many_files_are_bounded(folder):
    for number in range(quarantine.MOST_FILES + 20):
        (folder / f"z{number:04}").write_text("x")
    told = quarantine.clean(folder)
    assert len(told) == 21
    assert (folder / "t1.ipynb").exists()


def test_a_deep_tree_is_bounded(folder):
    deep = folder.joinpath(*["d"] * 40)
    deep.mkdir(parents=True)
    (deep / "x").write_text("x")
    began = time.monotonic()
    assert "deeper than" in quarantine.clean(folder)[0]
    assert time.monotonic() - began < 10


def test_the_only_notebook_left_over_is_the_only_one_missing(folder):
    (folder / "t1.ipynb").rename(folder / "t1 (1).ipynb")
    told = quarantine.clean(folder, ["t1"])
    assert "was called t1 (1).ipynb" in told[0]
    assert (folder / "t1.ipynb").exists()


def test_a_name_is_not_guessed_where_two_could_be_meant(folder):
    (folder / "t1.ipynb").rename(folder / "a.ipynb")
    (folder / "b.ipynb").write_text("{}")
    assert quarantine.clean(folder, ["t1"]) == []


def test_notes_that_are_no_json_are_no_notes(folder):
    quarantine.clean(folder)
    aside = folder.parents[2] / "quarantined" / "ada" / "b_testing"
    aside.mkdir(parents=True)
    (aside / ".repairs.json").write_text(json.dumps({"a": 1})[:-1])
    assert quarantine.noted(folder) == []
