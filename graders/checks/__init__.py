"""The exercises' checks: ``<section>/<exercise>/{__init__,public,hidden}.py`` and ``mutants/``.

Folders named in ``GRADERS_CHECKS`` (separated as ``PATH`` is) are searched beside this one; an instructor keeps
private exercises there.
"""

import os

__path__ += [folder for folder in os.environ.get("GRADERS_CHECKS", "").split(os.pathsep) if folder]
