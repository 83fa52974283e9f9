"""Judges in processes of their own: what one submission needs does not wait for another's Python.

A judge is a fork of the grader's mould.  Over its control socket it says ``ready``; then it gets a line of JSON for
each submission, ``{"student": ID, "exercises": {id: sources by cell id}}``, and answers with ``{"judged": {id: …}}`` as
:meth:`graders.receipts.Judged.to_json` has it, or with ``{"error": text, "temporary": bool}``.  An answer says, too,
whether it is the judge's ``last``: one that had to load models tells the mould and ends, since the next has them for
nothing.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from graders.cluster import ClusterPool
from graders.dispatch import Here, checks
from graders.exercise import find
from graders.live import Mould, Pool
from graders.notebook import answers, cells_of
from graders.receipts import Judged
from labs.errors import PermanentError, TemporaryError

JUDGE_SECONDS = 900.0  # for one submission


def run(control: socket.socket, mould: Path, lessons: int, cluster: Path) -> None:
    """Be a judge until the socket closes.

    :param mould: where the mould takes requests for grading gateways
    :param lessons: file descriptor to which ``client NAME`` is written for each service that it needed
    :param cluster: where the cluster is that judges share
    """
    from graders.runner import Grader
    from labs.aws.account import forget, made

    known = frozenset(made)
    with control.makefile("rwb") as stream:
        clusters = ClusterPool(cluster)
        grader = Grader(Pool(mould=Mould.at(mould), clusters=clusters))
        try:
            stream.write(b"ready\n")
            stream.flush()
            for line in stream:
                answer = _answer(grader, json.loads(line))
                new = [name for name in made if name not in known]
                if new:
                    with suppress(BlockingIOError):  # the next one tells it again
                        os.write(lessons, "".join(f"client {name}\n" for name in new).encode())
                stream.write(json.dumps({**answer, "last": bool(new)}).encode() + b"\n")
                stream.flush()
                if new:
                    return
                grader.clear()
                grader.pool.clear()  # prepared for this student
                forget()  # the clients of gateways that are gone
        except ConnectionError:
            pass  # whoever asked was killed
        finally:
            grader.close()
            clusters.close()


def _answer(grader: Any, asked: dict[str, Any]) -> dict[str, Any]:
    judged = {}
    try:
        for name, sources in asked["exercises"].items():
            judged[name] = grader.judge_once(find(name), sources, asked["student"]).to_json()
    except (TemporaryError, PermanentError) as error:
        return {"error": str(error), "temporary": isinstance(error, TemporaryError)}
    return {"judged": judged}


class Judges:
    """A :class:`graders.dispatch.Dispatcher` whose every thread has a judge; verdicts go into ``grader``'s memory."""

    local = True

    def __init__(self, grader: Any) -> None:
        self._grader = grader
        self._own = threading.local()
        self._all: list[socket.socket] = []
        grader.pool.mould.warm()

    def judged(self, notebook: Any, released: Path, student: str, kept: Mapping[str, Judged]) -> dict[str, Judged]:
        """See :class:`graders.dispatch.Dispatcher`."""
        cells, missing = cells_of(notebook), {}
        for name in checks(cells):
            registered = find(name)
            sources = answers(cells, registered.exercise.cells)
            if name in kept:
                self._grader.remember(registered, student, kept[name])
            if self._grader.remembered(registered, sources, student) is None:
                missing[name] = sources
        found = self._asked(student, missing) if missing else {}
        return Here(self._grader).judged(notebook, released, student, found)

    def _asked(self, student: str, exercises: Mapping[str, Mapping[str, str]]) -> dict[str, Judged]:
        line = json.dumps({"student": student, "exercises": exercises}).encode() + b"\n"
        said: dict[str, Any] | None = None
        for _ in range(2):  # a judge that was killed is replaced once
            said = self._said(line)
            if said is not None:
                break
        if said is None:
            raise TemporaryError("The judge ended in the middle of this submission, twice.")
        if "error" in said:
            raise (TemporaryError if said["temporary"] else PermanentError)(said["error"])
        return {name: Judged.from_json(each) for name, each in said["judged"].items()}

    def _said(self, line: bytes) -> dict[str, Any] | None:
        control = getattr(self._own, "control", None)
        if control is None:
            control = self._own.control = self._grader.pool.mould.judge(self._grader.pool.clusters.home)
            control.settimeout(JUDGE_SECONDS)
            self._own.stream = control.makefile("rwb")
            self._all.append(control)
        said = None
        with suppress(OSError, ValueError):
            self._own.stream.write(line)
            self._own.stream.flush()
            if answer := self._own.stream.readline():
                said = json.loads(answer)
        if said is None or said["last"]:
            self._own.stream.close()
            control.close()
            self._all.remove(control)
            self._own.control = None
        return said

    def close(self) -> None:
        """End the judges."""
        for control in self._all:
            with suppress(OSError):
                control.shutdown(socket.SHUT_RDWR)
            control.close()
