"""Which nodes there are and what is wrong with them, as one small file that outlives whoever plays them.

``nodes.json`` in the nodes' folder: {"added": [node], "removed": [name], "faults": {node: {kind: {"since", "value"}}}}.
What is neither added nor removed are the nodes every cluster starts with.  `lab reset kubernetes` removes the file.
It imports little: `lab status` reads it.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labs.services import state

FAULTS = {
    "stop": "powered off",
    "partition": "runs on, but does not reach the API server",
    "slow-disk": "starts, mounts and writes take long",
    "fill-disk": "its disk is full",
    "clock-skew": "its clock is wrong",
}
"""Every fault by the command that makes it, and what it is; `lab nodes start` ends the first, `heal` the others."""
PODS = 110


@dataclass(frozen=True, slots=True)
class Declared:
    """What a node says of itself.

    :param zone: a letter, as in ``us-east-1a``
    :param cpu: and the other three: quantities; "" for what this machine has
    :param taints: {"key", "value", "effect"}
    """

    name: str
    zone: str
    cpu: str = ""
    memory: str = ""
    storage: str = ""
    pods: int = PODS
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[dict[str, str], ...] = ()


@dataclass
class Record:
    """The file; ``faults`` has, for each node that has any, its faults by kind: since (Unix time) and a number."""

    added: list[Declared] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    faults: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)

    @staticmethod
    def read(folder: Path) -> Record:
        """What the file says; an empty record when there is none."""
        try:
            said: dict[str, Any] = json.loads((folder / "nodes.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Record()
        added = [Declared(**{**each, "taints": tuple(each["taints"])}) for each in said["added"]]
        return Record(added, said["removed"], said["faults"])

    def write(self, folder: Path) -> None:
        """Replace the file in one step."""
        state.write_json(folder / "nodes.json", dataclasses.asdict(self))


def told(faults: dict[str, dict[str, float]]) -> str:
    """A node's faults in words, with their numbers; "" for none."""
    return ", ".join(kind + _UNITS.get(kind, "").format(faults[kind]["value"]) for kind in FAULTS if kind in faults)


_UNITS = {"slow-disk": " ({:g} MiB/s)", "fill-disk": " ({:g} % used)", "clock-skew": " ({:+g} s)"}
