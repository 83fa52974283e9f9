"""S3 access control lists, written as statements of a bucket policy, which is how they are evaluated.

"Access control list (ACL) overview" (S3 User Guide), "Mapping of ACL permissions and access policy permissions".  They
count only where the bucket's object ownership is not "BucketOwnerEnforced", the setting of new buckets ("Controlling
ownership of objects and disabling ACLs for your bucket").  An object written by another account belongs to the bucket's
owner here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
ENFORCED = "BucketOwnerEnforced"

_ON_BUCKET = {
    "READ": ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"],
    "WRITE": ["s3:PutObject"],
    "READ_ACP": ["s3:GetBucketAcl"],
    "WRITE_ACP": ["s3:PutBucketAcl"],
}
_ON_OBJECT = {
    "READ": ["s3:GetObject", "s3:GetObjectVersion"],
    "READ_ACP": ["s3:GetObjectAcl", "s3:GetObjectVersionAcl"],
    "WRITE_ACP": ["s3:PutObjectAcl", "s3:PutObjectVersionAcl"],
}


def statements(
    grants: Iterable[Mapping[str, Any]], bucket: str, key: str | None, ignore_public: bool
) -> list[dict[str, Any]]:
    """The grants of a bucket's ACL (no key) or an object's as Allow statements.

    :param ignore_public: ``IgnorePublicAcls`` of Block Public Access: grants to groups do not count
    """
    table = _ON_BUCKET if key is None else _ON_OBJECT
    found = []
    for grant in grants:
        who = _principal(grant.get("Grantee") or {}, ignore_public)
        permission = str(grant.get("Permission"))
        wanted = list(table) if permission == "FULL_CONTROL" else [permission]
        actions = [action for name in wanted for action in table.get(name, ())]
        if who is None:
            continue
        for action in actions:
            inside = key is None and action == "s3:PutObject"
            resource = f"arn:aws:s3:::{bucket}" + ("/*" if inside else "" if key is None else f"/{_literal(key)}")
            found.append({"Sid": f"ACL {permission}", "Effect": "Allow", "Action": action, "Resource": resource, **who})
    return found


def _principal(grantee: Mapping[str, Any], ignore_public: bool) -> dict[str, Any] | None:
    if grantee.get("ID"):
        return {"Principal": {"CanonicalUser": grantee["ID"]}}
    if ignore_public or grantee.get("URI") not in (ALL_USERS, AUTHENTICATED_USERS):
        return None
    if grantee["URI"] == ALL_USERS:
        return {"Principal": "*"}
    return {"Principal": "*", "Condition": {"Null": {"aws:PrincipalArn": "false"}}}


def _literal(key: str) -> str:
    """A key as a pattern that matches nothing else."""
    return "".join("${" + character + "}" if character in "*?$" else character for character in key)
