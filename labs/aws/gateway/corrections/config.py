"""AWS Config: managed rules that really look at the account, and what must be there before recording starts.

A rule is evaluated when its compliance is asked for, while a recorder records; a rule of another kind (custom, or a
managed one that is not here) has no results.  Left out: the history of configurations, remediation, conformance packs.
Pages: "List of AWS Config managed rules", "Managing the configuration recorder" (AWS Config Developer Guide);
StartConfigurationRecorder, DescribeComplianceByConfigRule (AWS Config API Reference).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, ask, found

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

Result = tuple[str, str, bool]  # resource type, id, compliant
_BUCKET, _VOLUME, _GROUP = "AWS::S3::Bucket", "AWS::EC2::Volume", "AWS::EC2::SecurityGroup"
_DATABASE, _INSTANCE, _ACCOUNT = "AWS::RDS::DBInstance", "AWS::EC2::Instance", "AWS::::Account"


# -- what rules look at ------------------------------------------------------------------------------------------------


async def _buckets(exchange: Exchange, fine: Callable[[str], Awaitable[bool]]) -> list[Result]:
    names = [entry["Name"] for entry in (await ask(exchange, "ListBuckets", "s3")).get("Buckets") or []]
    return [(_BUCKET, name, await fine(name)) for name in names]


async def _versioned(exchange: Exchange, given: Params) -> list[Result]:
    async def fine(name: str) -> bool:
        return (await ask(exchange, "GetBucketVersioning", "s3", Bucket=name)).get("Status") == "Enabled"

    return await _buckets(exchange, fine)


async def _not_public(exchange: Exchange, given: Params) -> list[Result]:
    async def fine(name: str) -> bool:
        answer = await found(exchange, "GetPublicAccessBlock", "s3", Bucket=name)
        settings = (answer or {}).get("PublicAccessBlockConfiguration") or {}
        return len(settings) == 4 and all(settings.values())

    return await _buckets(exchange, fine)


async def _always(exchange: Exchange, given: Params) -> list[Result]:
    """S3 encrypts every new object since January 2023."""

    async def fine(name: str) -> bool:
        return True

    return await _buckets(exchange, fine)


def _described(service: str, operation: str, member: str, kind: str, name: str, fine: Callable[[Params], bool]) -> Any:
    """A rule about one property of what one operation describes."""

    async def rule(exchange: Exchange, given: Params) -> list[Result]:
        records = (await ask(exchange, operation, service)).get(member) or []
        return [(kind, str(record[name]), fine(record)) for record in records]

    return rule


def _open_to_all(group: Params, ports: Iterable[int]) -> bool:
    for rule in group.get("IpPermissions") or []:
        everybody = [r for r in rule.get("IpRanges") or [] if r.get("CidrIp") == "0.0.0.0/0"]
        everybody += [r for r in rule.get("Ipv6Ranges") or [] if r.get("CidrIpv6") == "::/0"]
        low, high = rule.get("FromPort", 0), rule.get("ToPort", 65535)
        every = rule.get("IpProtocol") == "-1"
        if everybody and any(every or low <= port <= high for port in ports):
            return True
    return False


async def _instances(exchange: Exchange) -> list[Params]:
    groups = (await ask(exchange, "DescribeInstances", "ec2")).get("Reservations") or []
    every = [instance for group in groups for instance in group["Instances"]]
    return [instance for instance in every if instance["State"]["Name"] != "terminated"]


async def _tokens(exchange: Exchange, given: Params) -> list[Result]:
    return [
        (_INSTANCE, i["InstanceId"], (i.get("MetadataOptions") or {}).get("HttpTokens") == "required")
        for i in await _instances(exchange)
    ]


async def _tagged(exchange: Exchange, given: Params) -> list[Result]:
    """``required-tags``: up to six keys, each with the values it may have."""
    wanted = {str(given[f"tag{n}Key"]): given.get(f"tag{n}Value") for n in range(1, 7) if given.get(f"tag{n}Key")}

    def fine(tags: Any) -> bool:
        have = {tag["Key"]: tag["Value"] for tag in tags or []}
        allowed = lambda key, values: not values or have[key] in str(values).split(",")  # noqa: E731
        return all(key in have and allowed(key, values) for key, values in wanted.items())

    async def bucket(name: str) -> bool:
        return fine((await found(exchange, "GetBucketTagging", "s3", Bucket=name) or {}).get("TagSet"))

    results = await _buckets(exchange, bucket)
    results += [(_INSTANCE, i["InstanceId"], fine(i.get("Tags"))) for i in await _instances(exchange)]
    volumes = (await ask(exchange, "DescribeVolumes", "ec2")).get("Volumes") or []
    return results + [(_VOLUME, v["VolumeId"], fine(v.get("Tags"))) for v in volumes]


async def _mfa(exchange: Exchange, given: Params) -> list[Result]:
    results: list[Result] = []
    for user in (await ask(exchange, "ListUsers", "iam")).get("Users") or []:
        devices = await ask(exchange, "ListMFADevices", "iam", UserName=user["UserName"])
        results.append(("AWS::IAM::User", user["UserId"], bool(devices.get("MFADevices"))))
    return results


async def _password_policy(exchange: Exchange, given: Params) -> list[Result]:
    answer = await found(exchange, "GetAccountPasswordPolicy", "iam")
    policy = (answer or {}).get("PasswordPolicy") or {}
    needed = ("RequireUppercaseCharacters", "RequireLowercaseCharacters", "RequireSymbols", "RequireNumbers")
    long = int(policy.get("MinimumPasswordLength") or 0) >= int(given.get("MinimumPasswordLength") or 14)
    return [(_ACCOUNT, exchange.account, long and all(policy.get(name) for name in needed))]


async def _trail(exchange: Exchange, given: Params) -> list[Result]:
    trails = exchange.gateway.trails.of(exchange.account)
    return [(_ACCOUNT, exchange.account, any(t["logging"] and t["logging"][-1][1] is None for t in trails))]


async def _flow_logs(exchange: Exchange, given: Params) -> list[Result]:
    logs = (await ask(exchange, "DescribeFlowLogs", "ec2")).get("FlowLogs") or []
    watched = {entry["ResourceId"] for entry in logs}
    vpcs = (await ask(exchange, "DescribeVpcs", "ec2")).get("Vpcs") or []
    return [("AWS::EC2::VPC", vpc["VpcId"], vpc["VpcId"] in watched) for vpc in vpcs]


def _databases(fine: Callable[[Params], bool]) -> Any:
    return _described("rds", "DescribeDBInstances", "DBInstances", _DATABASE, "DBInstanceIdentifier", fine)


_RULES: dict[str, Callable[[Exchange, Params], Awaitable[list[Result]]]] = {
    "S3_BUCKET_VERSIONING_ENABLED": _versioned,
    "S3_BUCKET_LEVEL_PUBLIC_ACCESS_PROHIBITED": _not_public,
    "S3_BUCKET_SERVER_SIDE_ENCRYPTION_ENABLED": _always,
    "ENCRYPTED_VOLUMES": _described("ec2", "DescribeVolumes", "Volumes", _VOLUME, "VolumeId",
                                    lambda v: not v.get("Attachments") or bool(v.get("Encrypted"))),
    "INCOMING_SSH_DISABLED": _described("ec2", "DescribeSecurityGroups", "SecurityGroups", _GROUP, "GroupId",
                                        lambda group: not _open_to_all(group, [22])),
    "RESTRICTED_INCOMING_TRAFFIC": _described("ec2", "DescribeSecurityGroups", "SecurityGroups", _GROUP, "GroupId",
                                              lambda group: not _open_to_all(group, [20, 21, 3306, 3389, 4333])),
    "EC2_IMDSV2_CHECK": _tokens,
    "REQUIRED_TAGS": _tagged,
    "IAM_USER_MFA_ENABLED": _mfa,
    "IAM_PASSWORD_POLICY": _password_policy,
    "CLOUD_TRAIL_ENABLED": _trail,
    "VPC_FLOW_LOGS_ENABLED": _flow_logs,
    "RDS_STORAGE_ENCRYPTED": _databases(lambda d: bool(d.get("StorageEncrypted"))),
    "RDS_INSTANCE_PUBLIC_ACCESS_CHECK": _databases(lambda d: not d.get("PubliclyAccessible")),
    "RDS_MULTI_AZ_SUPPORT": _databases(lambda d: bool(d.get("MultiAZ"))),
    "RDS_INSTANCE_DELETION_PROTECTION_ENABLED": _databases(lambda d: bool(d.get("DeletionProtection"))),
    "DB_INSTANCE_BACKUP_ENABLED": _databases(lambda d: int(d.get("BackupRetentionPeriod") or 0) > 0),
}  # fmt: skip


# -- rules and their compliance ----------------------------------------------------------------------------------------


async def _rules(exchange: Exchange, names: Any) -> list[Params]:
    """:raises AwsError: NoSuchConfigRuleException"""
    known = (await ask(exchange, "DescribeConfigRules")).get("ConfigRules") or []
    missing = sorted(set(names or []) - {rule["ConfigRuleName"] for rule in known})
    if missing:
        text = f"The ConfigRule '{missing[0]}' provided in the request is invalid. Please check the configRule name"
        raise AwsError("NoSuchConfigRuleException", text, 400)
    return [rule for rule in known if not names or rule["ConfigRuleName"] in names]


async def _results(exchange: Exchange, rule: Params) -> list[Result]:
    recorders = (await ask(exchange, "DescribeConfigurationRecorderStatus")).get("ConfigurationRecordersStatus") or []
    evaluate = _RULES.get(str((rule.get("Source") or {}).get("SourceIdentifier")))
    if evaluate is None or not any(recorder.get("recording") for recorder in recorders):
        return []
    scope = rule.get("Scope") or {}
    kinds, identifier = scope.get("ComplianceResourceTypes"), scope.get("ComplianceResourceId")
    results = await evaluate(exchange, json.loads(rule.get("InputParameters") or "{}"))
    return [r for r in results if (not kinds or r[0] in kinds) and identifier in (None, r[1])]


def _verdict(results: list[Result]) -> str:
    if not results:
        return "INSUFFICIENT_DATA"
    return "COMPLIANT" if all(fine for _, _, fine in results) else "NON_COMPLIANT"


async def _by_rule(exchange: Exchange, params: Params) -> Params:
    wanted, entries = params.get("ComplianceTypes"), []
    for rule in await _rules(exchange, params.get("ConfigRuleNames")):
        results = await _results(exchange, rule)
        compliance: Params = {"ComplianceType": _verdict(results)}
        bad = sum(not fine for _, _, fine in results)
        if bad:
            compliance["ComplianceContributorCount"] = {"CappedCount": min(bad, 25), "CapExceeded": bad > 25}
        if not wanted or compliance["ComplianceType"] in wanted:
            entries.append({"ConfigRuleName": rule["ConfigRuleName"], "Compliance": compliance})
    return {"ComplianceByConfigRules": entries}


async def _details(exchange: Exchange, params: Params) -> Params:
    (rule,) = await _rules(exchange, [params.get("ConfigRuleName")])
    wanted, entries = params.get("ComplianceTypes"), []
    for kind, identifier, fine in await _results(exchange, rule):
        verdict = "COMPLIANT" if fine else "NON_COMPLIANT"
        if wanted and verdict not in wanted:
            continue
        about = {"ConfigRuleName": rule["ConfigRuleName"], "ResourceType": kind, "ResourceId": identifier}
        when = {"EvaluationResultQualifier": about, "OrderingTimestamp": exchange.now}
        entries.append({"EvaluationResultIdentifier": when, "ComplianceType": verdict,
                        "ResultRecordedTime": exchange.now, "ConfigRuleInvokedTime": exchange.now})  # fmt: skip
    return {"EvaluationResults": entries}


async def _summary(exchange: Exchange, params: Params) -> Params:
    verdicts = [_verdict(await _results(exchange, rule)) for rule in await _rules(exchange, None)]
    count = lambda verdict: {"CappedCount": verdicts.count(verdict), "CapExceeded": False}  # noqa: E731
    return {"ComplianceSummary": {"CompliantResourceCount": count("COMPLIANT"),
                                  "NonCompliantResourceCount": count("NON_COMPLIANT"),
                                  "ComplianceSummaryTimestamp": exchange.now}}  # fmt: skip


async def _evaluate(exchange: Exchange, params: Params) -> Params:
    await _rules(exchange, params.get("ConfigRuleNames"))
    return {}


async def _start(exchange: Exchange, params: Params) -> None:
    name = params.get("ConfigurationRecorderName")
    recorders = (await ask(exchange, "DescribeConfigurationRecorders")).get("ConfigurationRecorders") or []
    if name not in [recorder["name"] for recorder in recorders]:
        text = f"Cannot find configuration recorder with the specified name '{name}'."
        raise AwsError("NoSuchConfigurationRecorderException", text, 400)
    if not (await ask(exchange, "DescribeDeliveryChannels")).get("DeliveryChannels"):
        text = "Delivery channel is not available to start configuration recorder."
        raise AwsError("NoAvailableDeliveryChannelException", text, 400)


async def _channel(exchange: Exchange, params: Params) -> None:
    """A recorder comes first, and the bucket exists."""
    if not (await ask(exchange, "DescribeConfigurationRecorders")).get("ConfigurationRecorders"):
        text = "Configuration recorder is not available to put delivery channel."
        raise AwsError("NoAvailableConfigurationRecorderException", text, 400)
    bucket = str((params.get("DeliveryChannel") or {}).get("s3BucketName"))
    if await exchange.gateway.authorizer.bucket_owner(bucket, exchange.account) is None:
        raise AwsError("NoSuchBucketException", f"Cannot find a S3 bucket with an empty bucket name: {bucket}", 400)


CORRECTIONS = Corrections(
    before={"StartConfigurationRecorder": _start, "PutDeliveryChannel": _channel},
    instead={
        "DescribeComplianceByConfigRule": _by_rule,
        "GetComplianceDetailsByConfigRule": _details,
        "GetComplianceSummaryByConfigRule": _summary,
        "StartConfigRulesEvaluation": _evaluate,
    },
)
