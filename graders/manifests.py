"""A learner's manifest as data: what it may hold, and what the API server says of it.

Nothing here reads a manifest to judge it.  It is held to the kinds an exercise allows and to the attempt's namespace,
then applied, and everything else is for the API server to say and for the check to observe.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import yaml

from labs.cluster.nodes.api import Refused

MOST = 20  # objects in one answer
LONGEST = 100_000  # characters of one answer
REFUSED_HINT = "Read the API server's message from its end: it names the field and what is wrong with its value."
LEAVE_OUT = "Leave out what is not asked for."
PROBE_KINDS = ("httpGet", "tcpSocket")


class Unusable(Exception):
    """The answer cannot be tried; the three texts are for the learner, as in a Finding."""

    def __init__(self, observed: str, expected: str, hint: str) -> None:
        super().__init__(observed)
        self.observed, self.expected, self.hint = observed, expected, hint


class _Plain(yaml.SafeLoader):
    """YAML without anchors: a few lines with aliases can stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not accepted here; write the value out")
        return super().compose_node(parent, index)


def objects(answer: Any, kinds: Collection[str]) -> list[dict[str, Any]]:
    """The objects of an answer: YAML text of one or more documents, a dict, a list of dicts, or a List object.

    :param kinds: such as ``{"Deployment", "Service"}``
    :raises Unusable: it is none of these, or holds something else
    """
    found = _documents(answer)
    if not 0 < len(found) <= MOST or len(json.dumps(found)) > LONGEST:
        raise Unusable(f"{len(found)} objects", f"one to {MOST} objects of {LONGEST} characters together", LEAVE_OUT)
    for each in found:
        _check(each, kinds)
    return found


def _documents(answer: Any) -> list[Any]:
    if isinstance(answer, str):
        if len(answer) > LONGEST:
            raise Unusable(f"{len(answer)} characters", f"at most {LONGEST}", LEAVE_OUT)
        try:
            answer = [each for each in yaml.load_all(answer, _Plain) if each is not None]
            json.dumps(answer)
        except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
            raise Unusable(f"no YAML: {error}"[:400], "YAML documents of Kubernetes objects",
                           "Look at the line that the message names: indentation, colons, quotes.") from None
    found: list[Any] = []
    for each in answer if isinstance(answer, list) else [answer]:
        found += each.get("items") or [] if isinstance(each, Mapping) and each.get("kind") == "List" else [each]
    return found


def _check(each: Any, kinds: Collection[str]) -> None:
    expected = f"objects of kind {', '.join(sorted(kinds))}"
    if not isinstance(each, Mapping) or not isinstance(each.get("metadata"), Mapping):
        raise Unusable(f"{type(each).__name__}, or an object without metadata", expected,
                       "Every object has apiVersion, kind and metadata.name.")
    kind, name = each.get("kind"), each["metadata"].get("name")
    if kind not in kinds or not isinstance(each.get("apiVersion"), str) or not isinstance(name, str):
        raise Unusable(f"kind {kind!r}, apiVersion {each.get('apiVersion')!r}, name {name!r}"[:300], expected,
                       "Every object has apiVersion, kind and metadata.name.")
    if "/" in name or name in ("", ".", ".."):
        raise Unusable(f"the name {name!r}"[:300], "a name of lower-case letters, digits and hyphens", "Rename it.")
    if each["metadata"].get("namespace"):
        raise Unusable(f"{kind} {name} names the namespace {each['metadata']['namespace']!r}"[:300], "no namespace",
                       "Leave metadata.namespace out: the check applies your answer in a namespace of its own.")


def probe(answer: Any, name: str) -> dict[str, Any]:
    """A probe as it may be tried: by HTTP or TCP.

    :raises Unusable: it is another kind, or none
    """
    expected = "a dict with httpGet or tcpSocket, and how often to probe"
    if not isinstance(answer, Mapping) or not any(kind in answer for kind in PROBE_KINDS):
        raise Unusable(f"{name} = {json.dumps(answer)}"[:300], expected, "Take a probe of the lab as a pattern.")
    if "exec" in answer or "grpc" in answer:
        raise Unusable(f"{name} runs a command or speaks gRPC", expected, "The program has HTTP endpoints: use one.")
    for kind in PROBE_KINDS:
        if isinstance(answer.get(kind), Mapping) and answer[kind].get("host"):
            raise Unusable(f"{name}.{kind}.host is set", "no host", "Without a host the pod itself is probed.")
    return dict(answer)


def apply(space: Any, *found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Server-side apply of an answer's objects.

    :raises Unusable: the API server refuses one; what it said is the observation
    """
    made = []
    for each in found:
        try:
            made += space.apply(dict(each), manager="learner")
        except Refused as error:
            if error.status not in (400, 403, 404, 409, 422):
                raise
            what = f"{each.get('kind')} {each.get('metadata', {}).get('name')}: {error}"
            raise Unusable(what, "objects that the API server takes", REFUSED_HINT) from None
    return made
