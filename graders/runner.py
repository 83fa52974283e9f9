"""From sources to a verdict: collect the answer as data, then judge it with the public and the hidden checks.

The two checks run in accounts or namespaces of their own, so that what one creates cannot change what the other finds.
What AWS or the API server refuses is the learner's finding; what breaks down on our side is tried again and then
raised, never marked.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from graders.collect import Evidence, Problem, collect
from graders.exercise import Finding, Registered, RegistrationError, Returns
from graders.live import Live, Pool
from graders.receipts import Judged
from graders.verdict import Verdict, number, score
from labs.errors import LabError, PermanentError, TemporaryError

TRIES = 2
UNTOUCHED = "Do the exercise's answer cell first; the text above it says what to define."


class Broken(Exception):
    """Our side failed while a check ran (gateway gone, network); the attempt says nothing about the answer."""


class Grader:
    """Judges answers.  Safe to use from several threads; holds a pool of grading gateways until ``close``."""

    def __init__(self, pool: Pool | None = None) -> None:
        self.pool = pool or Pool()
        self._remembered: dict[str, Judged] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Stop the gateways."""
        self.pool.close()

    def grade(
        self, registered: Registered, sources: Mapping[str, str], student: str = "", *, hidden: bool = True
    ) -> Verdict:
        """The verdict on these answer cells (source by cell id) of this student.

        :param hidden: False leaves out the hidden checks: what a learner may see
        Raises TemporaryError when the grading gateway or the jail's Python could not be had; PermanentError for a
        broken exercise.
        """
        return self._graded(registered, sources, student, hidden).verdict

    def _graded(self, registered: Registered, sources: Mapping[str, str], student: str, hidden: bool) -> Judged:
        began = time.monotonic()
        lab = _lab(registered.exercise.lab)
        values, account = seeded(lab, student)
        evidence = collect(registered.exercise, sources, values, _all_calls(registered, values))
        verdict = self.judge(registered, evidence, values, account, lab=lab, hidden=hidden)
        asked = {cell: sources.get(cell) for cell in registered.exercise.cells}
        return Judged(verdict, asked, evidence.answer, evidence.weaker, time.monotonic() - began)

    def judge(
        self,
        registered: Registered,
        evidence: Evidence,
        values: Mapping[str, Any],
        account: str,
        *,
        lab: Any = None,
        hidden: bool = True,
    ) -> Verdict:
        """The verdict on collected evidence."""
        exercise = registered.exercise
        complete = hidden and registered.hidden is not None
        if evidence.problems:
            findings = tuple(
                _unanswered(problem, exercise.points if not index else 0)
                for index, problem in enumerate(evidence.problems)
            )
            return Verdict(exercise.id, 0.0, exercise.points, findings, complete, tuple(_weaker(evidence)))
        found: list[Finding] = []
        notes = _weaker(evidence)
        for check in (registered.public, registered.hidden if complete else None):
            if check is not None:
                answer = _own_calls(registered, check, evidence.answer, values)
                seen, note = self._run(registered, check, answer, values, account, lab)
                found += seen
                notes += note
        return _scored(registered, found, complete, notes)

    def judge_once(self, registered: Registered, sources: Mapping[str, str], student: str) -> Judged:
        """As ``grade``, with what the verdict was reached from; the same answer is judged once in this process."""
        known = self.remembered(registered, sources, student)
        if known is not None:
            return known
        judged = self._graded(registered, sources, student, True)
        with self._lock:
            return self._remembered.setdefault(_answer_key(registered, sources, student), judged)

    def remembered(self, registered: Registered, sources: Mapping[str, str], student: str) -> Judged | None:
        """What ``judge_once`` would give at once, None where it would have to judge."""
        with self._lock:
            return self._remembered.get(_answer_key(registered, sources, student))

    def clear(self) -> None:
        """Let go of every verdict."""
        with self._lock:
            self._remembered.clear()

    def remember(self, registered: Registered, student: str, judged: Judged) -> None:
        """Take over what an earlier run judged; ``judge_once`` of the same sources then gives it."""
        sources = {cell: source for cell, source in judged.sources.items() if source is not None}
        with self._lock:
            self._remembered.setdefault(_answer_key(registered, sources, student), judged)

    def forget(self, registered: Registered, sources: Mapping[str, str], student: str) -> None:
        """Let go of a verdict that is needed no more, so that a long batch does not grow."""
        with self._lock:
            self._remembered.pop(_answer_key(registered, sources, student), None)

    def _run(
        self,
        registered: Registered,
        check: Any,
        answer: Mapping[str, Any],
        values: Mapping[str, Any],
        account: str,
        lab: Any,
    ) -> tuple[list[Finding], list[str]]:
        for left in reversed(range(TRIES)):
            with Live(self.pool, lab, values, account) as live:
                try:
                    return _findings(registered, check, answer, live)
                except Broken as error:
                    if not left:
                        raise TemporaryError(f"{registered.exercise.id} could not be graded: {error}") from error
        raise AssertionError("unreachable")


def _all_calls(registered: Registered, values: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """By function the inputs of the public check, then those of the hidden one."""
    found: dict[str, list[list[Any]]] = {}
    for calls in (registered.public_calls, registered.hidden_calls):
        for name, inputs in (calls(values) if calls else {}).items():
            found.setdefault(name, []).extend(inputs)
    return found


def _own_calls(
    registered: Registered, check: Any, answer: Mapping[str, Any], values: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The answer as one of the two checks may see it: of a function, the outcomes of its own calls."""
    functions = [name for name, wanted in registered.exercise.answers.items() if isinstance(wanted, Returns)]
    public = registered.public_calls(values) if registered.public_calls else {}
    own = {}
    for name in functions:
        count = len(public.get(name, []))
        own[name] = answer[name][:count] if check is registered.public else answer[name][count:]
    return {**answer, **own}


def _answer_key(registered: Registered, sources: Mapping[str, str], student: str) -> str:
    wanted = {cell: sources.get(cell) for cell in registered.exercise.cells}
    return hashlib.sha256(json.dumps([registered.exercise.id, student, wanted]).encode()).hexdigest()


def _findings(
    registered: Registered, check: Any, answer: Mapping[str, Any], live: Live
) -> tuple[list[Finding], list[str]]:
    """What the check found, and notes for the instructor when it broke down on this answer."""
    copy = json.loads(json.dumps(answer))  # a check that changes it must not change what the next one sees
    seen: list[Finding] = []
    try:
        for finding in check(copy, live):
            if not isinstance(finding, Finding):
                raise RegistrationError(
                    f"{registered.exercise.id}: a check yielded {type(finding).__name__}, not a Finding"
                )
            seen.append(finding)
    except RegistrationError:
        raise
    except LabError as error:
        raise Broken(str(error)) from error
    except Exception as error:  # noqa: BLE001 (a check may meet any answer; sorted in _after)
        return _after(error, registered, seen)
    return seen, []


def _after(error: Exception, registered: Registered, seen: list[Finding]) -> tuple[list[Finding], list[str]]:
    """A check ended with an exception: AWS or Kubernetes refused the answer, our side is down, or the check itself
    has a fault.
    """
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ParamValidationError

    from graders.manifests import Unusable

    if isinstance(error, Unusable):
        return [*seen, Finding("the answer can be tried", 0.0, False, error.observed, error.expected, error.hint)], []
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= 500:
            raise Broken(str(error)) from error
        refused = Finding(
            "AWS accepts the answer",
            0.0,
            False,
            str(error),
            "no error from AWS",
            "Read AWS's message: it names the call it refused and what is wrong with it.",
        )
        return [*seen, refused], []
    if isinstance(error, ParamValidationError):
        refused = Finding(
            "AWS accepts the answer",
            0.0,
            False,
            str(error),
            "parameters that boto3 can send",
            "Compare the names and types of your values with the AWS API reference.",
        )
        return [*seen, refused], []
    if isinstance(error, (HTTPClientError, BotoCoreError, OSError)):
        raise Broken(f"{type(error).__name__}: {error}") from error
    note = f"{registered.exercise.id}: a check broke down on this answer: {type(error).__name__}: {error}"
    puzzled = Finding(
        "the answer can be judged",
        0.0,
        False,
        f"the check stopped: {type(error).__name__}",
        "an answer of the described shape",
        "Compare the shape of your answer with the exercise's text; tell your instructor if it is right.",
    )
    return [*seen, puzzled], [note]


def _weaker(evidence: Evidence) -> list[str]:
    """A note for the instructor where the answer ran with less isolation than grading requires."""
    if not evidence.weaker:
        return []
    return [f"LABS_JAIL_ACCEPT_WEAKER=1: the answer ran without {', '.join(evidence.weaker)}; see docs/jail.md"]


def _unanswered(problem: Problem, points: float) -> Finding:
    return Finding("an answer to judge", points, False, problem.observed, problem.expected, problem.hint or UNTOUCHED)


def _scored(registered: Registered, findings: list[Finding], complete: bool, notes: list[str]) -> Verdict:
    exercise = registered.exercise
    offered = sum(finding.points for finding in findings)
    finished = not any(finding.points == 0 and not finding.passed for finding in findings)
    if offered > exercise.points + 1e-6 or (
        complete and finished and offered < exercise.points - 1e-6 and all(finding.passed for finding in findings)
    ):
        notes = [
            *notes,
            f"{exercise.id}: findings offer {number(offered)} points, the exercise {number(exercise.points)}",
        ]
    points = score(findings, exercise.points)
    return Verdict(exercise.id, points, exercise.points, tuple(findings), complete, tuple(notes))


def _lab(lab_id: str) -> Any:
    if not lab_id:
        return None
    from labs.scenarios import registry

    labs = registry()
    if lab_id not in labs:
        raise PermanentError(f"There is no lab {lab_id!r}.", f"The labs here are: {', '.join(sorted(labs))}.")
    return labs[lab_id]


def needs_cluster(registered: Registered) -> bool:
    """Is the exercise judged in a namespace?"""
    lab = _lab(registered.exercise.lab)
    return lab is not None and "kubernetes" in lab.needs


def seeded(lab: Any, student: str) -> tuple[dict[str, Any], str]:
    """(the lab's values for this student, the student's account number, which is among the values too)."""
    from labs.aws import learner

    account = learner.account_of(student)
    if lab is None:
        return {}, account
    from labs.scenarios import settle

    return settle(lab.values(learner.seed(student)), account), account
