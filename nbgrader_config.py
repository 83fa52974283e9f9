"""nbgrader's settings for this course: sources in notebooks/, our grader in place of executing submissions."""

import os
import sys
from pathlib import Path

root = Path(__file__).resolve().parent
if str(root) not in sys.path:
    sys.path.insert(0, str(root))
# nbgrader calls `alembic` by name; it lies beside this Python, whether or not the environment is activated
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])

from graders.nbgrader_plugins import (  # noqa: E402 (the path comes first)
    AUTOGRADE,
    CODE_STUB,
    RELEASE,
    TEXT_STUB,
    QuarantiningCollect,
    RestoringExporter,
    markdown2html,
    quarantine_before_grading,
)

c = get_config()  # noqa: F821 (traitlets defines it)

c.CourseDirectory.course_id = "phase-4-production"
c.CourseDirectory.root = str(root)
c.CourseDirectory.source_directory = "notebooks"
c.CourseDirectory.ignore = [
    ".ipynb_checkpoints",
    "*.pyc",
    "__pycache__",
    ".pytest_cache",
    ".progress.json",
    ".released.json",
]

c.ClearSolutions.code_stub = CODE_STUB
c.ClearSolutions.text_stub = TEXT_STUB
c.GenerateAssignment.preprocessors = RELEASE
c.Autograde.exporter_class = RestoringExporter
c.Autograde.pre_convert_hook = quarantine_before_grading
c.Autograde.autograde_preprocessors = AUTOGRADE
c.ExchangeFactory.collect = QuarantiningCollect
c.HTMLExporter.filters = {"markdown2html": markdown2html}
