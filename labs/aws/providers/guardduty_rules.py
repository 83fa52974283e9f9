"""From CloudTrail events to GuardDuty's signals: which event means which finding type.

Pages: "GuardDuty IAM finding types", "GuardDuty S3 Protection finding types" and "Findings severity levels" (GuardDuty
User Guide).  Policy and Stealth types follow from single events, as on AWS.  Where AWS has a learned model this has a
rule that can be checked by hand: behaviour is anomalous when an identity with at least :data:`BASELINE` events from
other addresses calls an API of the category from an address that it had never used before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labs.aws.gateway.addresses import on_the_internet
from labs.aws.gateway.public_access import is_public

LOW, MEDIUM, HIGH = 2.0, 5.0, 8.0
BASELINE = 3
"""Events from other addresses after which a new address is unusual for an identity."""

Event = Mapping[str, Any]

CATEGORIES: dict[str, tuple[float, tuple[str, ...], str]] = {
    "CredentialAccess": (
        MEDIUM,
        ("GetPasswordData", "GetSecretValue", "BatchGetSecretValue", "GenerateDbAuthToken"),
        "gain access to an AWS environment",
    ),
    "DefenseEvasion": (
        MEDIUM,
        ("DeleteFlowLogs", "DisableAlarmActions", "StopLogging", "DeleteTrail", "PutEventSelectors"),
        "evade defensive measures",
    ),
    "Discovery": (
        LOW,
        ("List", "Describe", "GetRolePolicy", "GetUserPolicy", "GetPolicyVersion", "GetAccountAuthorizationDetails",
         "GetBucketPolicy", "GetBucketAcl"),
        "discover resources",
    ),
    "Exfiltration": (
        HIGH,
        ("PutBucketReplication", "CreateSnapshot", "ModifySnapshotAttribute", "RestoreDBInstanceFromDBSnapshot"),
        "collect data from an AWS environment",
    ),
    "Impact": (
        HIGH,
        ("DeleteSecurityGroup", "UpdateUser", "PutBucketPolicy", "DeleteBucket", "ScheduleKeyDeletion"),
        "tamper with data or processes in an AWS environment",
    ),
    "InitialAccess": (
        MEDIUM,
        ("GetFederationToken", "StartSession", "GetAuthorizationToken"),
        "gain unauthorized access to an AWS environment",
    ),
    "Persistence": (
        MEDIUM,
        ("CreateAccessKey", "CreateUser", "CreateLoginProfile", "ImportKeyPair", "ModifyInstanceAttribute"),
        "maintain unauthorized access to an AWS environment",
    ),
    "PrivilegeEscalation": (
        MEDIUM,
        ("AssociateIamInstanceProfile", "AddUserToGroup", "PutUserPolicy", "PutRolePolicy", "AttachUserPolicy",
         "AttachRolePolicy", "UpdateAssumeRolePolicy"),
        "gain high-level permissions",
    ),
}  # fmt: skip
"""``…:IAMUser/AnomalousBehavior`` by tactic: severity, API names (or their beginnings), what they are used for."""

_PENTEST = {"kali": "KaliLinux", "parrot": "ParrotLinux", "pentoo": "PentooLinux"}
_GLOBAL_GROUPS = "http://acs.amazonaws.com/groups/global/"


@dataclass(frozen=True)
class Signal:
    """One event's contribution to one finding.  ``key`` says which events belong to the same finding."""

    type: str
    severity: float
    key: str
    title: str
    description: str
    bucket: str = ""
    info: tuple[tuple[str, Any], ...] = ()
    resource_role: str = "TARGET"


class History:
    """What each identity did before: the addresses it used, and how often."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, int]] = {}
        self._unusual: set[tuple[str, str]] = set()

    def unusual(self, identity: str, address: str) -> bool:
        """Whether the address is new to the identity; then the event is counted."""
        before = self._seen.setdefault(identity, {})
        if address not in before and sum(before.values()) >= BASELINE:
            self._unusual.add((identity, address))
        before[address] = before.get(address, 0) + 1
        return (identity, address) in self._unusual


def identity_of(event: Event) -> str:
    """The ARN that activity is learned for: the role behind a session, or the user."""
    who = event["userIdentity"]
    issuer = who.get("sessionContext", {}).get("sessionIssuer", {})
    return str(issuer.get("arn") or who.get("arn") or "anonymous")


def instance_of(event: Event) -> str:
    """The instance whose credentials were used: they come in a session that is called like the instance."""
    principal = str(event["userIdentity"].get("principalId", ""))
    found = re.fullmatch(r"[^:]+:(i-[0-9a-f]{8,17})", principal)
    return found[1] if found else ""


def signals(event: Event, history: History, threats: frozenset[str], trusted: frozenset[str]) -> Iterator[Signal]:
    """Everything that one event contributes, in the order of time.

    :param threats: addresses on the account's threat lists; :param trusted: those on its trusted IP lists
    """
    address = event["sourceIPAddress"]
    unusual = history.unusual(identity_of(event), address)
    yield from _policy(event)
    if address in trusted:
        return  # "GuardDuty doesn't generate findings for activity from IP addresses on trusted IP lists"
    yield from _credentials(event)
    yield from _listed(event, threats)
    yield from _tools(event)
    if unusual and event["userIdentity"].get("type") != "Root":
        yield from _anomalies(event)


def _named(event: Event) -> str:
    who = event["userIdentity"]
    return str(who.get("userName") or who.get("sessionContext", {}).get("sessionIssuer", {}).get("userName")
               or who.get("arn", "").rpartition("/")[2] or who.get("type"))  # fmt: skip


def _credentials(event: Event) -> Iterator[Signal]:
    who, address = event["userIdentity"], event["sourceIPAddress"]
    if who.get("type") == "Root":
        yield Signal(
            "Policy:IAMUser/RootCredentialUsage",
            LOW,
            who["accountId"],
            f"API {event['eventName']} was invoked using root credentials.",
            f"API {event['eventName']} was invoked using root credentials from IP address {address}.",
        )
    instance = instance_of(event)
    if instance and on_the_internet(address):
        role = _named(event)
        yield Signal(
            "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS",
            HIGH,
            f"{who.get('accessKeyId')} {address}",
            f"Credentials for the EC2 instance role {role} were used from an external IP address.",
            f"Credentials created exclusively for an EC2 instance using instance role {role} have been used from a "
            f"remote IP address {address}.",
            info=(("instanceId", instance),),
        )


def _listed(event: Event, threats: frozenset[str]) -> Iterator[Signal]:
    address, name = event["sourceIPAddress"], event["eventName"]
    if address not in threats:
        return
    tactic = "Recon" if event.get("readOnly") else "UnauthorizedAccess"
    yield Signal(
        f"{tactic}:IAMUser/MaliciousIPCaller.Custom",
        MEDIUM,
        f"{identity_of(event)} {address}",
        f"{name} was invoked from an IP address on a custom threat list.",
        f"API {name} was invoked from IP address {address}, which is on a threat list of this account.",
    )


def _tools(event: Event) -> Iterator[Signal]:
    agent = str(event.get("userAgent", "")).lower()
    for word, name in _PENTEST.items():
        if re.search(rf"\b{word}\b", agent):
            yield Signal(
                f"PenTest:IAMUser/{name}",
                MEDIUM,
                identity_of(event),
                f"API {event['eventName']} was invoked from a {name.removesuffix('Linux')} Linux computer.",
                f"API {event['eventName']} was invoked with the user agent of a {name.removesuffix('Linux')} Linux.",
            )


def _anomalies(event: Event) -> Iterator[Signal]:
    name, who = event["eventName"], _named(event)
    for tactic, (severity, names, purpose) in CATEGORIES.items():
        exact = [one for one in names if one not in ("List", "Describe")]
        listing = tactic == "Discovery" and event.get("readOnly") and name.startswith(("List", "Describe"))
        if listing or name in exact:
            yield Signal(
                f"{tactic}:IAMUser/AnomalousBehavior",
                severity,
                identity_of(event),
                f"User {event['userIdentity'].get('type')} : {who} is anomalously invoking APIs commonly used in "
                f"{tactic} tactics.",
                f"APIs commonly used to {purpose} were invoked by {event['userIdentity'].get('type')} : {who} under "
                "unusual circumstances. Such activity is not typically seen from this identity.",
            )


# -- changes of policy -------------------------------------------------------------------------------------------------


def _policy(event: Event) -> Iterator[Signal]:
    if event.get("errorCode"):
        return
    rule = _CHANGES.get(event["eventName"])
    if rule:
        yield from rule(event, event.get("requestParameters") or {})


def _bucket_signal(event: Event, params: Mapping[str, Any], kind: str, severity: float, what: str) -> Signal:
    bucket = str(params.get("bucketName") or params.get("bucket") or "")
    return Signal(
        kind,
        severity,
        f"{bucket} {identity_of(event)}",
        f"{what.replace('{}', bucket)}.",
        f"{what.replace('{}', bucket)} by {_named(event)} calling {event['eventName']}.",
        bucket=bucket,
    )


def _bucket_policy(event: Event, params: Mapping[str, Any]) -> Iterator[Signal]:
    policy = params.get("bucketPolicy") or params.get("policy")
    if isinstance(policy, str):
        try:
            policy = json.loads(policy)
        except ValueError:
            policy = {}
    if isinstance(policy, Mapping) and is_public(policy):
        what = "Amazon S3 Public Anonymous Access was granted for the S3 bucket {}"
        yield _bucket_signal(event, params, "Policy:S3/BucketAnonymousAccessGranted", HIGH, what)


def _bucket_acl(event: Event, params: Mapping[str, Any]) -> Iterator[Signal]:
    text = json.dumps(params)
    canned = str(params.get("aCL") or params.get("acl") or params.get("x-amz-acl") or params.get("ACL") or "")
    if canned.startswith("public-read") or f"{_GLOBAL_GROUPS}AllUsers" in text:
        what = "Amazon S3 Public Anonymous Access was granted for the S3 bucket {}"
        yield _bucket_signal(event, params, "Policy:S3/BucketAnonymousAccessGranted", HIGH, what)
    elif canned == "authenticated-read" or f"{_GLOBAL_GROUPS}AuthenticatedUsers" in text:
        what = "Amazon S3 Public Access was granted to every AWS user for the S3 bucket {}"
        yield _bucket_signal(event, params, "Policy:S3/BucketPublicAccessGranted", HIGH, what)


def _public_access_block(event: Event, params: Mapping[str, Any]) -> Iterator[Signal]:
    settings = params.get("publicAccessBlockConfiguration") or {}
    wanted = ("blockPublicAcls", "ignorePublicAcls", "blockPublicPolicy", "restrictPublicBuckets")
    given = {str(key).lower(): value for key, value in settings.items()}
    if all(str(given.get(name.lower())).lower() == "true" for name in wanted):
        return
    if "accountId" in params and not (params.get("bucket") or params.get("bucketName")):
        yield Signal(
            "Policy:S3/AccountBlockPublicAccessDisabled",
            LOW,
            identity_of(event),
            "Amazon S3 Block Public Access was disabled for the account.",
            f"Amazon S3 Block Public Access was disabled for the account by {_named(event)}.",
        )
        return
    what = "Amazon S3 Block Public Access was disabled for the S3 bucket {}"
    yield _bucket_signal(event, params, "Policy:S3/BucketBlockPublicAccessDisabled", LOW, what)


def _bucket_logging(event: Event, params: Mapping[str, Any]) -> Iterator[Signal]:
    if "loggingEnabled" not in json.dumps(params):
        what = "Server access logging was disabled for the S3 bucket {}"
        yield _bucket_signal(event, params, "Stealth:S3/ServerAccessLoggingDisabled", LOW, what)


def _trail(event: Event, params: Mapping[str, Any]) -> Iterator[Signal]:
    name = str(params.get("name", ""))
    yield Signal(
        "Stealth:IAMUser/CloudTrailLoggingDisabled",
        LOW,
        f"{name} {identity_of(event)}",
        f"AWS CloudTrail trail {name} was disabled.",
        f"AWS CloudTrail trail {name} was disabled by {_named(event)} calling {event['eventName']} under unusual "
        "circumstances. This can be attackers attempting to cover their tracks.",
    )


def _password_policy(event: Event, params: Mapping[str, Any]) -> Iterator[Signal]:
    yield Signal(
        "Stealth:IAMUser/PasswordPolicyChange",
        LOW,
        identity_of(event),
        "The account password policy was changed.",
        f"The account password policy was changed by {_named(event)} calling {event['eventName']}.",
    )


_CHANGES = {
    "PutBucketPolicy": _bucket_policy,
    "PutBucketAcl": _bucket_acl,
    "PutPublicAccessBlock": _public_access_block,
    "PutBucketPublicAccessBlock": _public_access_block,
    "DeletePublicAccessBlock": _public_access_block,
    "DeleteBucketPublicAccessBlock": _public_access_block,
    "PutAccountPublicAccessBlock": _public_access_block,
    "DeleteAccountPublicAccessBlock": _public_access_block,
    "PutBucketLogging": _bucket_logging,
    "StopLogging": _trail,
    "DeleteTrail": _trail,
    "UpdateAccountPasswordPolicy": _password_policy,
    "DeleteAccountPasswordPolicy": _password_policy,
}
