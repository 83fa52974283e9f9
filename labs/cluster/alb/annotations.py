"""Annotations of an Ingress and its Services; those of a Service win ("Ingress annotations", AWS Load Balancer
Controller documentation)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "alb.ingress.kubernetes.io/"


class ModelError(Exception):
    """No load balancer can be made of this; the text is for the event FailedBuildModel."""


@dataclass(frozen=True)
class Annotations:
    """Those with the controller's prefix, without it."""

    said: Mapping[str, str]

    @classmethod
    def of(cls, *objects: Mapping[str, Any]) -> Annotations:
        """Of objects; later ones win."""
        found: dict[str, str] = {}
        for each in objects:
            found.update(each["metadata"].get("annotations") or {})
        return cls({key.removeprefix(PREFIX): value for key, value in found.items() if key.startswith(PREFIX)})

    def text(self, name: str, otherwise: str = "") -> str:
        """A value as it is."""
        return self.said.get(name, otherwise)

    def one_of(self, name: str, otherwise: str, *values: str) -> str:
        """A value out of some.  :raises ModelError: another one"""
        found = self.text(name, otherwise)
        if found not in values:
            raise ModelError(f"unknown {name}: {found}")
        return found

    def number(self, name: str, otherwise: int) -> int:
        """An integer.  :raises ModelError: none"""
        found = self.text(name, str(otherwise))
        try:
            return int(found)
        except ValueError:
            raise ModelError(f"failed to parse int64 annotation, {PREFIX}{name}: {found}") from None

    def list(self, name: str) -> list[str]:
        """``a, b``."""
        return [each.strip() for each in self.text(name).split(",") if each.strip()]

    def map(self, name: str) -> dict[str, str]:
        """``a=b,c=d``.  :raises ModelError: an entry without ="""
        found = {}
        for each in self.list(name):
            key, equals, value = each.partition("=")
            if not equals:
                raise ModelError(f"failed to parse stringMap annotation, {PREFIX}{name}: {self.text(name)}")
            found[key.strip()] = value.strip()
        return found

    def json(self, name: str) -> Any:
        """Parsed JSON; None where there is none.  :raises ModelError: it is none"""
        if name not in self.said:
            return None
        try:
            return json.loads(self.said[name])
        except ValueError as error:
            raise ModelError(f"failed to parse json annotation, {PREFIX}{name}: {error}") from None


def agreed(members: list[Annotations], name: str, otherwise: str = "") -> str:
    """What all Ingresses of a group say that say something.

    :raises ModelError: they say different things
    """
    said = sorted({each.said[name] for each in members if name in each.said})
    if len(said) > 1:
        raise ModelError(f"conflicting {name}: {said}")
    return said[0] if said else otherwise
