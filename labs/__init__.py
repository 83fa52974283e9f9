"""The live labs: services a learner starts, breaks and repairs.

Public names are resolved on first use (PEP 562), so that ``import labs`` pulls in
neither boto3 nor kubernetes.  Notebooks use these names and nothing else.
"""

from __future__ import annotations

import importlib
import sys

TYPE_CHECKING = False      # importing typing costs every process of the jail 10 ms
if TYPE_CHECKING:
    from typing import Any

    from labs import aws, visuals
    from labs.client import check, progress
    from labs.scenarios import lab

__version__ = "0.1.0"
__all__ = ["aws", "check", "lab", "progress", "visuals"]

# httpx loads what its command line needs where rich, click and pygments happen to be installed: 4 MB in each of our
# processes that nobody uses.  None makes an import fail ("The import system", Python Language Reference), and httpx
# does without.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

_WHERE = {
    "aws": ("labs.aws", None),
    "check": ("labs.client", "check"),
    "progress": ("labs.client", "progress"),
    "lab": ("labs.scenarios", "lab"),
    "visuals": ("labs.visuals", None),
}


def __getattr__(name: str) -> Any:
    try:
        module, attribute = _WHERE[name]
    except KeyError:
        raise AttributeError(f"module 'labs' has no attribute {name!r}; it offers {', '.join(__all__)}") from None
    loaded = importlib.import_module(module)
    return getattr(loaded, attribute) if attribute else loaded


def __dir__() -> list[str]:
    return sorted(__all__)
