"""IAM Access Analyzer: analyzers, findings about the live policies, archive rules, policy checks.

Pages: the operations (IAM Access Analyzer API Reference); "Using IAM Access Analyzer", "IAM Access Analyzer filter
keys", "Archive rules" (IAM User Guide).  A read analyses anew, so a finding appears and resolves with the policy; AWS
takes up to 30 minutes.  ``access_analyzer_external`` and ``…_unused`` hold what is found, ``…_validation`` and
``…_checks`` the policy checks.

Every account of this endpoint is a member of the organisation: with it as the zone of trust only public and federated
access, and access for somebody else's organisation, is external.

Left out: internal access analyzers, access previews, finding recommendations, policy generation (another provider),
delegated administrators, and the tags and accounts of an unused access analyzer's exclusions.
"""

from __future__ import annotations

import datetime
import json
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from labs.aws.engines.client import EngineClient
from labs.aws.gateway.accesses import Accesses
from labs.aws.gateway.calls import AwsError, ServiceCall
from labs.aws.gateway.policies import Policies
from labs.aws.providers import access_analyzer_checks, access_analyzer_validation
from labs.aws.providers.access_analyzer_external import Zone, external_access
from labs.aws.providers.access_analyzer_resources import TYPES, Organization, Reader
from labs.aws.providers.access_analyzer_space import TooComplex
from labs.aws.providers.access_analyzer_unused import unused_access
from labs.aws.providers.organizations import MANAGEMENT_ACCOUNT

EXTERNAL = ("ACCOUNT", "ORGANIZATION")
UNUSED = ("ACCOUNT_UNUSED_ACCESS", "ORGANIZATION_UNUSED_ACCESS")
RESOLVED_KEPT = 90 * 86_400  # seconds; "Resolved findings are deleted 90 days after the last update"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,254}")


class AccessAnalyzer:
    """Analyzers and what they found, written to a JSON file.

    :param fresh: the engine starts empty, so forget what an earlier run wrote
    :param accounts: the accounts that have been used so far; an analyzer of the organisation looks into each
    """

    def __init__(
        self,
        path: Path,
        fresh: bool,
        client: EngineClient,
        policies: Policies,
        organization: Organization,
        accesses: Accesses,
        accounts: Callable[[], list[str]],
    ) -> None:
        self._path, self._client, self._policies = path, client, policies
        self._organization, self._accesses, self._accounts = organization, accesses, accounts
        self._state: dict[str, dict[str, Any]] = {}
        if not fresh and path.exists():
            self._state = json.loads(path.read_text())

    def clear(self) -> None:
        """The engine was reset."""
        self._state = {}
        self._path.unlink(missing_ok=True)

    async def handle(self, call: ServiceCall, account: str, now: datetime.datetime) -> dict[str, Any]:
        """Answer one call of ``account``.

        :raises AwsError: AWS's refusals; ``NotImplemented`` for operations that are not here
        """
        operation = _OPERATIONS.get(call.operation)
        if operation is None:
            raise AwsError("NotImplemented", f"access-analyzer:{call.operation} is not offered by this endpoint.", 501)
        answer = await operation(self, _Asked(call, account, now.timestamp()))
        if not call.operation.startswith(("Validate", "Check")):
            self._save()
        return answer

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._state))
        temporary.replace(self._path)

    # -- analyzers -------------------------------------------------------------------------------------------------

    async def create_analyzer(self, asked: _Asked) -> dict[str, Any]:
        """``CreateAnalyzer``."""
        name, kind = asked.params["analyzerName"], asked.params["type"]
        if not _NAME.fullmatch(name):
            raise _invalid("analyzerName", "Must begin with a letter and contain letters, digits, '.', '_', '-'.")
        if kind not in (*EXTERNAL, *UNUSED):
            raise _invalid("type", f"This endpoint has the types {', '.join((*EXTERNAL, *UNUSED))}.")
        if kind.startswith("ORGANIZATION") and asked.account != MANAGEMENT_ACCOUNT:
            raise AwsError(
                "AccessDeniedException",
                "Only the management account or a delegated administrator may "
                "create an analyzer with the organization as its zone of trust.",
                403,
            )
        arn = f"arn:aws:access-analyzer:{asked.region}:{asked.account}:analyzer/{name}"
        if arn in self._state:
            raise AwsError("ConflictException", "An analyzer with this name already exists.", 409)
        mine = [
            one for one in self._mine(asked) if (one["type"] in EXTERNAL) == (kind in EXTERNAL) and one["type"] == kind
        ]
        if mine:
            raise AwsError("ServiceQuotaExceededException", f"The account already has an analyzer of type {kind}.", 402)
        configuration = self._configuration(kind, asked.params.get("configuration"))
        rules = {rule["ruleName"]: _rule(rule, asked.now) for rule in asked.params.get("archiveRules") or []}
        self._state[arn] = {
            "arn": arn,
            "name": name,
            "type": kind,
            "account": asked.account,
            "region": asked.region,
            "createdAt": asked.now,
            "tags": asked.params.get("tags") or {},
            "configuration": configuration,
            "rules": rules,
            "findings": {},
            "resources": {},
        }
        return {"arn": arn}

    def _configuration(self, kind: str, given: Any) -> dict[str, Any]:
        given = given or {}
        if kind not in UNUSED:
            if given.get("unusedAccess"):
                raise _invalid("configuration", "unusedAccess belongs to an unused access analyzer.")
            return {}
        unused = dict(given.get("unusedAccess") or {})
        age = unused.setdefault("unusedAccessAge", 90)
        if not isinstance(age, int) or not 1 <= age <= 365:
            raise _invalid("configuration.unusedAccess.unusedAccessAge", "Must be between 1 and 365.")
        return {"unusedAccess": unused}

    def _mine(self, asked: _Asked) -> list[dict[str, Any]]:
        return [one for one in self._state.values() if (one["account"], one["region"]) == (asked.account, asked.region)]

    def _named(self, asked: _Asked) -> dict[str, Any]:
        name = asked.params["analyzerName"]
        return self._at(f"arn:aws:access-analyzer:{asked.region}:{asked.account}:analyzer/{name}", asked)

    def _at(self, arn: str, asked: _Asked) -> dict[str, Any]:
        found = self._state.get(arn)
        if found is None or found["account"] != asked.account:
            raise _missing(arn, "Analyzer")
        return found

    async def get_analyzer(self, asked: _Asked) -> dict[str, Any]:
        """``GetAnalyzer``."""
        return {"analyzer": _analyzer(self._named(asked))}

    async def list_analyzers(self, asked: _Asked) -> dict[str, Any]:
        """``ListAnalyzers``."""
        kind = asked.params.get("type")
        found = [_analyzer(one) for one in self._mine(asked) if kind in (None, one["type"])]
        return asked.page("analyzers", found)

    async def update_analyzer(self, asked: _Asked) -> dict[str, Any]:
        """``UpdateAnalyzer``."""
        analyzer = self._named(asked)
        analyzer["configuration"] = self._configuration(analyzer["type"], asked.params.get("configuration"))
        return {"configuration": analyzer["configuration"]}

    async def delete_analyzer(self, asked: _Asked) -> dict[str, Any]:
        """``DeleteAnalyzer``: its findings go with it."""
        del self._state[self._named(asked)["arn"]]
        return {}

    async def tag(self, asked: _Asked) -> dict[str, Any]:
        """``TagResource``, ``UntagResource``, ``ListTagsForResource``."""
        tags = self._at(asked.params["resourceArn"], asked)["tags"]
        tags.update(asked.params.get("tags") or {})
        for key in asked.params.get("tagKeys") or []:
            tags.pop(key, None)
        return {"tags": dict(tags)} if asked.call.operation == "ListTagsForResource" else {}

    # -- archive rules ---------------------------------------------------------------------------------------------

    async def create_rule(self, asked: _Asked) -> dict[str, Any]:
        """``CreateArchiveRule``: archives new findings only."""
        rules = self._named(asked)["rules"]
        if asked.params["ruleName"] in rules:
            raise AwsError("ConflictException", "An archive rule with this name already exists.", 409)
        rules[asked.params["ruleName"]] = _rule(asked.params, asked.now)
        return {}

    def _rule_of(self, analyzer: dict[str, Any], name: str) -> dict[str, Any]:
        if name not in analyzer["rules"]:
            raise _missing(name, "ArchiveRule")
        return analyzer["rules"][name]

    async def get_rule(self, asked: _Asked) -> dict[str, Any]:
        """``GetArchiveRule``."""
        return {"archiveRule": _rule_shown(self._rule_of(self._named(asked), asked.params["ruleName"]))}

    async def list_rules(self, asked: _Asked) -> dict[str, Any]:
        """``ListArchiveRules``."""
        return asked.page("archiveRules", [_rule_shown(rule) for rule in self._named(asked)["rules"].values()])

    async def update_rule(self, asked: _Asked) -> dict[str, Any]:
        """``UpdateArchiveRule``."""
        rule = self._rule_of(self._named(asked), asked.params["ruleName"])
        rule.update(filter=_filter(asked.params["filter"]), updatedAt=asked.now)
        return {}

    async def delete_rule(self, asked: _Asked) -> dict[str, Any]:
        """``DeleteArchiveRule``."""
        analyzer = self._named(asked)
        self._rule_of(analyzer, asked.params["ruleName"])
        del analyzer["rules"][asked.params["ruleName"]]
        return {}

    async def apply_rule(self, asked: _Asked) -> dict[str, Any]:
        """``ApplyArchiveRule``: retroactively, to the findings that are active."""
        analyzer = await self._scanned(self._at(asked.params["analyzerArn"], asked), asked.now)
        rule = self._rule_of(analyzer, asked.params["ruleName"])
        for finding in analyzer["findings"].values():
            if finding["status"] == "ACTIVE" and _matches(finding, rule["filter"]):
                finding.update(status="ARCHIVED", updatedAt=asked.now)
        return {}

    # -- analysis --------------------------------------------------------------------------------------------------

    async def _scanned(self, analyzer: dict[str, Any], now: float) -> dict[str, Any]:
        """The analyzer after a look at the live account: new findings, and resolved ones."""
        everywhere = analyzer["type"].startswith("ORGANIZATION")
        accounts = sorted(self._accounts()) if everywhere else [analyzer["account"]]
        fresh: dict[str, dict[str, Any]] = {}
        for account in accounts:
            reader = Reader(self._client, self._policies, self._organization, account, analyzer["region"])
            if analyzer["type"] in UNUSED:
                fresh.update(await self._unused(analyzer, reader, now))
            else:
                fresh.update(await self._external(analyzer, reader, now))
        self._reconcile(analyzer, fresh, now)
        return analyzer

    def _zone(self, analyzer: dict[str, Any]) -> Zone:
        membership = self._organization.membership
        if analyzer["type"] == "ACCOUNT":
            return Zone(lambda account: account == analyzer["account"], membership)
        own = membership(analyzer["account"])
        return Zone(lambda account: membership(account) is not None, membership, own[0] if own else "")

    async def _external(self, analyzer: dict[str, Any], reader: Reader, now: float) -> dict[str, dict[str, Any]]:
        zone = self._zone(analyzer)
        found: dict[str, dict[str, Any]] = {}
        async for kind, arn in reader.arns():
            resource = await reader.resource(kind, arn)
            analyzer["resources"].setdefault(arn, {"resourceType": kind, "createdAt": now, "account": reader.account})
            analyzer["resources"][arn]["analyzedAt"] = now
            analyzer.update(lastResourceAnalyzed=arn, lastResourceAnalyzedAt=now)
            common = {"resource": arn, "resourceType": kind, "resourceOwnerAccount": reader.account}
            try:
                accesses = external_access(resource, zone)
            except TooComplex:
                identifier = _identifier(analyzer, arn, "error")
                found[identifier] = {
                    **common,
                    "findingType": "ExternalAccess",
                    "error": "INTERNAL_ERROR",
                    "condition": {},
                }
                continue
            for access in accesses:
                found[_identifier(analyzer, arn, *access.key())] = {
                    **common,
                    "findingType": "ExternalAccess",
                    "principal": access.principal,
                    "action": access.actions,
                    "condition": access.condition,
                    "isPublic": access.is_public,
                    "sources": [{"type": source} for source in access.sources],
                    "resourceControlPolicyRestriction": access.restriction,
                }
        gone = [
            arn
            for arn, known in analyzer["resources"].items()
            if known["account"] == reader.account and known["analyzedAt"] != now
        ]
        for arn in gone:
            del analyzer["resources"][arn]
        return found

    async def _unused(self, analyzer: dict[str, Any], reader: Reader, now: float) -> dict[str, dict[str, Any]]:
        age = analyzer["configuration"]["unusedAccess"]["unusedAccessAge"]
        return {
            _identifier(analyzer, one.resource, one.type, one.about): {
                "findingType": one.type,
                "resource": one.resource,
                "resourceType": one.resource_type,
                "resourceOwnerAccount": reader.account,
                "details": one.details,
            }
            for one in await unused_access(reader, self._accesses, age, now)
        }

    def _reconcile(self, analyzer: dict[str, Any], fresh: dict[str, dict[str, Any]], now: float) -> None:
        known: dict[str, dict[str, Any]] = analyzer["findings"]
        for identifier, finding in fresh.items():
            before = known.get(identifier)
            content = {**finding, "analyzedAt": now}
            if before is None:
                archived = any(
                    _matches({**content, "status": "ACTIVE"}, rule["filter"]) for rule in analyzer["rules"].values()
                )
                status = "ARCHIVED" if archived else "ACTIVE"
                known[identifier] = {**content, "id": identifier, "status": status, "createdAt": now, "updatedAt": now}
            elif before["status"] == "RESOLVED":
                before.update(content, status="ACTIVE", updatedAt=now)
            else:
                changed = any(before.get(key) != value for key, value in finding.items() if key != "details")
                before.update(content, updatedAt=now if changed else before["updatedAt"])
        for identifier, finding in list(known.items()):
            if identifier in fresh:
                continue
            if finding["status"] != "RESOLVED":
                finding.update(status="RESOLVED", updatedAt=now, analyzedAt=now)
            elif now - finding["updatedAt"] > RESOLVED_KEPT:
                del known[identifier]

    async def scan_resource(self, asked: _Asked) -> dict[str, Any]:
        """``StartResourceScan``: immediately."""
        analyzer = await self._scanned(self._at(asked.params["analyzerArn"], asked), asked.now)
        if asked.params["resourceArn"] not in analyzer["resources"]:
            raise _missing(asked.params["resourceArn"], "Resource")
        return {}

    async def get_resource(self, asked: _Asked) -> dict[str, Any]:
        """``GetAnalyzedResource``."""
        analyzer = await self._scanned(self._at(asked.params["analyzerArn"], asked), asked.now)
        arn = asked.params["resourceArn"]
        known = analyzer["resources"].get(arn)
        if known is None:
            raise _missing(arn, "Resource")
        active = [
            one for one in analyzer["findings"].values() if one["resource"] == arn and one["status"] != "RESOLVED"
        ]
        shown = {
            "resourceArn": arn,
            "resourceType": known["resourceType"],
            "resourceOwnerAccount": known["account"],
            "createdAt": _time(known["createdAt"]),
            "analyzedAt": _time(known["analyzedAt"]),
            "updatedAt": _time(max([one["updatedAt"] for one in active], default=known["createdAt"])),
            "isPublic": any(one.get("isPublic") for one in active),
        }
        if active:
            shown["actions"] = sorted({action for one in active for action in one.get("action", ())})
            shown["sharedVia"] = sorted({source["type"] for one in active for source in one.get("sources", ())})
            shown["status"] = "ACTIVE" if any(one["status"] == "ACTIVE" for one in active) else "ARCHIVED"
        return {"resource": shown}

    async def list_resources(self, asked: _Asked) -> dict[str, Any]:
        """``ListAnalyzedResources``."""
        analyzer = await self._scanned(self._at(asked.params["analyzerArn"], asked), asked.now)
        kind = asked.params.get("resourceType")
        found = [
            {"resourceArn": arn, "resourceType": known["resourceType"], "resourceOwnerAccount": known["account"]}
            for arn, known in analyzer["resources"].items()
            if kind in (None, known["resourceType"])
        ]
        return asked.page("analyzedResources", found)

    # -- findings --------------------------------------------------------------------------------------------------

    async def list_findings(self, asked: _Asked) -> dict[str, Any]:
        """``ListFindings`` and ``ListFindingsV2``."""
        first = asked.call.operation == "ListFindings"
        analyzer = self._at(asked.params["analyzerArn"], asked)
        if first and analyzer["type"] not in EXTERNAL:
            raise _invalid(
                "analyzerArn",
                "ListFindings is supported only for external access analyzers. "
                "Use ListFindingsV2 for unused access analyzers.",
            )
        wanted = _filter(asked.params.get("filter") or {})
        await self._scanned(analyzer, asked.now)
        found = [finding for finding in analyzer["findings"].values() if _matches(finding, wanted)]
        sort = asked.params.get("sort") or {}
        found.sort(
            key=lambda one: (str(_attribute(one, sort.get("attributeName") or "updatedAt")), one["id"]),
            reverse=(sort.get("orderBy") or ("ASC" if sort.get("attributeName") else "DESC")) == "DESC",
        )
        show = _summary if first else _summary_v2
        return asked.page("findings", [show(finding) for finding in found])

    async def get_finding(self, asked: _Asked) -> dict[str, Any]:
        """``GetFinding`` and ``GetFindingV2``."""
        analyzer = self._at(asked.params["analyzerArn"], asked)
        await self._scanned(analyzer, asked.now)
        finding = analyzer["findings"].get(asked.params["id"])
        if finding is None:
            raise _missing(asked.params["id"], "Finding")
        if asked.call.operation == "GetFinding":
            if analyzer["type"] not in EXTERNAL:
                raise _invalid("analyzerArn", "GetFinding is supported only for external access analyzers.")
            return {"finding": _summary(finding)}
        details = [_details(one) for one in finding.get("details", ())] or [
            {"externalAccessDetails": _external(finding)}
        ]
        return {**_summary_v2(finding), **asked.page("findingDetails", details)}

    async def update_findings(self, asked: _Asked) -> dict[str, Any]:
        """``UpdateFindings``: archive or make active again, by ids or for one resource."""
        analyzer = await self._scanned(self._at(asked.params["analyzerArn"], asked), asked.now)
        ids, arn = asked.params.get("ids"), asked.params.get("resourceArn")
        if bool(ids) == bool(arn):
            raise _invalid("ids", "Specify either ids or resourceArn.")
        if asked.params["status"] not in ("ACTIVE", "ARCHIVED"):
            raise _invalid("status", "Specify ACTIVE or ARCHIVED.")
        for identifier in ids or []:
            if identifier not in analyzer["findings"]:
                raise _missing(identifier, "Finding")
        for finding in analyzer["findings"].values():
            chosen = finding["id"] in ids if ids else finding["resource"] == arn
            if chosen and finding["status"] not in ("RESOLVED", asked.params["status"]):
                finding.update(status=asked.params["status"], updatedAt=asked.now)
        return {}

    async def statistics(self, asked: _Asked) -> dict[str, Any]:
        """``GetFindingsStatistics``."""
        analyzer = await self._scanned(self._at(asked.params["analyzerArn"], asked), asked.now)
        findings = list(analyzer["findings"].values())
        counts = {
            f"total{name.title()}Findings": sum(one["status"] == name for one in findings)
            for name in ("ACTIVE", "ARCHIVED", "RESOLVED")
        }
        active = [one for one in findings if one["status"] == "ACTIVE"]
        if analyzer["type"] in UNUSED:
            kinds = sorted({one["findingType"] for one in active})
            totals = [
                {"unusedAccessType": kind, "total": sum(one["findingType"] == kind for one in active)} for kind in kinds
            ]
            return {
                "findingsStatistics": [
                    {"unusedAccessFindingsStatistics": {**counts, "unusedAccessTypeStatistics": totals}}
                ],
                "lastUpdatedAt": _time(asked.now),
            }
        by_type = {
            kind: {
                "totalActivePublic": sum(bool(one.get("isPublic")) for one in active if one["resourceType"] == kind),
                "totalActiveCrossAccount": sum(
                    not one.get("isPublic") for one in active if one["resourceType"] == kind
                ),
                "totalActiveErrors": sum("error" in one for one in active if one["resourceType"] == kind),
            }
            for kind in TYPES
            if any(one["resourceType"] == kind for one in active)
        }
        return {
            "findingsStatistics": [{"externalAccessFindingsStatistics": {**counts, "resourceTypeStatistics": by_type}}],
            "lastUpdatedAt": _time(asked.now),
        }

    # -- policy checks ---------------------------------------------------------------------------------------------

    async def validate(self, asked: _Asked) -> dict[str, Any]:
        """``ValidatePolicy``."""
        found = access_analyzer_validation.findings(
            asked.params["policyDocument"], asked.params["policyType"], asked.params.get("validatePolicyResourceType")
        )
        return asked.page("findings", found)

    async def check(self, asked: _Asked) -> dict[str, Any]:
        """``CheckNoNewAccess``, ``CheckAccessNotGranted``, ``CheckNoPublicAccess``."""
        return access_analyzer_checks.check(asked.call.operation, asked.params)


class _Asked:
    """One call: parameters, account, Region, time, and how its listing is cut into pages."""

    def __init__(self, call: ServiceCall, account: str, now: float) -> None:
        self.call, self.params, self.account, self.region, self.now = call, call.params, account, call.region, now

    def page(self, name: str, found: list[Any]) -> dict[str, Any]:
        """``maxResults`` entries from ``nextToken`` on."""
        token, limit = self.params.get("nextToken"), self.params.get("maxResults") or 100
        if token is not None and not re.fullmatch(r"[0-9]{1,9}", str(token)):
            raise _invalid("nextToken", "The token is not valid.")
        start = int(token or 0)
        answer: dict[str, Any] = {name: found[start : start + limit]}
        if start + limit < len(found):
            answer["nextToken"] = str(start + limit)
        return answer


# -- filters -----------------------------------------------------------------------------------------------------------


def _rule(given: Mapping[str, Any], now: float) -> dict[str, Any]:
    return {"ruleName": given["ruleName"], "filter": _filter(given["filter"]), "createdAt": now, "updatedAt": now}


def _rule_shown(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {**rule, "createdAt": _time(rule["createdAt"]), "updatedAt": _time(rule["updatedAt"])}


def _filter(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    for name, criterion in given.items():
        if not (name in _ATTRIBUTES or name.startswith(("condition.", "principal."))):
            raise _invalid("filter", f"{name} is not a supported filter key.")
        if not criterion:
            raise _invalid("filter", f"{name} has no criterion.")
    return {name: dict(criterion) for name, criterion in given.items()}


_ATTRIBUTES = (
    "resource",
    "resourceType",
    "resourceOwnerAccount",
    "isPublic",
    "findingType",
    "status",
    "error",
    "id",
    "principal",
    "action",
    "condition",
    "createdAt",
    "updatedAt",
    "analyzedAt",
    "resourceControlPolicyRestriction",
)


def _attribute(finding: Mapping[str, Any], name: str) -> Any:
    head, dot, tail = name.partition(".")
    value = finding.get(head)
    if not dot:
        return value
    return next((item for key, item in (value or {}).items() if key.lower() == tail.lower()), None)


def _matches(finding: Mapping[str, Any], wanted: Mapping[str, Mapping[str, Any]]) -> bool:
    return all(_fits(_attribute(finding, name), criterion) for name, criterion in wanted.items())


def _fits(value: Any, criterion: Mapping[str, Any]) -> bool:
    texts = [_text(item) for item in value] if isinstance(value, list) else [] if value is None else [_text(value)]
    if "exists" in criterion and criterion["exists"] is not None and bool(texts) is not criterion["exists"]:
        return False
    if criterion.get("eq") and not any(text in criterion["eq"] for text in texts):
        return False
    if criterion.get("neq") and any(text in criterion["neq"] for text in texts):
        return False
    return not criterion.get("contains") or any(part in text for part in criterion["contains"] for text in texts)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# -- shapes ------------------------------------------------------------------------------------------------------------


def _identifier(analyzer: Mapping[str, Any], *parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "\n".join([analyzer["arn"], str(analyzer["createdAt"]), *parts])))


def _time(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _analyzer(record: Mapping[str, Any]) -> dict[str, Any]:
    shown = {
        "arn": record["arn"],
        "name": record["name"],
        "type": record["type"],
        "status": "ACTIVE",
        "createdAt": _time(record["createdAt"]),
        "tags": record["tags"],
    }
    if record["configuration"]:
        shown["configuration"] = record["configuration"]
    if "lastResourceAnalyzed" in record:
        shown["lastResourceAnalyzed"] = record["lastResourceAnalyzed"]
        shown["lastResourceAnalyzedAt"] = _time(record["lastResourceAnalyzedAt"])
    return shown


def _external(finding: Mapping[str, Any]) -> dict[str, Any]:
    names = ("principal", "action", "condition", "isPublic", "sources", "resourceControlPolicyRestriction")
    return {name: finding[name] for name in names if name in finding}


def _common(finding: Mapping[str, Any]) -> dict[str, Any]:
    names = ("id", "resource", "resourceType", "resourceOwnerAccount", "status", "error")
    times = {name: _time(finding[name]) for name in ("createdAt", "analyzedAt", "updatedAt")}
    return {**{name: finding[name] for name in names if name in finding}, **times}


def _summary(finding: Mapping[str, Any]) -> dict[str, Any]:
    return {**_common(finding), **_external(finding)}


def _summary_v2(finding: Mapping[str, Any]) -> dict[str, Any]:
    return {**_common(finding), "findingType": finding["findingType"]}


def _details(detail: Mapping[str, Any]) -> dict[str, Any]:
    """An unused access detail with times in place of seconds."""

    def timed(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: _time(item) if key == "lastAccessed" else timed(item) for key, item in value.items()}
        return [timed(item) for item in value] if isinstance(value, list) else value

    return timed(detail)


def _invalid(name: str, message: str) -> AwsError:
    return AwsError("ValidationException", f"{name}: {message}", 400)


def _missing(identifier: str, kind: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"{kind} {identifier} does not exist.", 404)


_Operation = Callable[[AccessAnalyzer, _Asked], Awaitable[dict[str, Any]]]
_OPERATIONS: dict[str, _Operation] = {
    "CreateAnalyzer": AccessAnalyzer.create_analyzer,
    "GetAnalyzer": AccessAnalyzer.get_analyzer,
    "ListAnalyzers": AccessAnalyzer.list_analyzers,
    "UpdateAnalyzer": AccessAnalyzer.update_analyzer,
    "DeleteAnalyzer": AccessAnalyzer.delete_analyzer,
    "TagResource": AccessAnalyzer.tag,
    "UntagResource": AccessAnalyzer.tag,
    "ListTagsForResource": AccessAnalyzer.tag,
    "CreateArchiveRule": AccessAnalyzer.create_rule,
    "GetArchiveRule": AccessAnalyzer.get_rule,
    "ListArchiveRules": AccessAnalyzer.list_rules,
    "UpdateArchiveRule": AccessAnalyzer.update_rule,
    "DeleteArchiveRule": AccessAnalyzer.delete_rule,
    "ApplyArchiveRule": AccessAnalyzer.apply_rule,
    "StartResourceScan": AccessAnalyzer.scan_resource,
    "GetAnalyzedResource": AccessAnalyzer.get_resource,
    "ListAnalyzedResources": AccessAnalyzer.list_resources,
    "ListFindings": AccessAnalyzer.list_findings,
    "ListFindingsV2": AccessAnalyzer.list_findings,
    "GetFinding": AccessAnalyzer.get_finding,
    "GetFindingV2": AccessAnalyzer.get_finding,
    "UpdateFindings": AccessAnalyzer.update_findings,
    "GetFindingsStatistics": AccessAnalyzer.statistics,
    "ValidatePolicy": AccessAnalyzer.validate,
    "CheckNoNewAccess": AccessAnalyzer.check,
    "CheckAccessNotGranted": AccessAnalyzer.check,
    "CheckNoPublicAccess": AccessAnalyzer.check,
}
