"""CloudTrail trails: the operations.  ``trail_delivery`` writes the files, ``trail_selectors`` says what goes in.

CloudTrail API Reference; User Guide, "Amazon S3 bucket policy for CloudTrail", "Naming requirements for CloudTrail
resources", "Quotas in AWS CloudTrail".  A trail of one Region or of all; its bucket may be another account's.

Left out, and refused with AWS's own errors: organization trails, SNS notifications, KMS keys of your own, event data
stores.  Insight selectors are kept, no insight is ever found.  CloudTrail's own writing into a bucket is no data event.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labs.aws.engines.client import EngineClient
from labs.aws.gateway.authorizer import Authorizer
from labs.aws.gateway.calls import AwsError, ServiceCall
from labs.aws.providers import trail_selectors
from labs.aws.providers.organizations import MANAGEMENT_ACCOUNT
from labs.aws.providers.trail_delivery import Delivery, acl_granted, object_granted
from labs.aws.providers.trail_digests import SigningKey, moment

TRAILS_PER_REGION = 5
TAGS_PER_TRAIL = 50
INTERVALS_KEPT = 100  # periods of logging that are remembered
_ARN = re.compile(r"arn:aws:cloudtrail:([a-z0-9-]+):(\d{12}):trail/(.+)")
_NOT_HERE = {
    "SnsTopicName": ("UnsupportedOperationException", "SNS notifications of trails are not offered by this endpoint."),
    "KmsKeyId": ("UnsupportedOperationException", "KMS keys for trails are not offered by this endpoint."),
}
_FLAGS = {
    "IncludeGlobalServiceEvents": "global",
    "IsMultiRegionTrail": "multi",
    "EnableLogFileValidation": "validation",
}


@dataclass(frozen=True)
class _Asked:
    """One call: its parameters, who asks, where, when (seconds)."""

    params: Mapping[str, Any]
    account: str
    region: str
    now: float


class Trails:
    """Every account's trails, written to a JSON file.

    A trail is a dict: ``arn``, ``name``, ``account``, ``region``, ``bucket``, ``prefix``, the flags ``global``,
    ``multi``, ``validation``, ``basic`` and ``advanced`` selectors, ``tags``, ``logging`` (periods ``[start, stop]`` in
    seconds, ``stop`` ``None`` while it logs) and what ``trail_delivery`` notes under ``status`` and ``chains``.

    :param fresh: the engine starts empty, so forget what an earlier run wrote
    """

    def __init__(self, folder: Path, fresh: bool, client: EngineClient, authorizer: Authorizer) -> None:
        self._path = folder / "trails.json"
        self._authorizer = authorizer
        self._trails: dict[str, dict[str, Any]] = {}
        if not fresh and self._path.exists():
            self._trails = json.loads(self._path.read_text())
        self.key = SigningKey(folder / "trail-digests.pem")
        self.delivery = Delivery(client, authorizer, self.key, self._save)
        self.delivery.follow(self._trails.values())

    def start(self) -> None:
        """Begin to deliver; needs a running event loop."""
        self.delivery.start()

    async def stop(self) -> None:
        """End delivery; what waits is written first."""
        await self.delivery.stop()

    async def pause(self) -> None:
        """End delivery for now; what waits goes on waiting."""
        await self.delivery.pause()

    def clear(self) -> None:
        """The engine was reset."""
        self._trails = {}
        self.delivery.forget()
        self._path.unlink(missing_ok=True)

    def get(self, arn: str) -> dict[str, Any] | None:
        """A trail by its ARN."""
        return self._trails.get(arn)

    def of(self, account: str | None) -> list[dict[str, Any]]:
        """An account's trails, or everybody's."""
        return [trail for trail in self._trails.values() if account in (None, trail["account"])]

    async def handle(self, call: ServiceCall, account: str, now: float) -> dict[str, Any]:
        """Answer one call of ``account``.

        :raises AwsError: the code that AWS documents for the operation; ``NotImplemented`` for what is not here
        """
        operation = _OPERATIONS.get(call.operation)
        if operation is None:
            raise AwsError("NotImplemented", f"cloudtrail:{call.operation} is not offered by this endpoint.", 501)
        answer = await operation(self, _Asked(call.params, account, call.region, now))
        if not call.operation.startswith(("Get", "List", "Describe")):
            self._save()
            self.delivery.follow(self._trails.values())
        return answer

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._trails))
        temporary.replace(self._path)

    # -- finding one -----------------------------------------------------------------------------------------------

    def _find(self, asked: _Asked, name: Any, *, write: bool = False) -> dict[str, Any]:
        """The trail called ``name`` or with that ARN.

        :raises AwsError: bad name or ARN, no such trail, or a change asked for outside the trail's home Region
        """
        if not name:
            raise AwsError("TrailNotFoundException", "Trail name cannot be blank.", 400)
        found = self._visible(asked, name)
        if found is None:
            arn = name if str(name).startswith("arn:") else _arn(asked.region, asked.account, name)
            raise AwsError("TrailNotFoundException", f"Unknown trail: {arn} for the user: {asked.account}", 400)
        if write and found["region"] != asked.region:
            raise AwsError(
                "InvalidHomeRegionException", f"The home region of trail {found['arn']} is {found['region']}.", 400
            )
        return found

    def _visible(self, asked: _Asked, name: str) -> dict[str, Any] | None:
        """By name in this Region, else a multi-Region trail's shadow; by ARN from anywhere."""
        if name.startswith("arn:"):
            if not _ARN.fullmatch(name):
                raise AwsError("CloudTrailARNInvalidException", f"{name} is not a valid trail ARN.", 400)
            found = self._trails.get(name)
            return found if found and found["account"] == asked.account else None
        _check_name(name)
        here = self._trails.get(_arn(asked.region, asked.account, name))
        shadows = (one for one in self.of(asked.account) if one["name"] == name and one["multi"])
        return here or next(shadows, None)

    # -- trails ----------------------------------------------------------------------------------------------------

    async def create(self, asked: _Asked) -> dict[str, Any]:
        """``CreateTrail``; it logs nothing until ``StartLogging``."""
        params = asked.params
        name = params.get("Name") or ""
        _check_name(name)
        _refuse_unoffered(params, asked.account)
        arn = _arn(asked.region, asked.account, name)
        if arn in self._trails:
            raise AwsError(
                "TrailAlreadyExistsException", f"Trail {name} already exists for customer: {asked.account}", 400
            )
        if sum(one["region"] == asked.region for one in self.of(asked.account)) >= TRAILS_PER_REGION:
            text = f"User: {asked.account} already has {TRAILS_PER_REGION} trails in {asked.region}."
            raise AwsError("MaximumNumberOfTrailsExceededException", text, 403)
        trail = {
            "arn": arn,
            "name": name,
            "account": asked.account,
            "region": asked.region,
            "bucket": params.get("S3BucketName") or "",
            "prefix": params.get("S3KeyPrefix") or "",
            "global": params.get("IncludeGlobalServiceEvents", True),
            "multi": params.get("IsMultiRegionTrail", False),
            "validation": params.get("EnableLogFileValidation", False),
            "basic": None,
            "advanced": None,
            "tags": _tags(params.get("TagsList")),
            "logging": [],
            "status": {},
            "chains": {},
            "logs": _logs(params, {}),
        }
        await self._check(trail)
        self._trails[arn] = trail
        return _described(trail)

    async def update(self, asked: _Asked) -> dict[str, Any]:
        """``UpdateTrail``: only what is given changes."""
        trail, params = self._find(asked, asked.params.get("Name"), write=True), asked.params
        _refuse_unoffered(params, asked.account)
        changed = {**trail, "bucket": params.get("S3BucketName") or trail["bucket"]}
        changed["prefix"] = params.get("S3KeyPrefix", trail["prefix"]) or ""
        changed.update({ours: params[theirs] for theirs, ours in _FLAGS.items() if theirs in params})
        changed["logs"] = _logs(params, trail.get("logs") or {})
        await self._check(changed)
        await self.delivery.deliver(trail)  # what happened before the change goes where the trail pointed then
        if changed["validation"] != trail["validation"]:
            trail["chains"].clear()
        trail.update({name: changed[name] for name in ("bucket", "prefix", "logs", *_FLAGS.values())})
        return _described(trail)

    async def _check(self, trail: Mapping[str, Any]) -> None:
        """Name of the bucket, its policy, and what goes together."""
        bucket, prefix = trail["bucket"], trail["prefix"]
        if trail["multi"] and not trail["global"]:
            raise AwsError(
                "InvalidParameterCombinationException", "Multi-Region trail must include global service events.", 400
            )
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket):
            raise AwsError("InvalidS3BucketNameException", f"Bucket name is not valid: {bucket or 'blank'}", 400)
        if len(prefix) > 200 or prefix.endswith("/"):
            raise AwsError("InvalidS3PrefixException", f"S3 prefix is not valid: {prefix}", 400)
        owner = await self._authorizer.bucket_owner(bucket, trail["account"])
        if owner is None:
            raise AwsError("S3BucketDoesNotExistException", f"S3 bucket {bucket} does not exist!", 400)
        key = f"{prefix}/" * bool(prefix) + f"AWSLogs/{trail['account']}/CloudTrail/{trail['region']}/"
        may = self._authorizer.service_may
        if not (await acl_granted(may, trail, owner) and await object_granted(may, trail, owner, key)):
            text = f"Incorrect S3 bucket policy is detected for bucket: {bucket}"
            raise AwsError("InsufficientS3BucketPolicyException", text, 400)
        if trail["logs"]:
            await self.delivery.check_logs(trail)

    async def delete(self, asked: _Asked) -> dict[str, Any]:
        """``DeleteTrail``; the files stay in the bucket."""
        trail = self._find(asked, asked.params.get("Name"), write=True)
        _stop(trail, asked.now)
        self.delivery.finish(trail)
        del self._trails[trail["arn"]]
        return {}

    async def describe(self, asked: _Asked) -> dict[str, Any]:
        """``DescribeTrails``: names that do not exist are left out of the answer."""
        names = asked.params.get("trailNameList") or []
        if names:
            found = [self._visible(asked, name) for name in names]
        else:
            shadows = asked.params.get("includeShadowTrails", True)
            found = [
                one for one in self.of(asked.account) if one["region"] == asked.region or (shadows and one["multi"])
            ]
        return {"trailList": [_shown(one) for one in found if one]}

    async def get_trail(self, asked: _Asked) -> dict[str, Any]:
        """``GetTrail``."""
        return {"Trail": _shown(self._find(asked, asked.params.get("Name")))}

    async def list_trails(self, asked: _Asked) -> dict[str, Any]:
        """``ListTrails``: those of every Region."""
        trails = [{"TrailARN": t["arn"], "Name": t["name"], "HomeRegion": t["region"]} for t in self.of(asked.account)]
        return {"Trails": trails}

    # -- logging ---------------------------------------------------------------------------------------------------

    async def start_logging(self, asked: _Asked) -> dict[str, Any]:
        """``StartLogging``: from now on; a new chain of digests begins."""
        trail = self._find(asked, asked.params.get("Name"), write=True)
        if not is_logging(trail):
            await self.delivery.finished(trail)
            trail["logging"] = [*trail["logging"][-INTERVALS_KEPT:], [asked.now, None]]
            trail["chains"].clear()
            self.delivery.begin(trail, asked.now)
        return {}

    async def stop_logging(self, asked: _Asked) -> dict[str, Any]:
        """``StopLogging``: this call is the last event; a last digest is delivered."""
        trail = self._find(asked, asked.params.get("Name"), write=True)
        if is_logging(trail):
            _stop(trail, asked.now)
            self.delivery.finish(trail)
        return {}

    async def status(self, asked: _Asked) -> dict[str, Any]:
        """``GetTrailStatus``."""
        trail = self._find(asked, asked.params.get("Name"))
        began, ended = next(iter(trail["logging"][-1:]), (None, None))
        if ended is None and len(trail["logging"]) > 1:
            ended = trail["logging"][-2][1]
        noted = trail["status"]
        answer = {
            "IsLogging": is_logging(trail),
            "LatestCloudWatchLogsDeliveryError": noted.get("logs_error"),
            "LatestCloudWatchLogsDeliveryTime": noted.get("logged"),
            "LatestDeliveryError": noted.get("error"),
            "LatestDeliveryTime": noted.get("delivered"),
            "LatestDigestDeliveryTime": noted.get("digested"),
            "LatestDigestDeliveryError": noted.get("digest_error"),
            "StartLoggingTime": began,
            "StopLoggingTime": ended,
            "TimeLoggingStarted": moment(began) if began else "",
            "TimeLoggingStopped": moment(ended) if ended else "",
            "LatestDeliveryAttemptTime": moment(noted["attempted"]) if "attempted" in noted else "",
            "LatestDeliveryAttemptSucceeded": moment(noted["delivered"]) if "delivered" in noted else "",
            "LatestNotificationAttemptTime": "",
            "LatestNotificationAttemptSucceeded": "",
        }
        return {name: value for name, value in answer.items() if value is not None}

    async def put_selectors(self, asked: _Asked) -> dict[str, Any]:
        """``PutEventSelectors``: replaces the other kind."""
        trail = self._find(asked, asked.params.get("TrailName"), write=True)
        basic, advanced = asked.params.get("EventSelectors"), asked.params.get("AdvancedEventSelectors")
        trail_selectors.check(basic, advanced)
        trail["basic"] = [{**trail_selectors.DEFAULT[0], **one} for one in basic] if basic else None
        trail["advanced"] = advanced or None
        return _selectors(trail)

    async def put_insights(self, asked: _Asked) -> dict[str, Any]:
        """``PutInsightSelectors``: an empty list turns Insights off."""
        trail = self._find(asked, asked.params.get("TrailName"), write=True)
        wanted = asked.params.get("InsightSelectors") or []
        for selector in wanted:
            if selector.get("InsightType") not in ("ApiCallRateInsight", "ApiErrorRateInsight"):
                text = f"Insight type is not valid: {selector.get('InsightType')}"
                raise AwsError("InvalidInsightSelectorsException", text, 400)
        trail["insights"] = wanted
        return {"TrailARN": trail["arn"], "InsightSelectors": wanted}

    async def get_insights(self, asked: _Asked) -> dict[str, Any]:
        """``GetInsightSelectors``."""
        trail = self._find(asked, asked.params.get("TrailName"))
        if not trail.get("insights"):
            text = f"Trail {trail['arn']} does not have Insights enabled. Edit the trail settings to enable Insights."
            raise AwsError("InsightNotEnabledException", text, 400)
        return {"TrailARN": trail["arn"], "InsightSelectors": trail["insights"]}

    async def get_selectors(self, asked: _Asked) -> dict[str, Any]:
        """``GetEventSelectors``."""
        return _selectors(self._find(asked, asked.params.get("TrailName")))

    # -- tags and keys ---------------------------------------------------------------------------------------------

    async def add_tags(self, asked: _Asked) -> dict[str, Any]:
        """``AddTags``: a key that is there gets the new value."""
        trail = self._tagged(asked, asked.params.get("ResourceId"))
        tags = {**trail["tags"], **_tags(asked.params.get("TagsList"))}
        if len(tags) > TAGS_PER_TRAIL:
            raise AwsError("TagsLimitExceededException", f"A trail can have up to {TAGS_PER_TRAIL} tags.", 400)
        trail["tags"] = tags
        return {}

    async def remove_tags(self, asked: _Asked) -> dict[str, Any]:
        """``RemoveTags``: by key; keys that are not there do not matter."""
        trail = self._tagged(asked, asked.params.get("ResourceId"))
        for key in _tags(asked.params.get("TagsList")):
            trail["tags"].pop(key, None)
        return {}

    async def list_tags(self, asked: _Asked) -> dict[str, Any]:
        """``ListTags``."""
        found = []
        for arn in asked.params.get("ResourceIdList") or []:
            tags = self._tagged(asked, arn)["tags"]
            found.append({"ResourceId": arn, "TagsList": [{"Key": k, "Value": v} for k, v in tags.items()]})
        return {"ResourceTagList": found}

    def _tagged(self, asked: _Asked, arn: Any) -> dict[str, Any]:
        if not isinstance(arn, str) or not _ARN.fullmatch(arn):
            raise AwsError("CloudTrailARNInvalidException", f"{arn} is not a valid trail ARN.", 400)
        found = self._trails.get(arn)
        if found is None or found["account"] != asked.account:
            raise AwsError("ResourceNotFoundException", f"The resource {arn} does not exist.", 400)
        return found

    async def list_public_keys(self, asked: _Asked) -> dict[str, Any]:
        """``ListPublicKeys``: of the time range, by default the current one."""
        start, end = (_seconds(asked.params.get(name)) for name in ("StartTime", "EndTime"))
        if start is not None and end is not None and start > end:
            raise AwsError("InvalidTimeRangeException", "Start time cannot be after end time.", 400)
        await self.delivery.load_key()
        return {"PublicKeyList": self.key.public_keys(start, end)}


_OPERATIONS: dict[str, Any] = {
    "CreateTrail": Trails.create,
    "UpdateTrail": Trails.update,
    "DeleteTrail": Trails.delete,
    "DescribeTrails": Trails.describe,
    "GetTrail": Trails.get_trail,
    "ListTrails": Trails.list_trails,
    "GetTrailStatus": Trails.status,
    "StartLogging": Trails.start_logging,
    "StopLogging": Trails.stop_logging,
    "PutEventSelectors": Trails.put_selectors,
    "GetEventSelectors": Trails.get_selectors,
    "PutInsightSelectors": Trails.put_insights,
    "GetInsightSelectors": Trails.get_insights,
    "AddTags": Trails.add_tags,
    "RemoveTags": Trails.remove_tags,
    "ListTags": Trails.list_tags,
    "ListPublicKeys": Trails.list_public_keys,
}


def is_logging(trail: Mapping[str, Any]) -> bool:
    """Whether the trail's last period of logging is still open."""
    return bool(trail["logging"]) and trail["logging"][-1][1] is None


def logged_at(trail: Mapping[str, Any], when: float) -> bool:
    """Whether the trail was logging at a moment (seconds)."""
    return any(start <= when and (stop is None or when <= stop) for start, stop in trail["logging"])


def _stop(trail: dict[str, Any], now: float) -> None:
    if is_logging(trail):
        trail["logging"][-1][1] = max(now, time.time())


def _arn(region: str, account: str, name: str) -> str:
    return f"arn:aws:cloudtrail:{region}:{account}:trail/{name}"


def _check_name(name: str) -> None:
    """CloudTrail User Guide, "Naming requirements for CloudTrail resources"."""
    limits = (("short", "Minimum", 3), ("long", "Maximum", 128))
    for (word, bound, limit), wrong in zip(limits, (len(name) < 3, len(name) > 128), strict=True):
        if wrong:
            text = f"Trail name too {word}. {bound} allowed length: {limit} characters. Specified name length: "
            raise AwsError("InvalidTrailNameException", f"{text}{len(name)} characters.", 400)
    text = ""
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        text = (
            "Trail name or ARN can only contain uppercase letters, lowercase letters, numbers, periods (.),"
            " hyphens (-), and underscores (_)."
        )
    elif not name[0].isalnum() or not name[-1].isalnum():
        text = f"Trail name must {'ends' if name[0].isalnum() else 'starts'} with a letter or number."
    elif re.search(r"[._-]{2}", name) or re.fullmatch(r"\d+(\.\d+){3}", name):
        text = "Trail name must not have adjacent periods, underscores or dashes, or look like an IP address."
    if text:
        raise AwsError("InvalidTrailNameException", text, 400)


def _refuse_unoffered(params: Mapping[str, Any], account: str) -> None:
    if params.get("IsOrganizationTrail"):
        if account != MANAGEMENT_ACCOUNT:
            text = "The organization trail can only be created by the management account."
            raise AwsError("NotOrganizationMasterAccountException", text, 400)
        raise AwsError("UnsupportedOperationException", "Organization trails are not offered by this endpoint.", 400)
    for name, (code, text) in _NOT_HERE.items():
        if params.get(name):
            raise AwsError(code, text, 400)


def _logs(params: Mapping[str, Any], now: dict[str, str]) -> dict[str, str]:
    """Where events go in CloudWatch Logs, ``{}`` for nowhere; a group and a role go together, two empty ones end it."""
    names = {"group": "CloudWatchLogsLogGroupArn", "role": "CloudWatchLogsRoleArn"}
    given = {ours: str(params[theirs] or "") for ours, theirs in names.items() if theirs in params}
    wanted = {**now, **given}
    if not wanted.get("group") and not wanted.get("role"):
        return {}
    if not re.fullmatch(r"arn:aws:logs:[a-z0-9-]+:\d{12}:log-group:[^:]+:\*", wanted.get("group") or ""):
        text = f"The CloudWatch Logs log group ARN is not valid: {wanted.get('group') or 'blank'}"
        raise AwsError("InvalidCloudWatchLogsLogGroupArnException", text, 400)
    if not re.fullmatch(r"arn:aws:iam::\d{12}:role/.+", wanted.get("role") or ""):
        text = f"The CloudWatch Logs role ARN is not valid: {wanted.get('role') or 'blank'}"
        raise AwsError("InvalidCloudWatchLogsRoleArnException", text, 400)
    return wanted


def _tags(listed: Any) -> dict[str, str]:
    tags: dict[str, str] = {}
    for tag in listed or []:
        key = tag.get("Key") or ""
        if key in tags or not 1 <= len(key) <= 128 or key.lower().startswith("aws:"):
            raise AwsError("InvalidTagParameterException", f"The tag key {key!r} is not valid or given twice.", 400)
        tags[key] = tag.get("Value") or ""
    if len(tags) > TAGS_PER_TRAIL:
        raise AwsError("TagsLimitExceededException", f"A trail can have up to {TAGS_PER_TRAIL} tags.", 400)
    return tags


def _seconds(value: Any) -> float | None:
    return None if value is None else float(value.timestamp())


def _described(trail: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of ``CreateTrail`` and ``UpdateTrail``."""
    answer = {
        "Name": trail["name"],
        "S3BucketName": trail["bucket"],
        "IncludeGlobalServiceEvents": trail["global"],
        "IsMultiRegionTrail": trail["multi"],
        "TrailARN": trail["arn"],
        "LogFileValidationEnabled": trail["validation"],
        "IsOrganizationTrail": False,
    }
    if trail["prefix"]:
        answer["S3KeyPrefix"] = trail["prefix"]
    logs = trail.get("logs") or {}
    if logs:
        answer.update(CloudWatchLogsLogGroupArn=logs["group"], CloudWatchLogsRoleArn=logs["role"])
    return answer


def _shown(trail: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of ``DescribeTrails`` and ``GetTrail``."""
    custom = bool(trail["basic"] or trail["advanced"])
    insights = bool(trail.get("insights"))
    more = {"HomeRegion": trail["region"], "HasCustomEventSelectors": custom, "HasInsightSelectors": insights}
    return {**_described(trail), **more}


def _selectors(trail: Mapping[str, Any]) -> dict[str, Any]:
    if trail["advanced"]:
        return {"TrailARN": trail["arn"], "AdvancedEventSelectors": trail["advanced"]}
    return {"TrailARN": trail["arn"], "EventSelectors": trail["basic"] or trail_selectors.DEFAULT}
