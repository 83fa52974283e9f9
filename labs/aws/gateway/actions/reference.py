"""AWS's Service Authorization Reference, read per service when its first call comes ("Actions, resources, and condition
keys for AWS services").
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ARCHIVE = Path(__file__).with_name("reference.zip")


@dataclass(frozen=True)
class Action:
    """``name`` in AWS's spelling; ``types`` maps resource types to whether the action requires one."""

    name: str
    types: dict[str, bool]
    dependent: tuple[str, ...]


@dataclass(frozen=True)
class Service:
    """Actions by lower-case name and ARN templates by resource type."""

    actions: dict[str, Action]
    resources: dict[str, str]


@cache
def service(prefix: str) -> Service:
    """The definition of one IAM prefix such as ``"sqs"``; empty when AWS has none."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        try:
            read = json.loads(archive.read(f"{prefix}.json"))
        except KeyError:
            return Service({}, {})
    actions = {
        lowered: Action(name, {kind.rstrip("*"): kind.endswith("*") for kind in types}, tuple(depends))
        for lowered, (name, types, depends) in read["actions"].items()
    }
    return Service(actions, read["resources"])
