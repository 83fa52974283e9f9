"""The instructor's view of a section: what went wrong most, for whom, and what to look at, as HTML and CSV.

Marks come from the nbgrader gradebook, everything else from the receipts.  Whatever a submission says is shown as text.
"""

from __future__ import annotations

import csv
import hashlib
import io
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from graders import receipts
from graders.batch import carried, configuration, foreign_values
from graders.receipts import Judged
from graders.verdict import number, printable
from labs.errors import PermanentError

BINS = 10
LONG_ENOUGH = 80  # characters of an answer whose twin is worth a look


@dataclass
class Submission:
    """One student's submission: points as the gradebook has them, and what its receipts hold."""

    student: str
    points: float
    max: float
    automatic: float
    automatic_max: float
    waiting: list[str]
    judged: dict[str, Judged] = field(default_factory=dict)
    repairs: list[str] = field(default_factory=list)


def write(section: str, root: Path, folder: Path | None = None) -> list[Path]:
    """Write ``index.html``, ``marks.csv``, ``checks.csv``, ``canvas.csv`` and ``moodle.csv``; returns their paths.

    :param folder: otherwise ``report/SECTION`` in the course folder
    :raises PermanentError: nothing of this section was graded
    """
    found = submissions(section, root)
    if not found:
        raise PermanentError(f"No submission of {section} is graded.", f"Run `lab grade {section}` first.")
    folder = folder or root / "report" / section
    folder.mkdir(parents=True, exist_ok=True)
    checks = failing(found)
    pages = {
        "index.html": page(section, found, checks),
        "marks.csv": marks(found),
        "checks.csv": _csv(["exercise", "check", "failed", "seen", "observed", "times", "expected"], checks),
        "canvas.csv": canvas(section, found),
        "moodle.csv": moodle(section, found),
    }
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return [folder / name for name in pages]


def submissions(section: str, root: Path) -> list[Submission]:
    """Every graded submission of a section, in the order of the students' names."""
    from nbgrader.api import Gradebook, MissingEntry
    from nbgrader.coursedir import CourseDirectory

    coursedir = CourseDirectory(config=configuration(root))
    found = []
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        try:
            submitted = gradebook.assignment_submissions(section)
        except MissingEntry:
            return []
        for one in submitted:
            grades = [grade for notebook in one.notebooks for grade in notebook.grades]
            automatic = [grade for grade in grades if grade.cell.cell_type == "code"]
            waiting = [grade.name for grade in grades if grade.needs_manual_grade and grade.cell.cell_type != "code"]
            found.append(
                Submission(
                    one.student.id,
                    one.score,
                    one.max_score,
                    sum(grade.auto_score or 0 for grade in automatic),
                    sum(grade.max_score for grade in automatic),
                    waiting,
                )
            )
    for each in found:
        for path in sorted((root / "receipts" / each.student / section).glob("*.json")):
            said = receipts.read(path, root)
            each.judged |= {name: Judged.from_json(one) for name, one in said["exercises"].items()}
            each.repairs += [str(line) for line in said["repairs"]]
    return sorted(found, key=lambda one: one.student)


def failing(found: Iterable[Submission]) -> list[dict[str, Any]]:
    """The checks that failed, the one that failed most first, each with the value observed most often."""
    seen: Counter[tuple[str, str]] = Counter()
    observed: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    expected: dict[tuple[str, str], str] = {}
    for one in found:
        for name, judged in one.judged.items():
            for finding in judged.verdict.findings:
                key = (name, finding.name)
                seen[key] += 1
                if not finding.passed:
                    observed[key][printable(finding.observed)[:300]] += 1
                    expected.setdefault(key, printable(finding.expected)[:300])
    rows = []
    for key, values in observed.items():
        (value, times) = values.most_common(1)[0]
        told = {"failed": values.total(), "seen": seen[key], "observed": value, "times": times if times > 1 else 0}
        rows.append({"exercise": key[0], "check": key[1], **told, "expected": expected[key]})
    return sorted(rows, key=lambda row: (-row["failed"], row["exercise"], row["check"]))


def overlaps(section: str, found: list[Submission]) -> list[tuple[str, str]]:
    """(student, line) for answers that carry another student's values, or are letter for letter another's."""
    owners = foreign_values([one.student for one in found], section)
    lines = [(one.student, line) for one in found for line in carried(one.student, one.judged, owners)]
    twins: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in found:
        for name, judged in one.judged.items():
            text = "".join("".join(source.split()) for source in judged.sources.values() if source)
            if len(text) >= LONG_ENOUGH:
                twins[name, hashlib.sha256(text.encode()).hexdigest()].append(one.student)
    for (name, _), students in sorted(twins.items()):
        if len(students) > 1:
            lines += [
                (student, f"{name}: the same answer as {', '.join(other for other in students if other != student)}")
                for student in students
            ]
    return lines


def page(section: str, found: list[Submission], checks: list[dict[str, Any]]) -> str:
    """The report as one HTML page that needs no other file."""
    import jinja2

    template = Path(__file__).with_name("report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    waiting: dict[str, list[str]] = defaultdict(list)
    for one in found:
        for name in one.waiting:
            waiting[name].append(one.student)
    return environment.from_string(template).render(
        section=section,
        when=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        students=[
            {"student": one.student, "points": number(one.points), "max": number(one.max), "repairs": one.repairs}
            for one in found
        ],
        distribution=_distribution(found),
        checks=checks[:60],
        exercises=_exercises(found),
        look=overlaps(section, found),
        essays=sorted(waiting.items()),
    )


def _distribution(found: list[Submission]) -> list[dict[str, Any]]:
    counts = [0] * (BINS + 1)
    for one in found:
        share = one.automatic / one.automatic_max if one.automatic_max else 0
        counts[min(int(share * BINS + 1e-9), BINS)] += 1
    labels = [f"{100 * n // BINS} to {100 * (n + 1) // BINS} %" for n in range(BINS)] + ["all of them"]
    most = max(counts) or 1
    return [
        {"label": label, "count": count, "width": round(60 * count / most)}
        for label, count in zip(labels, counts, strict=True)
    ]


def _exercises(found: list[Submission]) -> list[dict[str, Any]]:
    by_name: dict[str, list[Judged]] = defaultdict(list)
    for one in found:
        for name, judged in one.judged.items():
            by_name[name].append(judged)
    return [
        {
            "exercise": name,
            "mean": number(statistics.mean(one.verdict.points for one in judged)),
            "max": number(judged[0].verdict.max),
            "full": sum(one.verdict.points >= one.verdict.max for one in judged),
            "seen": len(judged),
            "seconds": f"{statistics.median(one.seconds for one in judged):.1f}",
        }
        for name, judged in sorted(by_name.items())
    ]


def marks(found: list[Submission]) -> str:
    """A row a student, a column an exercise."""
    names = sorted({name for one in found for name in one.judged})
    rows = []
    for one in found:
        points = {name: one.judged[name].verdict.points if name in one.judged else "" for name in names}
        rows.append({"student": one.student, **points, "total": one.points, "max": one.max})
    return _csv(["student", *names, "total", "max"], rows)


def canvas(section: str, found: list[Submission]) -> str:
    """What Canvas takes under Grades → Import: its five columns of names, the assignment, a row of possible points."""
    columns = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", section]
    possible = {"Student": "    Points Possible", section: max(one.max for one in found)}
    rows = [{"Student": one.student, "SIS Login ID": one.student, section: one.points} for one in found]
    return _csv(columns, [possible, *rows])


def moodle(section: str, found: list[Submission]) -> str:
    """What Moodle takes under Grades → Import → CSV file, mapped by user name."""
    return _csv(["username", section], [{"username": one.student, section: one.points} for one in found])


def _csv(columns: list[str], rows: Iterable[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
