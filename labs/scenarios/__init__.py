"""Live labs: prepare, break, observe, reset.

One folder a section, one module a lab; a module's :class:`Lab` subclass registers itself by being there.
May use ``labs.aws``, ``labs.visuals`` and ``labs.services``; knows no grader and no notebook.
"""

from __future__ import annotations

from labs.scenarios.base import Lab, Session, settle
from labs.scenarios.outcome import Outcome, attempt
from labs.scenarios.registration import lab, registry

__all__ = ["Lab", "Outcome", "Session", "attempt", "lab", "registry", "settle"]
