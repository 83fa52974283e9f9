"""An AWS on this machine that enforces IAM: the gateway, its engines, and the policy evaluator.

``labs.aws.iam`` is pure and imports nothing of ours; ``gateway`` and ``providers`` build on it; ``engines`` are the
AWS emulators behind the gateway.  Nothing here knows a notebook or a grader.
"""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "AwsAccount": "labs.aws.account",
    "learner_account": "labs.aws.account",
}
__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'labs.aws' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(importlib.import_module(_WHERE[name]), name)
