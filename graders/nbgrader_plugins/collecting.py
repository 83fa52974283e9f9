"""Submissions come in through :mod:`graders.quarantine`: at ``nbgrader collect``, and again before autograding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbgrader.exchange.default import ExchangeCollect

from graders import quarantine


class QuarantiningCollect(ExchangeCollect):
    """``nbgrader collect`` that takes ordinary files of a reasonable size and nothing else."""

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        """nbgrader's hook that copies one submission out of the exchange."""
        for line in quarantine.copy(Path(src), Path(dest)):
            self.log.warning("%s: %s", dest, line)
        self.set_perms(dest, fileperms=0o664 if self.coursedir.groupshared else 0o644, dirperms=0o775)

    def set_perms(self, dest: str, fileperms: int, dirperms: int) -> None:
        """Readable files in the collected folder, whatever modes the learner's had."""
        for path in [Path(dest), *Path(dest).rglob("*")]:
            path.chmod(dirperms if path.is_dir() else fileperms)


def quarantine_before_grading(**about: Any) -> None:
    """nbgrader's ``pre_convert_hook`` of autograde: called for each submission with its notebooks' paths."""
    folders = {Path(notebook).parent for notebook in about["notebooks"]}
    for folder in sorted(folders):
        quarantine.clean(folder.absolute())
