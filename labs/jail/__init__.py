"""Running somebody's code safely: what it may read, write, reach and use up, and nothing of it left afterwards.

    result = jail.run(jail.Spec(readable=jail.runtime(), cpu_seconds=5), [sys.executable, "-c", "print(1)"])
    pod = jail.start(jail.Spec(connect=(4566,), wall_seconds=None, …), command, stdout=log)

``Spec`` says what is granted; everything else is refused.  Rungs, best first: ``bubblewrap`` (a view of the file system
and a process namespace of its own), ``proot`` (a view only), ``plain``.  Under all of them: Landlock, a seccomp filter,
limits, a dropped uid when root, and a supervisor that ends everything the command started.  ``promises()`` says what
holds on this host; ``docs/jail.md`` says why.  A required promise that cannot be kept is a PermanentError.

Linux only; elsewhere nothing is promised.  May import the standard library and ``labs.errors``, nothing else of ours.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False      # importing typing costs every process of the jail 10 ms
if TYPE_CHECKING:
    from typing import Any

    from labs.jail.rungs import Report, promises
    from labs.jail.running import Running, run, start
    from labs.jail.spec import NOBODY, REQUIRED, Mount, Result, Root, Spec, runtime

__all__ = [
    "NOBODY", "REQUIRED", "Mount", "Report", "Result", "Root", "Running", "Spec", "promises", "run", "runtime", "start",
]

# resolved on first use: the supervisor imports this package too, and its start is part of every jail's
_WHERE = dict.fromkeys(("NOBODY", "REQUIRED", "Mount", "Result", "Root", "Spec", "runtime"), "spec")
_WHERE |= {"Report": "rungs", "promises": "rungs", "Running": "running", "run": "running", "start": "running"}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'labs.jail' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(importlib.import_module(f"labs.jail.{_WHERE[name]}"), name)
