"""What was judged: findings, points and their text.  Values only: the same evidence gives an equal verdict.

The text form is what ``lab check``, nbgrader's feedback and a screen reader show, so every mark is a word as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from graders.exercise import Finding

LONGEST = 2_000  # characters of one text in a finding


@dataclass(frozen=True, slots=True)
class Verdict:
    """``points`` of ``max`` for an exercise.

    ``complete`` is False when only the public checks ran: the points that are missing from a faultless public
    verdict are decided by hidden checks at grading.  ``notes`` are for the instructor (a check that broke down).
    """

    exercise: str
    points: float
    max: float
    findings: tuple[Finding, ...]
    complete: bool = True
    notes: tuple[str, ...] = ()

    @property
    def full(self) -> bool:
        """Everything that was looked at is right."""
        if not self.findings or not all(finding.passed for finding in self.findings):
            return False
        return not self.complete or self.points >= self.max

    def to_json(self) -> dict[str, Any]:
        """A JSON object; ``from_json`` turns it back."""
        return {**asdict(self), "findings": [asdict(finding) for finding in self.findings], "notes": list(self.notes)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        """The verdict ``to_json`` wrote; raises TypeError or KeyError for anything else."""
        fields = {name: data[name] for name in ("exercise", "points", "max", "complete")}
        findings = tuple(Finding(**finding) for finding in data["findings"])
        return cls(**fields, findings=findings, notes=tuple(data["notes"]))

    def summary(self) -> str:
        """One line: the mark in a word, the points, and what remains to be decided."""
        mark = "✓ passed" if self.full else "✗ not yet"
        line = f"{mark}  {self.exercise}: {number(self.points)} of {number(self.max)} points"
        rest = self.max - sum(finding.points for finding in self.findings)
        if not self.complete and self.full and rest > 1e-9:
            line += f"; the other {number(rest)} are decided by hidden checks when your instructor grades"
        return line

    def text(self) -> str:
        """The whole verdict as plain text: no control characters, every mark also a word."""
        lines = [self.summary()]
        for finding in self.findings:
            worth = f"{number(finding.points)} point{'' if finding.points == 1 else 's'}"
            lines.append(f"  {'✓ ok' if finding.passed else '✗ failed'}  {finding.name} ({worth})")
            lines += _field("observed", finding.observed)
            if not finding.passed:
                lines += _field("expected", finding.expected) + _field("hint", finding.hint)
        return "\n".join(lines) + "\n"


def score(findings: Iterable[Finding], most: float) -> float:
    """Points of what passed, never more than ``most``: a pure function of the recorded findings."""
    return round(min(sum(finding.points for finding in findings if finding.passed), most), 6)


def number(points: float) -> str:
    """Points as people write them: 3, 1.5, 0.33."""
    return f"{points:.2f}".rstrip("0").rstrip(".")


def printable(text: str) -> str:
    """``text`` without control characters (they could redraw a terminal or hide a line) and no longer than LONGEST."""
    clean = "".join(
        c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text.replace("\t", "    ")
    )
    return clean if len(clean) <= LONGEST else clean[:LONGEST] + f" … ({len(clean) - LONGEST} more characters)"


def _field(label: str, text: str) -> list[str]:
    first, *rest = printable(text).split("\n")
    return [f"      {label + ':':<10}{first}", *(" " * 16 + line for line in rest)]
