"""What an answer may do to its process, and what comes out of it."""

import socket
import time
from pathlib import Path

import pytest

from graders import collect as collecting
from graders.collect import collect
from graders.exercise import Exercise
from graders.worker import Refused, plain
from labs.errors import PermanentError, TemporaryError

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


def test_memory_cpu_processes_and_threads_are_bounded(monkeypatch):
    assert "MemoryError" in run("x = bytearray(2**31)").problems[0].observed
    fork = "import os\ntry:\n    os.fork(); x = 'forked'\nexcept OSError:\n    x = 'refused'"
    assert run(fork).answer == {"x": "refused"}
    thread = "import threading\ntry:\n    threading.Thread(target=print).start(); x = 'started'\n"
    assert run(thread + "except RuntimeError:\n    x = 'refused'").answer == {"x": "refused"}
    monkeypatch.setattr(collecting, "CPU_SECONDS", 0.5)
    assert "ran out of its CPU time" in run("while True: pass").problems[0].observed


def test_no_file_but_the_runtime_is_read_and_none_is_changed(tmp_path):
    (tmp_path / "gradebook").write_text("marks")
    for path in (tmp_path, tmp_path / "gradebook"):
        path.chmod(0o777)
    hidden = Path(collecting.__file__).parent / "checks/b_iam_security/b1_q1/hidden.py"
    source = """
import json
x = []
for path, mode in WANTED:
    try:
        open(path, mode).close()
        x.append(path)
    except OSError:
        pass
open("mine", "w").close()
"""
    wanted = [(str(hidden), "r"), (str(tmp_path / "gradebook"), "r"), (str(tmp_path / "gradebook"), "w"),
              (str(tmp_path / "new"), "w"), ("/etc/passwd", "r"), (collecting.__file__, "r"), ("/tmp/new", "w")]
    assert run(source.replace("WANTED", repr(wanted))).answer == {"x": []}
    assert (tmp_path / "gradebook").read_text() == "marks"


def test_only_a_granted_port_is_reached():
    source = """
import socket
x = []
for port in PORTS:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        x.append(port)
    except OSError:
        pass
"""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [one.getsockname()[1], other.getsockname()[1]]
        source = source.replace("PORTS", repr(ports))
        assert run(source).answer == {"x": []}
        seen = collect(ANY, {"t1-q9-answer": source + "import os; x.append(os.environ['AWS_ENDPOINT_URL'])"},
                       connect=(ports[0],), environment={"AWS_ENDPOINT_URL": "http://127.0.0.1"})
    assert seen.answer == {"x": [ports[0], "http://127.0.0.1"]}


def test_weaker_isolation_is_refused_or_noted(monkeypatch):
    monkeypatch.setattr("labs.jail.landlock.abi", lambda: 0)
    monkeypatch.setattr("labs.jail.rungs.bubblewrap_options", lambda: ((), "taken away"))
    with pytest.raises(PermanentError, match="files needs bubblewrap, or Landlock 3"):
        run("x = 1")
    monkeypatch.setenv("LABS_JAIL_ACCEPT_WEAKER", "1")
    evidence = run("x = 1")
    assert evidence.answer == {"x": 1}
    assert {"files", "others"} <= set(evidence.weaker)


def test_a_python_that_does_not_start_is_nobodys_wrong_answer(monkeypatch):
    monkeypatch.setattr(collecting, "WORKER", Path(collecting.__file__).with_name("no_such_worker.py"))
    with pytest.raises(TemporaryError, match="Python did not start for an answer"):
        run("x = 1")


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
