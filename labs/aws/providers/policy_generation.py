"""IAM Access Analyzer's policy generation: from what a role or user did, as a trail saw it, to a policy.

Pages: "IAM Access Analyzer policy generation" and its "Things to know about generating policies" (IAM User Guide);
StartPolicyGeneration, GetGeneratedPolicy, ListPolicyGenerations, CancelPolicyGeneration (API Reference).

AWS's blind spots are kept: data events give no action, ``iam:PassRole`` makes no event, and refused calls count like
any other.  Events are taken from the event history, but only such as the trail was logging, selected and covers by
Region; AWS reads the trail's files.  A job takes ``SECONDS`` (AWS: minutes), and is forgotten when the gateway stops.

Left out: service-level templates (``includeServiceLevelTemplate`` changes nothing), trails of another account, and the
daily quota.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from labs.aws.gateway.actions import generic, reference
from labs.aws.gateway.actions.s3 import action_name
from labs.aws.gateway.authorizer import SCP, Authorizer
from labs.aws.gateway.calls import AwsError, ServiceCall
from labs.aws.gateway.record import RETENTION, Trail
from labs.aws.iam import PolicySet, Principal, PrincipalType, Request, evaluate
from labs.aws.providers import trail_selectors
from labs.aws.providers.trails import Trails, logged_at

SERVICE = "access-analyzer.amazonaws.com"
OPERATIONS = ("StartPolicyGeneration", "GetGeneratedPolicy", "ListPolicyGenerations", "CancelPolicyGeneration")
SECONDS = 0.5  # how long a job is in progress
JOBS_KEPT = 200  # of all accounts
MAX_POLICY = 6_144  # characters; a longer policy is split ("IAM and AWS STS quotas")
_PRINCIPAL = re.compile(r"arn:aws:iam::(\d{12}):(role|user)/(?:.*/)?([^/]+)")
_ROLE = re.compile(r"arn:aws:iam::(\d{12}):role/(?:.*/)?([^/]+)")
_LAMBDA_VERSION = re.compile(r"20\d{6}(v\d)?$")
_PREFIX_OF_SOURCE = {"monitoring": "cloudwatch", "tagging": "tag", "email": "ses", "streams.dynamodb": "dynamodb"}


@dataclass
class _Job:
    """One request; ``actions`` and ``error`` are known from the start and shown when it is done."""

    id: str
    account: str
    region: str
    principal: str
    started: float
    token: str
    asked: str  # the request, to tell a repeated token from a conflict
    properties: dict[str, Any]
    actions: set[str] = field(default_factory=set)
    complete: bool = True  # every event had a known action
    error: dict[str, str] | None = None
    canceled: float | None = None

    def status(self, now: float) -> str:
        if self.canceled is not None:
            return "CANCELED"
        if now < self.started + SECONDS:
            return "IN_PROGRESS"
        return "FAILED" if self.error else "SUCCEEDED"

    def summary(self, now: float) -> dict[str, Any]:
        """``jobId``, ``status``, ``startedOn`` and, once it has ended, ``completedOn``."""
        status = self.status(now)
        shown = {"jobId": self.id, "status": status, "startedOn": self.started}
        if status != "IN_PROGRESS":
            shown["completedOn"] = self.canceled or self.started + SECONDS
        return shown


class PolicyGeneration:
    """Jobs of every account, in memory."""

    def __init__(self, authorizer: Authorizer, history: Trail, trails: Trails) -> None:
        self._authorizer, self._history, self._trails = authorizer, history, trails
        self._jobs: dict[str, _Job] = {}

    def clear(self) -> None:
        """The engine was reset."""
        self._jobs.clear()

    async def handle(self, call: ServiceCall, account: str) -> dict[str, Any]:
        """Answer one of ``OPERATIONS``.

        :raises AwsError: ``ValidationException``, ``ConflictException``, ``ServiceQuotaExceededException``
        """
        if call.operation == "StartPolicyGeneration":
            return {"jobId": (await self._start(call, account)).id}
        if call.operation == "ListPolicyGenerations":
            return self._list(call, account)
        job = self._jobs.get(str(call.params.get("jobId")))
        if job is None or (job.account, job.region) != (account, call.region):
            raise _invalid("Invalid jobId: no policy generation of this account and Region has it.")
        if call.operation == "CancelPolicyGeneration":
            if job.status(time.time()) == "IN_PROGRESS":
                job.canceled = time.time()
            return {}
        return _generated(job, bool(call.params.get("includeResourcePlaceholders")))

    def _list(self, call: ServiceCall, account: str) -> dict[str, Any]:
        now, wanted = time.time(), call.params.get("principalArn")
        mine = [job for job in self._jobs.values() if (job.account, job.region) == (account, call.region)]
        found = [job for job in reversed(mine) if wanted in (None, job.principal)]
        skip, size = _page(call.params)
        page = [{**job.summary(now), "principalArn": job.principal} for job in found[skip : skip + size]]
        answer: dict[str, Any] = {"policyGenerations": page}
        if skip + size < len(found):
            answer["nextToken"] = str(skip + size)
        return answer

    # -- starting --------------------------------------------------------------------------------------------------

    async def _start(self, call: ServiceCall, account: str) -> _Job:
        params, now = call.params, time.time()
        asked = json.dumps([params.get("policyGenerationDetails"), params.get("cloudTrailDetails")], default=str)
        token = params.get("clientToken") or ""
        for job in self._jobs.values():
            if token and (job.token, job.account) == (token, account):
                if job.asked != asked:
                    raise AwsError("ConflictException", "This clientToken was used for another request.", 409)
                return job
            if (job.account, job.region) == (account, call.region) and job.status(now) == "IN_PROGRESS":
                text = "A policy generation is in progress already; wait for its end or cancel it."
                raise AwsError("ServiceQuotaExceededException", text, 402)
        principal = await self._principal(params, account)
        details = params.get("cloudTrailDetails")
        if not details:
            raise _invalid("cloudTrailDetails are needed to generate a policy.")
        start, end = _range(details, now)
        trails = [{"regions": [], "allRegions": False, **one} for one in details["trails"]]
        properties = {"trailProperties": trails, "startTime": start, "endTime": end}
        job = _Job(str(uuid.uuid4()), account, call.region, principal, now, token, asked, properties)
        await self._work(job, details, start, end)
        self._jobs[job.id] = job
        while len(self._jobs) > JOBS_KEPT:
            del self._jobs[next(iter(self._jobs))]
        return job

    async def _principal(self, params: Mapping[str, Any], account: str) -> str:
        arn = str((params.get("policyGenerationDetails") or {}).get("principalArn") or "")
        found = _PRINCIPAL.fullmatch(arn)
        if found is None or found[1] != account:
            raise _invalid(f"principalArn {arn} is not a role or user of account {account}.")
        read = self._authorizer.policies.role if found[2] == "role" else self._authorizer.policies.user
        entity = await read(account, found[3])
        if entity is None or entity["Arn"] != arn:
            raise _invalid(f"principalArn {arn} does not exist.")
        return arn

    async def _work(self, job: _Job, details: Mapping[str, Any], start: float, end: float) -> None:
        """Read the trails as the access role may, and note the actions, or why not."""
        if len(details["trails"]) != 1:
            raise _invalid("Exactly one trail is analyzed.")
        wanted = details["trails"][0]
        trail = self._trails.get(str(wanted.get("cloudTrailArn")))
        if trail is None or trail["account"] != job.account:
            job.error = _error("RESOURCE_NOT_FOUND_ERROR", f"The trail {wanted.get('cloudTrailArn')} does not exist.")
        elif not await self._may_read(str(details.get("accessRole")), trail, job.account):
            text = "Incorrect permissions assigned to access CloudTrail S3 bucket. Please fix before trying again."
            job.error = _error("AUTHORIZATION_ERROR", text)
        else:
            for event in self._seen(trail, wanted, start, end):
                if _caller(event) == job.principal:
                    found = actions_of(event["eventSource"], event["eventName"])
                    job.actions |= found
                    job.complete = job.complete and bool(found)

    async def _may_read(self, role_arn: str, trail: Mapping[str, Any], account: str) -> bool:
        """Whether Access Analyzer may assume the role, and the role may read the trail and last accessed information
        ("Permissions required for service role")."""
        found = _ROLE.fullmatch(role_arn)
        if found is None or found[1] != account:
            return False
        about = {"aws:SourceAccount": account}
        if not (await self._authorizer.service_may(SERVICE, "sts:AssumeRole", role_arn, account, about)).allowed:
            return False
        bucket = f"arn:aws:s3:::{trail['bucket']}"
        needed = [
            ("cloudtrail:GetTrail", trail["arn"]),
            ("iam:GenerateServiceLastAccessedDetails", "*"),
            ("iam:GetServiceLastAccessedDetails", "*"),
            ("s3:ListBucket", bucket),
            ("s3:GetObject", f"{bucket}/AWSLogs/{account}/CloudTrail/file.json.gz"),
        ]
        for action, resource in needed:
            if not await self._role_may(role_arn, found[2], account, action, resource):
                return False
        return True

    async def _role_may(self, role_arn: str, name: str, account: str, action: str, resource: str) -> bool:
        authorizer = self._authorizer
        owner = account
        if action.startswith("s3:"):
            owner = await authorizer.bucket_owner(resource.rpartition(":::")[2].partition("/")[0], account) or account
        identity, boundary = await authorizer.policies.of_role(account, name)
        policies = PolicySet(
            identity=identity,
            boundary=boundary,
            resource=await authorizer.policies.resource(action, resource, owner),
            scps=authorizer.organization.levels(account, SCP),
        )
        session = f"arn:aws:sts::{account}:assumed-role/{name}/access-analyzer"
        caller = Principal(session, account, PrincipalType.ROLE, role_arn=role_arn)
        context = {"aws:PrincipalArn": role_arn, "aws:PrincipalAccount": account}
        return evaluate(Request(caller, action, resource, owner, context), policies).allowed

    def _seen(self, trail: Mapping[str, Any], wanted: Mapping[str, Any], start: float, end: float) -> Iterator[Any]:
        """The account's management events that the trail logged."""
        matches = trail_selectors.matcher(trail["basic"], trail["advanced"])
        covered = self._history.regions(trail["account"]) if trail["multi"] else [trail["region"]]
        if not wanted.get("allRegions"):
            covered = [region for region in covered if region in (wanted.get("regions") or [trail["region"]])]
        for region in covered:
            for when, _, _, event in self._history.events(trail["account"], region, start, end):
                if logged_at(trail, when) and matches(event):
                    yield event


def _caller(event: Mapping[str, Any]) -> str:
    """The role or user behind an event."""
    identity = event["userIdentity"]
    return str((identity.get("sessionContext") or {}).get("sessionIssuer", {}).get("arn") or identity.get("arn", ""))


def actions_of(source: str, name: str) -> set[str]:
    """The IAM action of an event, by its source and name; empty where the Service Authorization Reference has none."""
    host = source.removesuffix(".amazonaws.com")
    prefix = _PREFIX_OF_SOURCE.get(host, host)
    if prefix == "lambda":
        name = _LAMBDA_VERSION.sub("", name)
    elif prefix == "s3":
        name = action_name(name)
    action, known = generic.action_of(prefix, name)
    return {action} if known else set()


def _resources(action: str) -> tuple[str, ...]:
    """ARNs with placeholders such as ``arn:aws:s3:::${BucketName}``; ``*`` where the action has no resource type."""
    prefix, _, name = action.partition(":")
    service = reference.service(prefix)
    types = service.actions[name.lower()].types
    chosen = [kind for kind, required in types.items() if required] or list(types)
    arns = [service.resources[kind].replace("${Partition}", "aws") for kind in chosen if kind in service.resources]
    return tuple(sorted(arns)) or ("*",)


def _documents(actions: set[str], placeholders: bool) -> list[dict[str, str]]:
    """The policies as ``[{"policy": JSON}]``, each within the size limit."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for action in sorted(actions):
        groups.setdefault(_resources(action) if placeholders else ("*",), []).append(action)
    statements = []
    for number, (resources, members) in enumerate(sorted(groups.items())):
        about = {"Sid": f"SupportedServiceSid{number}", "Effect": "Allow"}
        resource = resources[0] if len(resources) == 1 else list(resources)
        statements.append({**about, "Action": members, "Resource": resource})
    documents: list[list[dict[str, Any]]] = []
    for statement in statements:
        if not documents or len(_text([*documents[-1], statement])) > MAX_POLICY:
            documents.append([])
        documents[-1].append(statement)
    return [{"policy": _text(one)} for one in documents]


def _text(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def _generated(job: _Job, placeholders: bool) -> dict[str, Any]:
    now = time.time()
    details = job.summary(now)
    if details["status"] == "FAILED":
        details["jobError"] = job.error
    result: dict[str, Any] = {"properties": {"principalArn": job.principal}}
    if details["status"] == "SUCCEEDED":
        result["properties"].update(isComplete=job.complete, cloudTrailProperties=job.properties)
        result["generatedPolicies"] = _documents(job.actions, placeholders)
    return {"jobDetails": details, "generatedPolicyResult": result}


def _range(details: Mapping[str, Any], now: float) -> tuple[float, float]:
    if not details.get("trails") or not details.get("accessRole") or not details.get("startTime"):
        raise _invalid("cloudTrailDetails need trails, accessRole and startTime.")
    start = details["startTime"].timestamp()
    end = details["endTime"].timestamp() if details.get("endTime") else now
    if start > end or start > now:
        raise _invalid("startTime must be before endTime and not in the future.")
    if end - start > RETENTION:
        raise _invalid("The time range must not be longer than 90 days.")
    return start, end


def _page(params: Mapping[str, Any]) -> tuple[int, int]:
    size, token = params.get("maxResults") or 100, str(params.get("nextToken") or "0")
    if not token.isdigit():
        raise _invalid("Invalid nextToken.")
    return int(token), int(size)


def _error(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message, 400)
