"""What an answer may do to its process, and what comes out of it."""

import time

import pytest

from graders import collect as collecting
from graders.collect import collect
from graders.exercise import Exercise
from graders.worker import Refused, plain

ANY = Exercise(id="t1-q9", points=1, summary="anything", answers={"x": {}})


def run(source, values=None):
    return collect(ANY, {"t1-q9-answer": source}, values)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = {'a': [1, 2.5, None, True]}", {"a": [1, 2.5, None, True]}),
        ("x = ('s3:GetObject',)", ["s3:GetObject"]),
        ("import warnings; warnings.warn('careful'); print('noise' * 10**6); x = 1", 1),
        ("import asyncio\nawait asyncio.sleep(0)\nx = 2", 2),
        ("%config InlineBackend.x = 1\nx = 3", 3),
        ("x = f\"arn:aws:s3:::{values['bucket']}/*\"", "arn:aws:s3:::b-7/*"),
        ("x = 4\nraise RuntimeError('after the answer')", 4),
        ("x = 5\nimport sys; sys.exit(1)", 5),
        ("def f():\n    return 6\nx = f()", 6),
        ("import atexit, os; atexit.register(lambda: os._exit(3)); x = 7", 7),
    ],
)
def test_data_comes_out(source, expected):
    evidence = run(source, {"bucket": "b-7"})
    assert evidence.problems == ()
    assert evidence.answer == {"x": expected}


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("y = 1", "x is not defined"),
        ("x = 1 +", "SyntaxError"),
        ("raise KeyError('bucket')", "KeyError: 'bucket' (answer cell 1, line 1)"),
        ("x = float('nan')", "not finite"),
        ("x = 10**400", "more than 64 bits"),
        ("x = []\nfor _ in range(100): x = [x]", "nested deeper"),
        ("x = []; x.append(x)", "nested deeper"),
        ("x = [0] * 10**6", "more than 20000 values"),
        ("x = 'a' * 10**7", "characters of text"),
        ("x = '\\ud800'", "not valid Unicode"),
        ("x = {1: 2}", "key that is not a str"),
        ("class D(dict):\n    def __eq__(self, other): return True\nx = D()", "of type D"),
        ("class S(str): pass\nx = {S('k'): 1}", "key that is not a str"),
        ("x = (n for n in [1])", "of type generator"),
        ("import os; os._exit(0)", "ended the process"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended the process"),
        (
            "import os; os.write(int(__import__('sys').argv[1]), b'{\"values\": {\"x\": NaN}}\\n'); os._exit(0)",
            "not plain data",
        ),
        ("import os; os.write(int(__import__('sys').argv[1]), b'[' * 100000 + b'\\n'); os._exit(0)", "not plain data"),
    ],
)
def test_what_is_not_data_is_a_problem_that_says_so(source, seen):
    evidence = run(source)
    assert evidence.answer == {}
    assert seen in evidence.problems[0].observed


def test_an_endless_cell_costs_the_wall_clock_limit_only(monkeypatch):
    monkeypatch.setattr(collecting, "WALL_SECONDS", 1.0)
    started = time.monotonic()
    evidence = run("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nimport time\ntime.sleep(60)")
    assert "still running" in evidence.problems[0].observed
    assert time.monotonic() - started < 3


def test_output_floods_memory_and_processes_are_bounded():
    assert "MemoryError" in run("x = bytearray(2**31)").problems[0].observed
    assert run("import os\ntry:\n    os.fork(); x = 'forked'\nexcept OSError:\n    x = 'refused'").answer in (
        {"x": "refused"},
        {"x": "forked"} if _unconfined_root() else {"x": "refused"},
    )


def _unconfined_root():
    import os

    from graders import worker

    return os.getuid() == 0 and not worker._readable_by_others()


def test_no_credentials_and_an_empty_folder(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-leak")
    seen = run("import os\nx = [sorted(os.environ), os.listdir('.')]").answer["x"]
    assert not [name for name in seen[0] if name.startswith(("AWS", "LABS", "PYTHONPATH"))]
    assert seen[1] == []


def test_a_schema_violation_names_the_place():
    exercise = Exercise(
        id="t1-q9",
        points=1,
        summary="anything",
        answers={"x": {"type": "object", "properties": {"a": {"type": "array", "description": "a list"}}}},
    )
    problem = collect(exercise, {"t1-q9-answer": "x = {'a': 3}"}).problems[0]
    assert "x['a']: 3 is not of type 'array'" in problem.observed
    assert problem.expected == "a list"


def test_missing_answer_cell_is_a_problem_not_an_error():
    assert "no answer cell t1-q9-answer" in collect(ANY, {}).problems[0].observed


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object(), 1j, {"a": object()}])
def test_plain_refuses_other_types(value):
    with pytest.raises(Refused):
        plain(value)
