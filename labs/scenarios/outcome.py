"""What AWS answered to one call, read from the answer alone, as a learner would read it.

The wording is that of "Troubleshoot access denied error messages" (IAM User Guide).  A service that leaves the reason
out (S3 across accounts, EC2's encoded messages) gives an outcome with ``by`` empty; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

DENIALS = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403"})
EXPLICIT = re.compile(r"with an explicit deny in an? (?P<by>[\w\- ]*?(?:policy|boundary))", re.IGNORECASE)
IMPLICIT = re.compile(r"because no (?P<by>[\w\- ]*?(?:policy|boundary)) allows", re.IGNORECASE)
AS_ONE = {"role trust policy": "resource-based policy"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """``verdict``: allow, implicit deny, explicit deny, deny (no reason given) or error (failed for another reason)."""

    verdict: str
    by: str = ""  # the policy type that AWS blames, in its words
    code: str = ""
    message: str = ""
    request_id: str = ""
    result: Any = None

    @property
    def allowed(self) -> bool:
        return self.verdict == "allow"

    @property
    def denied(self) -> bool:
        return self.verdict.endswith("deny")

    def __str__(self) -> str:
        if self.allowed:
            return "allowed"
        if self.by:
            return f"{self.verdict} by the {self.by}"
        return f"{self.code}: {self.message}" if self.verdict == "error" else f"denied ({self.message or self.code})"


def attempt(call: Callable[[], Any]) -> Outcome:
    """Make a call and read the answer.  Only what the service itself says is caught: a broken line still raises."""
    try:
        result = call()
    except ClientError as error:
        return read(error)
    request_id = result.get("ResponseMetadata", {}).get("RequestId", "") if isinstance(result, dict) else ""
    return Outcome("allow", request_id=request_id, result=result)


def read(error: ClientError) -> Outcome:
    """The outcome that an error stands for."""
    said = error.response.get("Error", {})
    code, message = str(said.get("Code", "")), str(said.get("Message", ""))
    request_id = str(error.response.get("ResponseMetadata", {}).get("RequestId", ""))
    if code not in DENIALS:
        return Outcome("error", code=code, message=message, request_id=request_id)
    for verdict, pattern in (("explicit deny", EXPLICIT), ("implicit deny", IMPLICIT)):
        if found := pattern.search(message):
            by = AS_ONE.get(found["by"], found["by"])
            return Outcome(verdict, by, code, message, request_id)
    return Outcome("deny", code=code, message=message, request_id=request_id)
