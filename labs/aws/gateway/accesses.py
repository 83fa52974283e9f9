"""IAM's last accessed information: when each user, role and access key was last allowed to do what.

IAM User Guide, "Refine permissions in AWS using last accessed information".  Kept in memory, since it
speaks of entities of an engine that starts empty as well.  Attempts that were denied are
not kept (AWS counts them for whole services).
"""

from __future__ import annotations

from labs.aws.gateway.credentials import Credential
from labs.aws.iam.matching import role_arn_of


class Accesses:
    """``{entity ARN: {action: seconds since the epoch}}``, and the same by access key id."""

    def __init__(self) -> None:
        self._by_entity: dict[str, dict[str, float]] = {}
        self._by_key: dict[str, float] = {}

    def note(self, credential: Credential | None, action: str, when: float) -> None:
        """An action was allowed."""
        if credential is None:
            return
        entity = role_arn_of(credential.principal) or credential.principal.arn
        self._by_entity.setdefault(entity, {})[action] = when
        if credential.kind == "long-term":
            self._by_key[credential.access_key_id] = when

    def of(self, entity: str) -> dict[str, float]:
        """Actions of a user or role ARN with the time of the latest use."""
        return self._by_entity.get(entity, {})

    def key(self, access_key_id: str) -> float | None:
        """When a long-term access key was last used."""
        return self._by_key.get(access_key_id)

    def clear(self) -> None:
        """The engine was reset."""
        self._by_entity.clear()
        self._by_key.clear()
