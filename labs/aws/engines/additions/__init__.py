"""Operations that MiniStack lacks, put beside its own and working on its own state, so that a service has one memory.

A module here is named as MiniStack's service module and has ``install(module)``, called once when MiniStack loads it.
MiniStack is pinned, and the tests of these operations fail when an upgrade moves what they stand on.
"""

from __future__ import annotations

import importlib
from typing import Any

NAMES = frozenset(["cloudformation", "config", "iam", "route53"])


def install(app: Any) -> None:
    """Make MiniStack (its module ``ministack.app``) load the additions together with its services."""
    load = app._get_module

    def get_module(name: str) -> Any:
        known = name in app._loaded_modules
        module = load(name)
        if name in NAMES and not known:
            importlib.import_module(f"{__name__}.{name}").install(module)
        return module

    if not getattr(load, "extended", False):
        get_module.extended = True  # type: ignore[attr-defined]  # a mark, so that it is done once a process
        app._get_module = get_module
