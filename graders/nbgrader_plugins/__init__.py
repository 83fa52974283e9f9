"""What nbgrader runs instead of the learner's notebook, and the settings its configuration shares with ``release``."""

from graders.nbgrader_plugins.collecting import QuarantiningCollect, quarantine_before_grading
from graders.nbgrader_plugins.grade_answers import GradeAnswers
from graders.nbgrader_plugins.restored import RestoringExporter
from graders.nbgrader_plugins.safe_html import markdown2html
from graders.nbgrader_plugins.strip_course import StripCourse

CODE_STUB = {"python": "# YOUR ANSWER HERE"}
TEXT_STUB = "*Your answer here.*"
RELEASE = [
    "nbgrader.preprocessors.LockCells",
    "nbgrader.preprocessors.ClearSolutions",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.CheckCellMetadata",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.SaveCells",
    "nbgrader.preprocessors.ClearHiddenTests",
    "nbgrader.preprocessors.ClearMarkScheme",
    "graders.nbgrader_plugins.StripCourse",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.CheckCellMetadata",
]
AUTOGRADE = [
    "graders.nbgrader_plugins.GradeAnswers",
    "nbgrader.preprocessors.IgnorePattern",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]

__all__ = [
    "AUTOGRADE",
    "CODE_STUB",
    "RELEASE",
    "TEXT_STUB",
    "GradeAnswers",
    "QuarantiningCollect",
    "RestoringExporter",
    "StripCourse",
    "markdown2html",
    "quarantine_before_grading",
]
