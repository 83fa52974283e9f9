"""S3 Block Public Access (S3 User Guide, "Blocking public access to your Amazon S3 storage").

Settings of the bucket only; account-level settings are not here, and access control lists have a module of their own.
A bucket without settings blocks nothing, although AWS turns all four on for buckets made since April 2023: labs that
teach them set them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Keys whose fixed value makes a statement with Principal "*" non-public ("The meaning of 'public'").
_FIXED_KEYS = frozenset(
    [
        "aws:sourceip",
        "aws:sourcearn",
        "aws:sourceaccount",
        "aws:sourceowner",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:principalarn",
        "aws:principalaccount",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:userid",
        "aws:vpcsourceip",
        "s3:dataaccesspointarn",
        "s3:dataaccesspointaccount",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    ]
)
_FIXING_OPERATORS = ("stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress")


def is_public(document: Mapping[str, Any]) -> bool:
    """Whether S3 calls a bucket policy public: somebody unknown is allowed something without a fixed condition."""
    statements = document.get("Statement", [])
    return any(_public(statement) for statement in ([statements] if isinstance(statements, Mapping) else statements))


def _public(statement: Mapping[str, Any]) -> bool:
    if statement.get("Effect") != "Allow":
        return False
    if "NotPrincipal" in statement:
        return True
    principal = statement.get("Principal")
    everybody = principal == "*" or (isinstance(principal, Mapping) and "*" in _listed(principal.get("AWS")))
    return everybody and not _fixed(statement.get("Condition") or {})


def _fixed(condition: Mapping[str, Any]) -> bool:
    for operator, keys in condition.items():
        name = operator.lower().removeprefix("foranyvalue:").removesuffix("ifexists")
        if name not in _FIXING_OPERATORS or operator.lower().endswith("ifexists"):
            continue
        for key, values in keys.items():
            if key.lower() in _FIXED_KEYS and all(_is_fixed(str(value)) for value in _listed(values)):
                return True
    return False


def _is_fixed(value: str) -> bool:
    if "/" in value and value.replace(".", "").replace("/", "").isdigit():
        return int(value.rpartition("/")[2]) >= 8  # wider than /8 counts as public
    return "*" not in value and "?" not in value and "${" not in value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
