"""Amazon GuardDuty: detectors, threat lists, and findings made from the calls that the gateway recorded.

Pages: the operations (GuardDuty API Reference), "Finding details", "GuardDuty finding aggregation" (User Guide).  A
read looks at the recorded events of the time in which the detector was enabled; there is no delay and no publishing.
Which event means what is in ``guardduty_rules``.

Left out: all data sources but management events (flow logs, DNS and data events among them), attack sequences, malware
protection, members and administrators, filters (suppression rules), publishing destinations, ``…InsideAWS`` and console
logins.  An archived finding stays archived when its activity goes on, and a list also judges what was recorded before.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from labs.aws.engines.client import EngineClient, EngineError
from labs.aws.gateway.addresses import AWS, on_the_internet, within
from labs.aws.gateway.calls import AwsError, ServiceCall
from labs.aws.gateway.record import Trail
from labs.aws.providers.guardduty_rules import CATEGORIES, HIGH, LOW, MEDIUM, History, Signal, instance_of, signals

SAMPLES: dict[str, float] = {
    **{f"{tactic}:IAMUser/AnomalousBehavior": severity for tactic, (severity, _, _) in CATEGORIES.items()},
    "PenTest:IAMUser/KaliLinux": MEDIUM,
    "PenTest:IAMUser/ParrotLinux": MEDIUM,
    "PenTest:IAMUser/PentooLinux": MEDIUM,
    "Policy:IAMUser/RootCredentialUsage": LOW,
    "Policy:S3/AccountBlockPublicAccessDisabled": LOW,
    "Policy:S3/BucketAnonymousAccessGranted": HIGH,
    "Policy:S3/BucketBlockPublicAccessDisabled": LOW,
    "Policy:S3/BucketPublicAccessGranted": HIGH,
    "Recon:IAMUser/MaliciousIPCaller.Custom": MEDIUM,
    "Stealth:IAMUser/CloudTrailLoggingDisabled": LOW,
    "Stealth:IAMUser/PasswordPolicyChange": LOW,
    "Stealth:S3/ServerAccessLoggingDisabled": LOW,
    "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS": HIGH,
    "UnauthorizedAccess:IAMUser/MaliciousIPCaller.Custom": MEDIUM,
}
"""Finding types that are made here, with their severity."""

_SETS = ("ThreatIntelSet", "IPSet")


class GuardDuty:
    """Detectors and what people decided about findings, written to a JSON file; findings themselves are derived.

    :param fresh: the engine starts empty, so forget what an earlier run wrote
    """

    def __init__(self, path: Path, fresh: bool, client: EngineClient, trail: Trail) -> None:
        self._path, self._client, self._trail = path, client, trail
        self._state: dict[str, dict[str, Any]] = {}  # "account region" -> detector
        if not fresh and path.exists():
            self._state = json.loads(path.read_text())

    def clear(self) -> None:
        """The engine was reset."""
        self._state = {}
        self._path.unlink(missing_ok=True)

    async def handle(self, call: ServiceCall, account: str, now: datetime.datetime) -> dict[str, Any]:
        """Answer one call of ``account``.

        :raises AwsError: ``BadRequestException``; ``NotImplemented`` for operations that are not here
        """
        operation = _OPERATIONS.get(call.operation)
        if operation is None:
            raise AwsError("NotImplemented", f"guardduty:{call.operation} is not offered by this endpoint.", 501)
        answer = await operation(self, _Asked(call, account, now.timestamp()))
        if not call.operation.startswith(("Get", "List")):
            self._save()
        return answer

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._state))
        temporary.replace(self._path)

    # -- detectors -------------------------------------------------------------------------------------------------

    def _detector(self, asked: _Asked) -> dict[str, Any]:
        found = self._state.get(asked.place)
        if found is None or found["id"] != asked.params["DetectorId"]:
            raise _bad("The request is rejected because the input detectorId is not owned by the current account.")
        return found

    async def create_detector(self, asked: _Asked) -> dict[str, Any]:
        """``CreateDetector``: one for each account and Region; it looks at what happens from now on."""
        if asked.place in self._state:
            raise _bad("The request is rejected because a detector already exists for the current account.")
        identifier = hashlib.md5(f"{asked.place} {asked.now}".encode(), usedforsecurity=False).hexdigest()
        enabled = bool(asked.params["Enable"])
        self._state[asked.place] = {
            "id": identifier,
            "created": asked.now,
            "updated": asked.now,
            "enabled": [[asked.now, None]] if enabled else [],
            "frequency": asked.params.get("FindingPublishingFrequency") or "SIX_HOURS",
            "features": {one["Name"]: one["Status"] for one in asked.params.get("Features") or []},
            "tags": asked.params.get("Tags") or {},
            "archived": [],
            "feedback": {},
            "samples": {},
            "sets": {},
        }
        return {"DetectorId": identifier}

    async def get_detector(self, asked: _Asked) -> dict[str, Any]:
        """``GetDetector``."""
        found = self._detector(asked)
        features = {"CLOUD_TRAIL": "ENABLED", "DNS_LOGS": "DISABLED", "FLOW_LOGS": "DISABLED", **found["features"]}
        return {
            "CreatedAt": _iso(found["created"]),
            "UpdatedAt": _iso(found["updated"]),
            "Status": "ENABLED" if _is_enabled(found) else "DISABLED",
            "FindingPublishingFrequency": found["frequency"],
            "ServiceRole": f"arn:aws:iam::{asked.account}:role/aws-service-role/guardduty.amazonaws.com/"
            "AWSServiceRoleForAmazonGuardDuty",
            "Tags": found["tags"],
            "Features": [
                {"Name": name, "Status": status, "UpdatedAt": _moment(found["updated"])}
                for name, status in features.items()
            ],
        }

    async def list_detectors(self, asked: _Asked) -> dict[str, Any]:
        """``ListDetectors``."""
        found = self._state.get(asked.place)
        return {"DetectorIds": [found["id"]] if found else []}

    async def update_detector(self, asked: _Asked) -> dict[str, Any]:
        """``UpdateDetector``: what happens while it is disabled is never looked at."""
        found = self._detector(asked)
        enable = asked.params.get("Enable")
        if enable is True and not _is_enabled(found):
            found["enabled"].append([asked.now, None])
        if enable is False and _is_enabled(found):
            found["enabled"][-1][1] = asked.now
        found["frequency"] = asked.params.get("FindingPublishingFrequency") or found["frequency"]
        found["features"].update({one["Name"]: one["Status"] for one in asked.params.get("Features") or []})
        found["updated"] = asked.now
        return {}

    async def delete_detector(self, asked: _Asked) -> dict[str, Any]:
        """``DeleteDetector``: its findings go with it."""
        self._detector(asked)
        del self._state[asked.place]
        return {}

    # -- threat lists and trusted lists ----------------------------------------------------------------------------

    async def create_set(self, asked: _Asked) -> dict[str, Any]:
        """``CreateThreatIntelSet``, ``CreateIPSet``: a plain text object in S3 with an address or CIDR a line."""
        kind = asked.call.operation.removeprefix("Create")
        found = self._detector(asked)
        if asked.params["Format"] != "TXT":
            raise _bad("The request is rejected because this endpoint reads lists of the format TXT only.")
        entries = await self._entries(asked, asked.params["Location"])
        text = f"{found['id']} {kind} {asked.params['Name']} {asked.now}"
        identifier = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        found["sets"][identifier] = {
            "kind": kind,
            "name": asked.params["Name"],
            "location": asked.params["Location"],
            "active": bool(asked.params["Activate"]),
            "entries": entries,
        }
        return {"ThreatIntelSetId" if kind == "ThreatIntelSet" else "IpSetId": identifier}

    async def _entries(self, asked: _Asked, location: str) -> list[str]:
        place = re.fullmatch(r"(?:s3://|https://s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com/)([^/]+)/(.+)", location)
        if place is None:
            raise _bad("The request is rejected because the location is not an object in S3.")
        try:
            answer = await self._client.call(
                "s3", "GetObject", account=asked.account, region=asked.region, Bucket=place[1], Key=place[2]
            )
        except EngineError as error:
            raise _bad("The request is rejected because the list could not be read from its location.") from error
        body = answer["Body"]
        lines = (body if isinstance(body, bytes) else bytes(body)).decode("utf-8", "replace").splitlines()
        return [line.strip() for line in lines if _network(line.strip())]

    def _set(self, asked: _Asked) -> tuple[str, dict[str, Any]]:
        identifier = str(asked.params.get("ThreatIntelSetId") or asked.params.get("IpSetId"))
        found = self._detector(asked)["sets"].get(identifier)
        if found is None:
            raise _bad("The request is rejected because the list id is not valid.")
        return identifier, found

    async def get_set(self, asked: _Asked) -> dict[str, Any]:
        """``GetThreatIntelSet``, ``GetIPSet``."""
        _, found = self._set(asked)
        status = "ACTIVE" if found["active"] else "INACTIVE"
        return {"Name": found["name"], "Format": "TXT", "Location": found["location"], "Status": status}

    async def list_sets(self, asked: _Asked) -> dict[str, Any]:
        """``ListThreatIntelSets``, ``ListIPSets``."""
        kind = asked.call.operation.removeprefix("List").removesuffix("s")
        found = [one for one, record in self._detector(asked)["sets"].items() if record["kind"] == kind]
        return asked.page("ThreatIntelSetIds" if kind == "ThreatIntelSet" else "IpSetIds", found)

    async def delete_set(self, asked: _Asked) -> dict[str, Any]:
        """``DeleteThreatIntelSet``, ``DeleteIPSet``."""
        identifier, _ = self._set(asked)
        del self._detector(asked)["sets"][identifier]
        return {}

    # -- findings --------------------------------------------------------------------------------------------------

    def _findings(self, detector: dict[str, Any], asked: _Asked) -> list[dict[str, Any]]:
        made: dict[str, _Finding] = {}
        history = History()
        threats = _Addresses(detector["sets"], "ThreatIntelSet")
        trusted = _Addresses(detector["sets"], "IPSet")
        events = list(self._trail.events(asked.account, asked.region, 0, asked.now))
        for when, _, _, event in reversed(events):
            address = event["sourceIPAddress"]
            listed = threats.among(address), trusted.among(address)
            for signal in signals(event, history, *listed):
                if _covered(detector, when):
                    identifier = _identifier(detector, signal)
                    made.setdefault(identifier, _Finding(identifier, signal)).add(signal, event, when)
        found = [finding.shown(detector, asked) for finding in made.values()] + list(detector["samples"].values())
        for finding in found:
            finding["Service"]["Archived"] = finding["Id"] in detector["archived"]
            if finding["Id"] in detector["feedback"]:
                finding["Service"]["UserFeedback"] = detector["feedback"][finding["Id"]]
        return found

    async def list_findings(self, asked: _Asked) -> dict[str, Any]:
        """``ListFindings``: ids, filtered and sorted."""
        found = self._chosen(asked)
        sort = asked.params.get("SortCriteria") or {}
        name = sort.get("AttributeName") or "updatedAt"
        found.sort(key=lambda one: (*_comparable(_attribute(one, name)), one["Id"]))
        if sort.get("OrderBy") == "DESC":
            found.reverse()
        return asked.page("FindingIds", [finding["Id"] for finding in found], default=50)

    def _chosen(self, asked: _Asked) -> list[dict[str, Any]]:
        criterion = (asked.params.get("FindingCriteria") or {}).get("Criterion") or {}
        found = self._findings(self._detector(asked), asked)
        return [one for one in found if all(_fits(_attribute(one, name), rule) for name, rule in criterion.items())]

    async def get_findings(self, asked: _Asked) -> dict[str, Any]:
        """``GetFindings``: up to 50, in the order of the ids."""
        ids = asked.params["FindingIds"]
        if not 1 <= len(ids) <= 50:
            raise _bad("The request is rejected because the number of finding ids must be between 1 and 50.")
        known = {finding["Id"]: finding for finding in self._findings(self._detector(asked), asked)}
        return {"Findings": [_written(known[identifier]) for identifier in ids if identifier in known]}

    def _known_ids(self, asked: _Asked) -> list[str]:
        known = {finding["Id"] for finding in self._findings(self._detector(asked), asked)}
        unknown = [identifier for identifier in asked.params["FindingIds"] if identifier not in known]
        if unknown:
            raise _bad("The request is rejected because one or more finding ids are not valid.")
        return list(asked.params["FindingIds"])

    async def archive(self, asked: _Asked) -> dict[str, Any]:
        """``ArchiveFindings``, ``UnarchiveFindings``."""
        ids, detector = self._known_ids(asked), self._detector(asked)
        kept = [identifier for identifier in detector["archived"] if identifier not in ids]
        detector["archived"] = kept + (ids if asked.call.operation == "ArchiveFindings" else [])
        return {}

    async def feedback(self, asked: _Asked) -> dict[str, Any]:
        """``UpdateFindingsFeedback``."""
        for identifier in self._known_ids(asked):
            self._detector(asked)["feedback"][identifier] = asked.params["Feedback"]
        return {}

    async def samples(self, asked: _Asked) -> dict[str, Any]:
        """``CreateSampleFindings``: of the named types, else of every type that is made here."""
        detector = self._detector(asked)
        wanted = asked.params.get("FindingTypes") or list(SAMPLES)
        unknown = [name for name in wanted if name not in SAMPLES]
        if unknown:
            raise _bad(f"The request is rejected because of invalid finding types: {', '.join(unknown)}.")
        for name in wanted:
            finding = _sample(name, detector, asked)
            detector["samples"][finding["Id"]] = finding
        return {}

    async def statistics(self, asked: _Asked) -> dict[str, Any]:
        """``GetFindingsStatistics``: by severity, or grouped by account, date, finding type, resource or severity."""
        found, group = self._chosen(asked), asked.params.get("GroupBy")
        if not group:
            counts: dict[str, int] = {}
            for finding in found:
                counts[str(finding["Severity"])] = counts.get(str(finding["Severity"]), 0) + 1
            return {"FindingStatistics": {"CountBySeverity": counts}}
        name, label, of = _GROUPS[group]
        groups: dict[Any, list[dict[str, Any]]] = {}
        for finding in found:
            groups.setdefault(of(finding), []).append(finding)
        rows = [
            {**label(key), "TotalFindings": len(same), "LastGeneratedAt": _moment(max(one["_last"] for one in same))}
            for key, same in groups.items()
        ]
        rows.sort(key=lambda row: row["TotalFindings"], reverse=asked.params.get("OrderBy") != "ASC")
        return {"FindingStatistics": {name: rows[: asked.params.get("MaxResults") or 25]}}


_GROUPS: dict[str, tuple[str, Callable[[Any], dict[str, Any]], Callable[[dict[str, Any]], Any]]] = {
    "ACCOUNT": ("GroupedByAccount", lambda key: {"AccountId": key}, lambda one: one["AccountId"]),
    "FINDING_TYPE": ("GroupedByFindingType", lambda key: {"FindingType": key}, lambda one: one["Type"]),
    "SEVERITY": ("GroupedBySeverity", lambda key: {"Severity": key}, lambda one: one["Severity"]),
    "DATE": ("GroupedByDate", lambda key: {"Date": _moment(key)}, lambda one: one["_last"] // 86_400 * 86_400),
    "RESOURCE": (
        "GroupedByResource",
        lambda key: {"AccountId": key[0], "ResourceType": key[1], "ResourceId": key[2]},
        lambda one: (one["AccountId"], one["Resource"]["ResourceType"], _resource_id(one)),
    ),
}


class _Asked:
    """One call: parameters, account, Region and time."""

    def __init__(self, call: ServiceCall, account: str, now: float) -> None:
        self.call, self.params, self.account, self.region, self.now = call, call.params, account, call.region, now
        self.place = f"{account} {call.region}"

    def page(self, name: str, found: list[Any], default: int = 50) -> dict[str, Any]:
        """``MaxResults`` entries from ``NextToken`` on; an empty token, as AWS sends it, ends the listing."""
        token, limit = self.params.get("NextToken") or "0", self.params.get("MaxResults") or default
        if not re.fullmatch(r"[0-9]{1,9}", str(token)):
            raise _bad("The request is rejected because the next token is not valid.")
        start = int(token)
        more = start + limit < len(found)
        return {name: found[start : start + limit], "NextToken": str(start + limit) if more else ""}


class _Addresses:
    """The networks of the active lists of one kind."""

    def __init__(self, sets: Mapping[str, Mapping[str, Any]], kind: str) -> None:
        listed = [entry for one in sets.values() if one["kind"] == kind and one["active"] for entry in one["entries"]]
        self._networks = [network for entry in listed if (network := _network(entry))]

    def among(self, address: str) -> frozenset[str]:
        """A set with the address if it is listed."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return frozenset()
        listed = any(network.version == found.version and found in network for network in self._networks)
        return frozenset([address]) if listed else frozenset()


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


# -- one finding -------------------------------------------------------------------------------------------------------


class _Finding:
    """Events of one kind, aggregated."""

    def __init__(self, identifier: str, signal: Signal) -> None:
        self.id, self.signal = identifier, signal
        self.times: list[float] = []
        self.apis: dict[str, int] = {}
        self.event: Mapping[str, Any] = {}

    def add(self, signal: Signal, event: Mapping[str, Any], when: float) -> None:
        """One more event; the latest one is shown."""
        self.signal, self.event = signal, event
        self.times.append(when)
        outcome = event.get("errorCode") or "success"
        name = f"{event['eventSource'].partition('.')[0]}:{event['eventName']}[:{outcome}]"
        self.apis[name] = self.apis.get(name, 0) + 1

    def shown(self, detector: Mapping[str, Any], asked: _Asked) -> dict[str, Any]:
        """The finding in botocore's names."""
        first, last = self.times[0], self.times[-1]
        info: dict[str, Any] = dict(self.signal.info)
        if self.signal.type.endswith("AnomalousBehavior"):
            info["anomalies"] = {"anomalousAPIs": ", ".join(self.apis)}
        return {
            **_frame(self.id, self.signal.type, self.signal.severity, detector, asked),
            "Title": self.signal.title,
            "Description": self.signal.description,
            "CreatedAt": _iso(first),
            "UpdatedAt": _iso(last),
            "_last": last,
            "Resource": _resource(self.event, self.signal),
            "Service": {
                "ServiceName": "guardduty",
                "DetectorId": detector["id"],
                "Action": {"ActionType": "AWS_API_CALL", "AwsApiCallAction": _action(self.event)},
                "ResourceRole": self.signal.resource_role,
                "EventFirstSeen": _iso(first),
                "EventLastSeen": _iso(last),
                "Count": len(self.times),
                "AdditionalInfo": {"Value": json.dumps(info), "Type": "default"},
            },
        }


def _frame(identifier: str, kind: str, severity: float, detector: Mapping[str, Any], asked: _Asked) -> dict[str, Any]:
    arn = f"arn:aws:guardduty:{asked.region}:{asked.account}:detector/{detector['id']}/finding/{identifier}"
    return {
        "SchemaVersion": "2.0", "AccountId": asked.account, "Region": asked.region, "Partition": "aws",
        "Id": identifier, "Arn": arn, "Type": kind, "Severity": severity,
    }  # fmt: skip


def _resource(event: Mapping[str, Any], signal: Signal) -> dict[str, Any]:
    who = event["userIdentity"]
    issuer = who.get("sessionContext", {}).get("sessionIssuer", {})
    key = {
        "AccessKeyId": who.get("accessKeyId", ""),
        "PrincipalId": who.get("principalId", ""),
        "UserType": who.get("type", ""),
        "UserName": who.get("userName") or issuer.get("userName") or ("Root" if who.get("type") == "Root" else ""),
    }
    resource: dict[str, Any] = {"ResourceType": "S3Bucket" if signal.bucket else "AccessKey", "AccessKeyDetails": key}
    if signal.bucket:
        arn = f"arn:aws:s3:::{signal.bucket}"
        resource["S3BucketDetails"] = [{"Arn": arn, "Name": signal.bucket, "Type": "Destination"}]
    if instance := instance_of(event):
        resource["InstanceDetails"] = {"InstanceId": instance}
    return resource


def _action(event: Mapping[str, Any]) -> dict[str, Any]:
    address = event["sourceIPAddress"]
    action: dict[str, Any] = {
        "Api": event["eventName"],
        "ServiceName": event["eventSource"],
        "CallerType": "Remote IP",
        "UserAgent": event.get("userAgent", ""),
        "RemoteIpDetails": {"IpAddressV4": address, "Organization": _organization(address)},
        "AffectedResources": {
            one["type"]: one.get("ARN") or one.get("name", "") for one in event.get("resources") or ()
        },
    }
    if event.get("errorCode"):
        action["ErrorCode"] = event["errorCode"]
    return action


def _organization(address: str) -> dict[str, str]:
    """Whose network it is, in the geography of ``labs.aws.gateway.addresses``."""
    if on_the_internet(address):
        return {"Asn": "-1", "AsnOrg": "Documentation network (RFC 5737)", "Isp": "internet", "Org": "internet"}
    if within(address, AWS):
        return {"Asn": "16509", "AsnOrg": "AMAZON-02", "Isp": "Amazon.com", "Org": "Amazon.com"}
    return {"Asn": "0", "AsnOrg": "this machine", "Isp": "this machine", "Org": "this machine"}


def _sample(kind: str, detector: Mapping[str, Any], asked: _Asked) -> dict[str, Any]:
    identifier = hashlib.md5(f"{detector['id']} sample {kind}".encode(), usedforsecurity=False).hexdigest()
    key = {"AccessKeyId": "GeneratedFindingAccessKeyId", "PrincipalId": "GeneratedFindingPrincipalId",
           "UserType": "IAMUser", "UserName": "GeneratedFindingUserName"}  # fmt: skip
    resource: dict[str, Any] = {"ResourceType": "AccessKey", "AccessKeyDetails": key}
    if "S3/Bucket" in kind:
        resource["ResourceType"] = "S3Bucket"
        resource["S3BucketDetails"] = [{"Arn": "arn:aws:s3:::bucketName", "Name": "bucketName", "Type": "Destination"}]
    call = {"Api": "GeneratedFindingAPIName", "ServiceName": "GeneratedFindingAPIServiceName",
            "CallerType": "Remote IP", "RemoteIpDetails": {"IpAddressV4": "198.51.100.0"}}  # fmt: skip
    return {
        **_frame(identifier, kind, SAMPLES[kind], detector, asked),
        "Title": f"[SAMPLE] {kind}",
        "Description": f"[SAMPLE] An example of a finding of the type {kind}.",
        "CreatedAt": _iso(asked.now),
        "UpdatedAt": _iso(asked.now),
        "_last": asked.now,
        "Resource": resource,
        "Service": {
            "ServiceName": "guardduty", "DetectorId": detector["id"], "ResourceRole": "TARGET", "Count": 1,
            "Action": {"ActionType": "AWS_API_CALL", "AwsApiCallAction": call},
            "EventFirstSeen": _iso(asked.now), "EventLastSeen": _iso(asked.now),
            "AdditionalInfo": {"Value": json.dumps({"sample": True}), "Type": "default"},
        },
    }  # fmt: skip


def _identifier(detector: Mapping[str, Any], signal: Signal) -> str:
    text = f"{detector['id']} {signal.type} {signal.key}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _written(finding: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in finding.items() if not name.startswith("_")}


def _is_enabled(detector: Mapping[str, Any]) -> bool:
    return bool(detector["enabled"]) and detector["enabled"][-1][1] is None


def _covered(detector: Mapping[str, Any], when: float) -> bool:
    return any(start <= when and (end is None or when < end) for start, end in detector["enabled"])


def _resource_id(finding: Mapping[str, Any]) -> str:
    resource = finding["Resource"]
    if resource["ResourceType"] == "S3Bucket":
        return str(resource["S3BucketDetails"][0]["Name"])
    return str(resource["AccessKeyDetails"]["AccessKeyId"])


# -- criteria ----------------------------------------------------------------------------------------------------------


def _attribute(finding: Any, path: str) -> Any:
    """A value by its JSON path, e.g. ``service.action.awsApiCallAction.remoteIpDetails.ipAddressV4``."""
    values = list(_values(finding, path.split(".")))
    if not values:
        return None
    return values if len(values) > 1 else values[0]


def _values(value: Any, steps: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _values(item, steps)
    elif not steps:
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if name.lower() == steps[0].lower():
                yield from _values(item, steps[1:])


def _comparable(value: Any) -> tuple[float, str]:
    number = _as_number(value)
    return (number if number is not None else 0.0, "" if number is not None else str(value))


def _as_number(value: Any) -> float | None:
    """A number; of a time the milliseconds since 1970, as criteria give it."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    try:
        return datetime.datetime.fromisoformat(str(value)).timestamp() * 1000
    except ValueError:
        return None


_BOUNDS: dict[str, Callable[[float, float], bool]] = {
    "Gt": lambda a, b: a > b, "GreaterThan": lambda a, b: a > b,
    "Gte": lambda a, b: a >= b, "GreaterThanOrEqual": lambda a, b: a >= b,
    "Lt": lambda a, b: a < b, "LessThan": lambda a, b: a < b,
    "Lte": lambda a, b: a <= b, "LessThanOrEqual": lambda a, b: a <= b,
}  # fmt: skip


def _fits(value: Any, rule: Mapping[str, Any]) -> bool:
    texts = [_text(item) for item in (value if isinstance(value, list) else [value]) if item is not None]
    wanted, unwanted = rule.get("Equals") or rule.get("Eq"), rule.get("NotEquals") or rule.get("Neq")
    if wanted and not set(texts) & set(wanted):
        return False
    if unwanted and set(texts) & set(unwanted):
        return False
    number = _as_number(value)
    return all(number is not None and compare(number, float(rule[name]))
               for name, compare in _BOUNDS.items() if rule.get(name) is not None)  # fmt: skip


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _iso(seconds: float) -> str:
    return _moment(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _bad(message: str) -> AwsError:
    return AwsError("BadRequestException", message, 400)


_OPERATIONS: dict[str, Callable[[GuardDuty, _Asked], Awaitable[dict[str, Any]]]] = {
    "CreateDetector": GuardDuty.create_detector,
    "GetDetector": GuardDuty.get_detector,
    "ListDetectors": GuardDuty.list_detectors,
    "UpdateDetector": GuardDuty.update_detector,
    "DeleteDetector": GuardDuty.delete_detector,
    "ListFindings": GuardDuty.list_findings,
    "GetFindings": GuardDuty.get_findings,
    "ArchiveFindings": GuardDuty.archive,
    "UnarchiveFindings": GuardDuty.archive,
    "UpdateFindingsFeedback": GuardDuty.feedback,
    "CreateSampleFindings": GuardDuty.samples,
    "GetFindingsStatistics": GuardDuty.statistics,
    **{f"Create{kind}": GuardDuty.create_set for kind in _SETS},
    **{f"Get{kind}": GuardDuty.get_set for kind in _SETS},
    **{f"List{kind}s": GuardDuty.list_sets for kind in _SETS},
    **{f"Delete{kind}": GuardDuty.delete_set for kind in _SETS},
}
