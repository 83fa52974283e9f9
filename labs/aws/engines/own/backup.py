"""AWS Backup: vaults, plans, selections, backups that can be restored, copies, vault locks, legal holds.

A backup on demand really copies its resource (see ``backup_resources``), and a restore makes a new one from the copy.
Jobs run for a second.  Left out: backups by a plan's schedule, continuous backups, cold storage, logically air-gapped
vaults, restore tests and audits that run (frameworks and report plans are kept, nothing is reported).

Pages: "AWS Backup API Reference" (each operation); "AWS Backup Vault Lock", "Backup plan options and configuration",
"Restore metadata" (AWS Backup Developer Guide).
"""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Mapping
from typing import Any

from labs.aws.engines.own import Neighbours
from labs.aws.engines.own.backup_resources import RESOURCES, Copy, kind_of
from labs.aws.engines.own.operations import Operations, Params, page
from labs.aws.gateway.calls import AwsError

RUNNING_SECONDS = 1.0
_VAULT = re.compile(r"[a-zA-Z0-9\-_]{2,50}")
_COLD_DAYS = 90  # that a recovery point stays in cold storage at least
_SETTINGS = dict.fromkeys(("Aurora", "DynamoDB", "EBS", "EC2", "EFS", "RDS", "S3"), True)


def _invalid(text: str) -> AwsError:
    return AwsError("InvalidParameterValueException", text, 400)


def _bad_request(text: str) -> AwsError:
    return AwsError("InvalidRequestException", text, 400)


def _missing(text: str) -> AwsError:
    return AwsError("ResourceNotFoundException", text, 400)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Space:
    """What one account has in one region."""

    def __init__(self) -> None:
        self.vaults: dict[str, Params] = {}
        self.points: dict[str, Params] = {}  # ARN → recovery point; Copy holds what was copied
        self.plans: dict[str, list[Params]] = {}  # id → versions, newest last
        self.selections: dict[str, Params] = {}
        self.jobs: dict[str, Params] = {}
        self.copies: dict[str, Params] = {}
        self.restores: dict[str, Params] = {}
        self.holds: dict[str, Params] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.settings = dict(_SETTINGS)
        self.named: dict[str, dict[str, Params]] = {"framework": {}, "report": {}}


class Backup(Operations):
    """The service, by account and region."""

    def __init__(self) -> None:
        self._spaces: dict[tuple[str, str], Space] = {}

    def reset(self) -> None:
        """Forget everything."""
        self._spaces.clear()

    def _space(self, neighbours: Neighbours) -> Space:
        return self._spaces.setdefault((neighbours.account, neighbours.region), Space())

    async def settle(self, neighbours: Neighbours) -> None:
        """End the jobs whose second is over."""
        space, now = self._space(neighbours), _now()
        for jobs, state in ((space.jobs, "State"), (space.copies, "State"), (space.restores, "Status")):
            for job in jobs.values():
                if job[state] == "RUNNING" and (now - job["CreationDate"]).total_seconds() >= RUNNING_SECONDS:
                    job.update({state: job.pop("Outcome"), "CompletionDate": now, "PercentDone": "100.0"})
        for point in space.points.values():
            made_by = space.jobs.get(point.get("Job", ""))
            if made_by and made_by["State"] == "COMPLETED" and point["Status"] == "CREATING":
                point.update(Status="COMPLETED", CompletionDate=now)

    # -- vaults --------------------------------------------------------------------------------------------------------

    def _vault(self, params: Mapping[str, Any], neighbours: Neighbours) -> Params:
        name = str(params.get("BackupVaultName"))
        found = self._space(neighbours).vaults.get(name)
        if found is None:
            raise _missing(f"Backup vault '{name}' not found.")
        return found

    async def _do_create_backup_vault(self, params: Params, neighbours: Neighbours) -> Params:
        space, name = self._space(neighbours), str(params.get("BackupVaultName"))
        if not _VAULT.fullmatch(name):
            raise _invalid("Invalid backup vault name: it has 2 to 50 letters, digits, hyphens and underscores.")
        if name in space.vaults:
            raise AwsError("AlreadyExistsException", f"Backup vault with the same name already exists: {name}", 400)
        key = uuid.uuid5(uuid.NAMESPACE_URL, f"aws/backup/{neighbours.account}/{neighbours.region}")
        vault = {
            "BackupVaultName": name,
            "BackupVaultArn": _arn(neighbours, f"backup-vault:{name}"),
            "VaultType": "BACKUP_VAULT",
            "VaultState": "AVAILABLE",
            "EncryptionKeyArn": params.get("EncryptionKeyArn")
            or f"arn:aws:kms:{neighbours.region}:{neighbours.account}:key/{key}",
            "CreationDate": _now(),
            "CreatorRequestId": params.get("CreatorRequestId"),
            "Locked": False,
        }
        space.vaults[name] = {key: value for key, value in vault.items() if value is not None}
        space.tags[str(vault["BackupVaultArn"])] = dict(params.get("BackupVaultTags") or {})
        return {name: vault[name] for name in ("BackupVaultName", "BackupVaultArn", "CreationDate")}

    def _shown(self, vault: Params, neighbours: Neighbours) -> Params:
        points = [p for p in self._space(neighbours).points.values() if p["BackupVaultArn"] == vault["BackupVaultArn"]]
        hidden = ("Policy", "Notifications")
        lock = vault.get("LockDate")
        return {
            **{name: value for name, value in vault.items() if name not in hidden and value is not None},
            "NumberOfRecoveryPoints": len(points),
            **({"LockDate": lock} if lock else {}),
        }

    async def _do_describe_backup_vault(self, params: Params, neighbours: Neighbours) -> Params:
        return self._shown(self._vault(params, neighbours), neighbours)

    async def _do_list_backup_vaults(self, params: Params, neighbours: Neighbours) -> Params:
        vaults = [self._shown(vault, neighbours) for vault in self._space(neighbours).vaults.values()]
        return page(vaults, params, "BackupVaultList", "MaxResults")

    async def _do_delete_backup_vault(self, params: Params, neighbours: Neighbours) -> Params:
        vault = self._vault(params, neighbours)
        if self._shown(vault, neighbours)["NumberOfRecoveryPoints"]:
            raise _bad_request(
                f"Backup vault cannot be deleted (contains recovery points): {vault['BackupVaultName']}"
            )
        del self._space(neighbours).vaults[vault["BackupVaultName"]]
        self._space(neighbours).tags.pop(vault["BackupVaultArn"], None)
        return {}

    async def _do_put_backup_vault_access_policy(self, params: Params, neighbours: Neighbours) -> Params:
        self._vault(params, neighbours)["Policy"] = params.get("Policy")
        return {}

    async def _do_get_backup_vault_access_policy(self, params: Params, neighbours: Neighbours) -> Params:
        vault = self._vault(params, neighbours)
        if not vault.get("Policy"):
            raise _missing(f"Backup vault access policy for '{vault['BackupVaultName']}' not found.")
        return {name: vault[name] for name in ("BackupVaultName", "BackupVaultArn", "Policy")}

    async def _do_delete_backup_vault_access_policy(self, params: Params, neighbours: Neighbours) -> Params:
        self._vault(params, neighbours).pop("Policy", None)
        return {}

    async def _do_put_backup_vault_notifications(self, params: Params, neighbours: Neighbours) -> Params:
        given = {name: params.get(name) for name in ("SNSTopicArn", "BackupVaultEvents")}
        self._vault(params, neighbours)["Notifications"] = given
        return {}

    async def _do_get_backup_vault_notifications(self, params: Params, neighbours: Neighbours) -> Params:
        vault = self._vault(params, neighbours)
        if not vault.get("Notifications"):
            raise _missing(f"Backup vault notifications for '{vault['BackupVaultName']}' not found.")
        return {**{name: vault[name] for name in ("BackupVaultName", "BackupVaultArn")}, **vault["Notifications"]}

    async def _do_delete_backup_vault_notifications(self, params: Params, neighbours: Neighbours) -> Params:
        self._vault(params, neighbours).pop("Notifications", None)
        return {}

    async def _do_put_backup_vault_lock_configuration(self, params: Params, neighbours: Neighbours) -> Params:
        vault = self._vault(params, neighbours)
        _still_open(vault)
        low, high, days = (params.get(name) for name in ("MinRetentionDays", "MaxRetentionDays", "ChangeableForDays"))
        if (low is not None and int(low) < 1) or (high is not None and not 1 <= int(high) <= 36500):
            raise _invalid("Minimum retention is 1 day, maximum retention is 36500 days.")
        if low is not None and high is not None and int(high) < int(low):
            raise _invalid("MaxRetentionDays cannot be less than MinRetentionDays.")
        if days is not None and not 3 <= int(days) <= 36500:
            raise _invalid("ChangeableForDays must be between 3 and 36500.")
        vault.update(Locked=True, MinRetentionDays=low, MaxRetentionDays=high)
        vault["LockDate"] = _now() + datetime.timedelta(days=int(days)) if days is not None else None
        return {}

    async def _do_delete_backup_vault_lock_configuration(self, params: Params, neighbours: Neighbours) -> Params:
        vault = self._vault(params, neighbours)
        _still_open(vault)
        vault.update(Locked=False, MinRetentionDays=None, MaxRetentionDays=None, LockDate=None)
        return {}

    # -- plans and selections ------------------------------------------------------------------------------------------

    def _plan(self, params: Mapping[str, Any], neighbours: Neighbours) -> list[Params]:
        found = self._space(neighbours).plans.get(str(params.get("BackupPlanId")))
        if not found:
            raise _missing("Cannot find Backup plan with ID " + str(params.get("BackupPlanId")))
        return found

    async def _do_create_backup_plan(self, params: Params, neighbours: Neighbours) -> Params:
        space, plan = self._space(neighbours), _checked_plan(params.get("BackupPlan") or {})
        for versions in space.plans.values():
            if _bare(versions[-1]["BackupPlan"]) == _bare(plan):
                text = "Backup plan with the same plan document already exists."
                raise AwsError("AlreadyExistsException", text, 400)
        identifier = str(uuid.uuid4())
        version = _plan_version(identifier, plan, neighbours)
        version["CreatorRequestId"] = params.get("CreatorRequestId")
        space.plans[identifier] = [version]
        space.tags[version["BackupPlanArn"]] = dict(params.get("BackupPlanTags") or {})
        return _short_plan(version)

    async def _do_update_backup_plan(self, params: Params, neighbours: Neighbours) -> Params:
        versions = self._plan(params, neighbours)
        plan = _checked_plan(params.get("BackupPlan") or {})
        version = _plan_version(str(params["BackupPlanId"]), plan, neighbours)
        version["CreationDate"] = versions[-1]["CreationDate"]
        versions.append(version)
        return _short_plan(version)

    async def _do_get_backup_plan(self, params: Params, neighbours: Neighbours) -> Params:
        versions = self._plan(params, neighbours)
        wanted = params.get("VersionId")
        for version in reversed(versions):
            if wanted in (None, version["VersionId"]):
                return {name: value for name, value in version.items() if value is not None}
        raise _missing(f"Cannot find Backup plan version {wanted}")

    async def _do_delete_backup_plan(self, params: Params, neighbours: Neighbours) -> Params:
        space, version = self._space(neighbours), self._plan(params, neighbours)[-1]
        if any(s["BackupPlanId"] == version["BackupPlanId"] for s in space.selections.values()):
            raise _bad_request("Related backup plan selections must be deleted prior to backup plan deletion")
        del space.plans[version["BackupPlanId"]]
        space.tags.pop(version["BackupPlanArn"], None)
        return {
            **{name: version[name] for name in ("BackupPlanId", "BackupPlanArn", "VersionId")},
            "DeletionDate": _now(),
        }

    async def _do_list_backup_plans(self, params: Params, neighbours: Neighbours) -> Params:
        plans = [_listed_plan(versions[-1]) for versions in self._space(neighbours).plans.values()]
        return page(plans, params, "BackupPlansList", "MaxResults")

    async def _do_list_backup_plan_versions(self, params: Params, neighbours: Neighbours) -> Params:
        versions = [_listed_plan(version) for version in reversed(self._plan(params, neighbours))]
        return page(versions, params, "BackupPlanVersionsList", "MaxResults")

    async def _do_create_backup_selection(self, params: Params, neighbours: Neighbours) -> Params:
        space, plan = self._space(neighbours), self._plan(params, neighbours)[-1]
        given = dict(params.get("BackupSelection") or {})
        if not (given.get("Resources") or given.get("ListOfTags") or given.get("Conditions")):
            raise _invalid("Backup selection needs resources, tags or conditions.")
        for other in space.selections.values():
            same = (other["BackupPlanId"], other["BackupSelection"]["SelectionName"])
            if same == (plan["BackupPlanId"], given.get("SelectionName")):
                raise AwsError("AlreadyExistsException", "Backup selection with the same name already exists.", 400)
        record = {
            "SelectionId": str(uuid.uuid4()),
            "BackupPlanId": plan["BackupPlanId"],
            "CreationDate": _now(),
            "BackupSelection": given,
        }
        space.selections[record["SelectionId"]] = record
        return {name: record[name] for name in ("SelectionId", "BackupPlanId", "CreationDate")}

    def _selection(self, params: Mapping[str, Any], neighbours: Neighbours) -> Params:
        self._plan(params, neighbours)
        found = self._space(neighbours).selections.get(str(params.get("SelectionId")))
        if found is None or found["BackupPlanId"] != params.get("BackupPlanId"):
            raise _missing("Cannot find Backup selection with ID " + str(params.get("SelectionId")))
        return found

    async def _do_get_backup_selection(self, params: Params, neighbours: Neighbours) -> Params:
        return self._selection(params, neighbours)

    async def _do_delete_backup_selection(self, params: Params, neighbours: Neighbours) -> Params:
        del self._space(neighbours).selections[self._selection(params, neighbours)["SelectionId"]]
        return {}

    async def _do_list_backup_selections(self, params: Params, neighbours: Neighbours) -> Params:
        self._plan(params, neighbours)
        found = [
            {
                **{name: record[name] for name in ("SelectionId", "BackupPlanId", "CreationDate")},
                **{name: record["BackupSelection"].get(name) for name in ("SelectionName", "IamRoleArn")},
            }
            for record in self._space(neighbours).selections.values()
            if record["BackupPlanId"] == params["BackupPlanId"]
        ]
        return page(found, params, "BackupSelectionsList", "MaxResults")

    # -- backup jobs and recovery points -------------------------------------------------------------------------------

    async def _do_start_backup_job(self, params: Params, neighbours: Neighbours) -> Params:
        vault, arn = self._vault(params, neighbours), str(params.get("ResourceArn"))
        kind = kind_of(arn)
        if kind is None:
            raise _invalid(f"Unsupported resource type: {arn}")
        lifecycle = _checked_lifecycle(params.get("Lifecycle"))
        identifier, now = str(uuid.uuid4()).upper(), _now()
        job = {
            "AccountId": neighbours.account,
            "BackupJobId": identifier,
            "BackupVaultName": vault["BackupVaultName"],
            "BackupVaultArn": vault["BackupVaultArn"],
            "ResourceArn": arn,
            "ResourceType": kind,
            "ResourceName": arn.rpartition("/")[2].rpartition(":")[2],
            "IamRoleArn": params.get("IamRoleArn"),
            "CreationDate": now,
            "StartBy": now + datetime.timedelta(minutes=int(params.get("StartWindowMinutes") or 480)),
            "State": "RUNNING",
            "Outcome": "COMPLETED",
            "PercentDone": "0.0",
            "BackupOptions": params.get("BackupOptions"),
            "MessageCategory": "SUCCESS",
        }
        problem = _against_lock(vault, lifecycle)
        if problem:
            job.update(Outcome="FAILED", StatusMessage=problem, MessageCategory="INVALIDPARAMETERS")
        else:
            made = await RESOURCES[kind].back_up(arn, identifier, neighbours)
            point = _point(job, made, lifecycle, vault, neighbours)
            self._space(neighbours).points[point["RecoveryPointArn"]] = point
            self._space(neighbours).tags[point["RecoveryPointArn"]] = dict(params.get("RecoveryPointTags") or {})
            job.update(RecoveryPointArn=point["RecoveryPointArn"], BackupSizeInBytes=made.size)
        self._space(neighbours).jobs[identifier] = {name: value for name, value in job.items() if value is not None}
        answer = {"BackupJobId": identifier, "CreationDate": now, "IsParent": False}
        return {**answer, "RecoveryPointArn": job["RecoveryPointArn"]} if job.get("RecoveryPointArn") else answer

    def _job(self, params: Mapping[str, Any], neighbours: Neighbours) -> Params:
        found = self._space(neighbours).jobs.get(str(params.get("BackupJobId")))
        if found is None:
            raise _missing(f"Backup job not found: {params.get('BackupJobId')}")
        return found

    async def _do_describe_backup_job(self, params: Params, neighbours: Neighbours) -> Params:
        return _visible(self._job(params, neighbours))

    async def _do_stop_backup_job(self, params: Params, neighbours: Neighbours) -> Params:
        job = self._job(params, neighbours)
        if job["State"] != "RUNNING":
            raise _bad_request(f"Backup job {job['BackupJobId']} cannot be stopped: it is {job['State']}.")
        job.update(State="ABORTED", CompletionDate=_now(), MessageCategory="ABORTED")
        point = self._space(neighbours).points.pop(str(job.get("RecoveryPointArn")), None)
        if point:
            await RESOURCES[point["ResourceType"]].forget(point["Copy"], neighbours)
        return {}

    async def _do_list_backup_jobs(self, params: Params, neighbours: Neighbours) -> Params:
        wanted = {"BackupVaultName": "ByBackupVaultName", "State": "ByState", "ResourceArn": "ByResourceArn",
                  "ResourceType": "ByResourceType", "AccountId": "ByAccountId"}  # fmt: skip
        found = _listed(self._space(neighbours).jobs.values(), params, wanted)
        return page(found, params, "BackupJobs", "MaxResults")

    def _recovery_point(self, params: Mapping[str, Any], neighbours: Neighbours) -> Params:
        arn = str(params.get("RecoveryPointArn"))
        found = self._space(neighbours).points.get(arn)
        if params.get("BackupVaultName"):
            vault = self._vault(params, neighbours)
            found = found if found and found["BackupVaultArn"] == vault["BackupVaultArn"] else None
        if found is None:
            raise _missing(f"Cannot find recovery point: {arn}")
        return found

    async def _do_describe_recovery_point(self, params: Params, neighbours: Neighbours) -> Params:
        return _visible(self._recovery_point(params, neighbours))

    async def _do_list_recovery_points_by_backup_vault(self, params: Params, neighbours: Neighbours) -> Params:
        vault = self._vault(params, neighbours)
        mine = [p for p in self._completed(neighbours) if p["BackupVaultArn"] == vault["BackupVaultArn"]]
        found = _listed(mine, params, {"ResourceArn": "ByResourceArn", "ResourceType": "ByResourceType"})
        return page(found, params, "RecoveryPoints", "MaxResults")

    async def _do_list_recovery_points_by_resource(self, params: Params, neighbours: Neighbours) -> Params:
        names = ("RecoveryPointArn", "CreationDate", "Status", "EncryptionKeyArn", "BackupSizeInBytes",
                 "BackupVaultName", "ResourceName", "VaultType")  # fmt: skip
        found = [
            {"BackupSizeBytes" if name == "BackupSizeInBytes" else name: p[name] for name in names if name in p}
            for p in self._completed(neighbours)
            if p["ResourceArn"] == params.get("ResourceArn")
        ]
        return page(found, params, "RecoveryPoints", "MaxResults")

    def _completed(self, neighbours: Neighbours) -> list[Params]:
        """Newest first."""
        return [p for p in reversed(self._space(neighbours).points.values()) if p["Status"] == "COMPLETED"]

    async def _do_update_recovery_point_lifecycle(self, params: Params, neighbours: Neighbours) -> Params:
        point = self._recovery_point(params, neighbours)
        lifecycle = _checked_lifecycle(params.get("Lifecycle"))
        vault = self._space(neighbours).vaults[point["BackupVaultName"]]
        problem = _against_lock(vault, lifecycle)
        if problem:
            raise _bad_request(problem)
        point["Lifecycle"], point["CalculatedLifecycle"] = lifecycle, _calculated(lifecycle, point["CreationDate"])
        names = ("BackupVaultArn", "RecoveryPointArn", "Lifecycle", "CalculatedLifecycle")
        return {name: point[name] for name in names if point.get(name) is not None}

    async def _do_delete_recovery_point(self, params: Params, neighbours: Neighbours) -> Params:
        point, space = self._recovery_point(params, neighbours), self._space(neighbours)
        if space.vaults[point["BackupVaultName"]]["Locked"]:
            raise _bad_request("Recovery point cannot be deleted (Backup vault configured with Lock)")
        if any(self._held(point, hold) for hold in space.holds.values()):
            raise _bad_request("Recovery point cannot be deleted (it is under a legal hold)")
        del space.points[point["RecoveryPointArn"]]
        space.tags.pop(point["RecoveryPointArn"], None)
        await RESOURCES[point["ResourceType"]].forget(point["Copy"], neighbours)
        return {}

    async def _do_get_recovery_point_restore_metadata(self, params: Params, neighbours: Neighbours) -> Params:
        point = self._recovery_point(params, neighbours)
        names = ("BackupVaultArn", "RecoveryPointArn", "ResourceType")
        return {**{name: point[name] for name in names}, "RestoreMetadata": dict(point["Copy"].metadata)}

    async def _do_list_protected_resources(self, params: Params, neighbours: Neighbours) -> Params:
        return page(self._protected(neighbours), params, "Results", "MaxResults")

    async def _do_list_protected_resources_by_backup_vault(self, params: Params, neighbours: Neighbours) -> Params:
        arn = self._vault(params, neighbours)["BackupVaultArn"]
        found = [entry for entry in self._protected(neighbours) if entry["LastBackupVaultArn"] == arn]
        return page(found, params, "Results", "MaxResults")

    def _protected(self, neighbours: Neighbours) -> list[Params]:
        latest: dict[str, Params] = {}
        for point in self._completed(neighbours):
            latest.setdefault(point["ResourceArn"], point)
        return [
            {
                **{name: point[name] for name in ("ResourceArn", "ResourceType", "ResourceName")},
                "LastBackupTime": point["CreationDate"],
                "LastBackupVaultArn": point["BackupVaultArn"],
                "LastRecoveryPointArn": point["RecoveryPointArn"],
            }
            for point in latest.values()
        ]

    async def _do_describe_protected_resource(self, params: Params, neighbours: Neighbours) -> Params:
        for entry in self._protected(neighbours):
            if entry["ResourceArn"] == params.get("ResourceArn"):
                return entry
        raise _missing(f"Cannot find protected resource: {params.get('ResourceArn')}")

    # -- restores and copies -------------------------------------------------------------------------------------------

    async def _do_start_restore_job(self, params: Params, neighbours: Neighbours) -> Params:
        point = self._recovery_point(params, neighbours)
        if point["Status"] != "COMPLETED":
            raise _bad_request(f"Recovery point {point['RecoveryPointArn']} is {point['Status']}.")
        kind = point["ResourceType"]
        if params.get("ResourceType") not in (None, kind):
            raise _invalid(f"The recovery point is of the type {kind}, not {params.get('ResourceType')}.")
        metadata = {**point["Copy"].metadata, **(params.get("Metadata") or {})}
        created = await RESOURCES[kind].restore(point["Copy"], metadata, params.get("Metadata") or {}, neighbours)
        job = {
            "AccountId": neighbours.account,
            "RestoreJobId": str(uuid.uuid4()).upper(),
            "RecoveryPointArn": point["RecoveryPointArn"],
            "SourceResourceArn": point["ResourceArn"],
            "BackupVaultArn": point["BackupVaultArn"],
            "CreationDate": _now(),
            "Status": "RUNNING",
            "Outcome": "COMPLETED",
            "PercentDone": "0.00%",
            "BackupSizeInBytes": point["Copy"].size,
            "IamRoleArn": params.get("IamRoleArn"),
            "CreatedResourceArn": created,
            "ResourceType": kind,
            "RecoveryPointCreationDate": point["CreationDate"],
            "Metadata": dict(params.get("Metadata") or {}),
        }
        self._space(neighbours).restores[job["RestoreJobId"]] = job
        return {"RestoreJobId": job["RestoreJobId"], "CopySourceTagsToRestoredResource": False}

    def _restore(self, params: Mapping[str, Any], neighbours: Neighbours) -> Params:
        found = self._space(neighbours).restores.get(str(params.get("RestoreJobId")))
        if found is None:
            raise _missing(f"Restore job not found: {params.get('RestoreJobId')}")
        return found

    async def _do_describe_restore_job(self, params: Params, neighbours: Neighbours) -> Params:
        job = _visible(self._restore(params, neighbours))
        job.pop("Metadata")
        return job if job["Status"] == "COMPLETED" else {k: v for k, v in job.items() if k != "CreatedResourceArn"}

    async def _do_get_restore_job_metadata(self, params: Params, neighbours: Neighbours) -> Params:
        job = self._restore(params, neighbours)
        return {"RestoreJobId": job["RestoreJobId"], "Metadata": job["Metadata"]}

    async def _do_list_restore_jobs(self, params: Params, neighbours: Neighbours) -> Params:
        wanted = {"Status": "ByStatus", "ResourceType": "ByResourceType", "AccountId": "ByAccountId"}
        found = _listed(self._space(neighbours).restores.values(), params, wanted)
        return page(found, params, "RestoreJobs", "MaxResults")

    async def _do_list_restore_jobs_by_protected_resource(self, params: Params, neighbours: Neighbours) -> Params:
        wanted = {"SourceResourceArn": "ResourceArn", "Status": "ByStatus"}
        found = _listed(self._space(neighbours).restores.values(), params, wanted)
        return page(found, params, "RestoreJobs", "MaxResults")

    async def _do_start_copy_job(self, params: Params, neighbours: Neighbours) -> Params:
        source = {**params, "BackupVaultName": params.get("SourceBackupVaultName")}
        point = self._recovery_point(source, neighbours)
        place = re.fullmatch(r"arn:aws:backup:([a-z0-9-]+):(\d{12}):backup-vault:(.+)",
                             str(params.get("DestinationBackupVaultArn")))  # fmt: skip
        if place is None:
            raise _invalid(f"Invalid destination backup vault ARN: {params.get('DestinationBackupVaultArn')}")
        region, account, name = place.groups()
        target = neighbours.elsewhere(account, region)
        vault = self._space(target).vaults.get(name)
        problem = "" if vault else f"Backup vault {name} does not exist."
        if vault and account != neighbours.account and not vault.get("Policy"):
            problem = "Access Denied trying to call AWS Backup service: the destination vault has no access policy."
        lifecycle = _checked_lifecycle(params.get("Lifecycle"))
        problem = problem or _against_lock(vault or {}, lifecycle)
        job = {
            "AccountId": neighbours.account,
            "CopyJobId": str(uuid.uuid4()).upper(),
            "SourceBackupVaultArn": point["BackupVaultArn"],
            "SourceRecoveryPointArn": point["RecoveryPointArn"],
            "DestinationBackupVaultArn": params.get("DestinationBackupVaultArn"),
            "ResourceArn": point["ResourceArn"],
            "ResourceType": point["ResourceType"],
            "ResourceName": point["ResourceName"],
            "CreationDate": _now(),
            "State": "RUNNING",
            "Outcome": "FAILED" if problem else "COMPLETED",
            "BackupSizeInBytes": point["Copy"].size,
            "IamRoleArn": params.get("IamRoleArn"),
        }
        if problem:
            job["StatusMessage"] = problem
        else:
            assert vault is not None
            made = await RESOURCES[point["ResourceType"]].duplicate(point["Copy"], job["CopyJobId"], neighbours, target)
            copied = _point(point, made, lifecycle, vault, target)
            copied.update(Status="COMPLETED", CompletionDate=_now(), SourceBackupVaultArn=point["BackupVaultArn"])
            self._space(target).points[copied["RecoveryPointArn"]] = copied
            tags = self._space(neighbours).tags.get(point["RecoveryPointArn"], {})
            self._space(target).tags[copied["RecoveryPointArn"]] = dict(tags)
            job["DestinationRecoveryPointArn"] = copied["RecoveryPointArn"]
        self._space(neighbours).copies[job["CopyJobId"]] = job
        return {"CopyJobId": job["CopyJobId"], "CreationDate": job["CreationDate"], "IsParent": False}

    async def _do_describe_copy_job(self, params: Params, neighbours: Neighbours) -> Params:
        found = self._space(neighbours).copies.get(str(params.get("CopyJobId")))
        if found is None:
            raise _missing(f"Copy job not found: {params.get('CopyJobId')}")
        return {"CopyJob": _visible(found)}

    async def _do_list_copy_jobs(self, params: Params, neighbours: Neighbours) -> Params:
        wanted = {"ResourceArn": "ByResourceArn", "State": "ByState", "ResourceType": "ByResourceType",
                  "DestinationBackupVaultArn": "ByDestinationVaultArn", "AccountId": "ByAccountId"}  # fmt: skip
        found = _listed(self._space(neighbours).copies.values(), params, wanted)
        return page(found, params, "CopyJobs", "MaxResults")

    # -- legal holds ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _held(point: Params, hold: Params) -> bool:
        if hold["Status"] != "ACTIVE":
            return False
        chosen = hold.get("RecoveryPointSelection") or {}
        dates = chosen.get("DateRange") or {}
        vaults, resources = chosen.get("VaultNames"), chosen.get("ResourceIdentifiers")
        if (vaults and point["BackupVaultName"] not in vaults) or (resources and point["ResourceArn"] not in resources):
            return False
        within = lambda edge: _moment(dates[edge])  # noqa: E731
        return not dates or within("FromDate") <= point["CreationDate"] <= within("ToDate")

    async def _do_create_legal_hold(self, params: Params, neighbours: Neighbours) -> Params:
        identifier = str(uuid.uuid4())
        hold: Params = {
            "Title": params.get("Title"),
            "Status": "ACTIVE",
            "Description": params.get("Description"),
            "LegalHoldId": identifier,
            "LegalHoldArn": _arn(neighbours, f"legal-hold:{identifier}"),
            "CreationDate": _now(),
            "RecoveryPointSelection": params.get("RecoveryPointSelection") or {},
        }
        self._space(neighbours).holds[identifier] = hold
        self._space(neighbours).tags[hold["LegalHoldArn"]] = dict(params.get("Tags") or {})
        return hold

    def _hold(self, params: Mapping[str, Any], neighbours: Neighbours) -> Params:
        found = self._space(neighbours).holds.get(str(params.get("LegalHoldId")))
        if found is None:
            raise _missing(f"Legal hold not found: {params.get('LegalHoldId')}")
        return found

    async def _do_get_legal_hold(self, params: Params, neighbours: Neighbours) -> Params:
        return self._hold(params, neighbours)

    async def _do_list_legal_holds(self, params: Params, neighbours: Neighbours) -> Params:
        names = ("Title", "Status", "Description", "LegalHoldId", "LegalHoldArn", "CreationDate", "CancellationDate")
        holds = [{n: h[n] for n in names if h.get(n)} for h in self._space(neighbours).holds.values()]
        return page(holds, params, "LegalHolds", "MaxResults")

    async def _do_cancel_legal_hold(self, params: Params, neighbours: Neighbours) -> Params:
        hold = self._hold(params, neighbours)
        if hold["Status"] != "ACTIVE":
            raise AwsError("InvalidResourceStateException", f"Legal hold is {hold['Status']}.", 400)
        hold.update(Status="CANCELED", CancelDescription=params.get("CancelDescription"), CancellationDate=_now())
        return {}

    async def _do_list_recovery_points_by_legal_hold(self, params: Params, neighbours: Neighbours) -> Params:
        hold = self._hold(params, neighbours)
        names = ("RecoveryPointArn", "BackupVaultName", "ResourceArn", "ResourceType")
        found = [{n: p[n] for n in names} for p in self._completed(neighbours) if self._held(p, hold)]
        return page(found, params, "RecoveryPoints", "MaxResults")

    # -- settings, tags, what is only kept -----------------------------------------------------------------------------

    async def _do_describe_region_settings(self, params: Params, neighbours: Neighbours) -> Params:
        chosen = self._space(neighbours).settings
        managed = {"DynamoDB": True, "EFS": True}
        return {"ResourceTypeOptInPreference": chosen, "ResourceTypeManagementPreference": managed}

    async def _do_update_region_settings(self, params: Params, neighbours: Neighbours) -> Params:
        self._space(neighbours).settings.update(params.get("ResourceTypeOptInPreference") or {})
        return {}

    async def _do_describe_global_settings(self, params: Params, neighbours: Neighbours) -> Params:
        return {"GlobalSettings": {"isCrossAccountBackupEnabled": "false"}, "LastUpdateTime": _now()}

    async def _do_get_supported_resource_types(self, params: Params, neighbours: Neighbours) -> Params:
        return {"ResourceTypes": sorted(RESOURCES)}

    def _tagged(self, params: Mapping[str, Any], neighbours: Neighbours) -> dict[str, str]:
        arn = str(params.get("ResourceArn"))
        found = self._space(neighbours).tags.get(arn)
        if found is None:
            raise _missing(f"Resource not found: {arn}")
        return found

    async def _do_list_tags(self, params: Params, neighbours: Neighbours) -> Params:
        return {"Tags": self._tagged(params, neighbours)}

    async def _do_tag_resource(self, params: Params, neighbours: Neighbours) -> Params:
        self._tagged(params, neighbours).update(params.get("Tags") or {})
        return {}

    async def _do_untag_resource(self, params: Params, neighbours: Neighbours) -> Params:
        tags = self._tagged(params, neighbours)
        for key in params.get("TagKeyList") or []:
            tags.pop(key, None)
        return {}

    async def _do_list_backup_plan_templates(self, params: Params, neighbours: Neighbours) -> Params:
        return {"BackupPlanTemplatesList": []}

    async def _do_list_report_jobs(self, params: Params, neighbours: Neighbours) -> Params:
        return {"ReportJobs": []}

    async def _do_create_framework(self, params: Params, neighbours: Neighbours) -> Params:
        made = self._keep("framework", params, {"FrameworkControls": params.get("FrameworkControls")}, neighbours)
        return {name: made[name] for name in ("FrameworkName", "FrameworkArn")}

    async def _do_describe_framework(self, params: Params, neighbours: Neighbours) -> Params:
        return self._kept("framework", params, neighbours)

    async def _do_list_frameworks(self, params: Params, neighbours: Neighbours) -> Params:
        return page(list(self._space(neighbours).named["framework"].values()), params, "Frameworks", "MaxResults")

    async def _do_delete_framework(self, params: Params, neighbours: Neighbours) -> Params:
        self._drop("framework", params, neighbours)
        return {}

    async def _do_create_report_plan(self, params: Params, neighbours: Neighbours) -> Params:
        given = {name: params.get(name) for name in ("ReportDeliveryChannel", "ReportSetting")}
        made = self._keep("report", params, given, neighbours)
        return {name: made[name] for name in ("ReportPlanName", "ReportPlanArn", "CreationTime")}

    async def _do_describe_report_plan(self, params: Params, neighbours: Neighbours) -> Params:
        return {"ReportPlan": self._kept("report", params, neighbours)}

    async def _do_list_report_plans(self, params: Params, neighbours: Neighbours) -> Params:
        return page(list(self._space(neighbours).named["report"].values()), params, "ReportPlans", "MaxResults")

    async def _do_delete_report_plan(self, params: Params, neighbours: Neighbours) -> Params:
        self._drop("report", params, neighbours)
        return {}

    def _keep(self, kind: str, params: Params, given: Params, neighbours: Neighbours) -> Params:
        prefix, path = _NAMED[kind]
        space, name = self._space(neighbours), str(params.get(f"{prefix}Name"))
        if name in space.named[kind]:
            raise AwsError("AlreadyExistsException", f"{prefix} {name} already exists.", 400)
        arn = _arn(neighbours, f"{path}:{name}-{uuid.uuid4()}")
        space.named[kind][name] = {
            f"{prefix}Name": name,
            f"{prefix}Arn": arn,
            f"{prefix}Description": params.get(f"{prefix}Description") or "",
            "DeploymentStatus": "COMPLETED",
            "CreationTime": _now(),
            **{key: value for key, value in given.items() if value is not None},
        }
        space.tags[arn] = dict(params.get(f"{prefix}Tags") or {})
        return space.named[kind][name]

    def _kept(self, kind: str, params: Params, neighbours: Neighbours) -> Params:
        name = params.get(f"{_NAMED[kind][0]}Name")
        found = self._space(neighbours).named[kind].get(str(name))
        if found is None:
            raise _missing(f"{_NAMED[kind][0]} not found: {name}")
        return found

    def _drop(self, kind: str, params: Params, neighbours: Neighbours) -> None:
        prefix = _NAMED[kind][0]
        found = self._kept(kind, params, neighbours)
        del self._space(neighbours).named[kind][found[f"{prefix}Name"]]
        self._space(neighbours).tags.pop(found[f"{prefix}Arn"], None)


_NAMED = {"framework": ("Framework", "framework"), "report": ("ReportPlan", "report-plan")}


def _arn(neighbours: Neighbours, rest: str) -> str:
    return f"arn:aws:backup:{neighbours.region}:{neighbours.account}:{rest}"


def _moment(value: Any) -> datetime.datetime:
    if isinstance(value, int | float):
        return datetime.datetime.fromtimestamp(value, datetime.UTC)
    moment: datetime.datetime = value
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _visible(record: Params) -> Params:
    return {n: v for n, v in record.items() if n not in ("Copy", "Job", "Outcome") and v is not None}


def _listed(records: Any, params: Mapping[str, Any], wanted: Mapping[str, str]) -> list[Params]:
    """Records that have the values asked for (attribute → parameter), newest first, between the dates asked for."""
    after, before = params.get("ByCreatedAfter"), params.get("ByCreatedBefore")
    found = []
    for record in records:
        if any(params.get(given) not in (None, "*", record.get(name)) for name, given in wanted.items()):
            continue
        if (after and record["CreationDate"] < _moment(after)) or (before and record["CreationDate"] > _moment(before)):
            continue
        found.append(_visible(record))
    return sorted(found, key=lambda record: record["CreationDate"], reverse=True)


def _still_open(vault: Params) -> None:
    if vault.get("LockDate") and vault["LockDate"] <= _now():
        raise _bad_request("The backup vault lock is immutable.")


def _against_lock(vault: Mapping[str, Any], lifecycle: Params | None) -> str:
    """Why a locked vault does not take this retention, "" when it does ("AWS Backup Vault Lock")."""
    if not vault.get("Locked"):
        return ""
    days = (lifecycle or {}).get("DeleteAfterDays")
    low, high = vault.get("MinRetentionDays"), vault.get("MaxRetentionDays")
    too_short = low and days is not None and days < low
    if too_short or (high and (days is None or days > high)):
        return f"Retention period conflicts with vault minimum and maximum retention periods ({low} to {high} days)"
    return ""


def _checked_lifecycle(given: Mapping[str, Any] | None) -> Params | None:
    """ "The retention setting must be 90 days greater than the transition to cold" (Lifecycle)."""
    if not given:
        return None
    cold, days = given.get("MoveToColdStorageAfterDays"), given.get("DeleteAfterDays")
    if cold is not None and cold > -1 and days is not None and -1 < days < cold + _COLD_DAYS:
        raise _invalid("Invalid lifecycle. DeleteAfterDays cannot be less than 90 days apart from"
                       " MoveToColdStorageAfterDays")  # fmt: skip
    if days is not None and (days == 0 or days < -1):
        raise _invalid("Invalid lifecycle. DeleteAfterDays must be at least 1")
    return dict(given)


def _calculated(lifecycle: Params | None, created: datetime.datetime) -> Params | None:
    names = {"MoveToColdStorageAfterDays": "MoveToColdStorageAt", "DeleteAfterDays": "DeleteAt"}
    found = {
        shown: created + datetime.timedelta(days=int(lifecycle[name]))
        for name, shown in names.items()
        if lifecycle and (lifecycle.get(name) or -1) > -1
    }
    return found or None


def _checked_plan(plan: Mapping[str, Any]) -> Params:
    rules = plan.get("Rules") or []
    if not re.fullmatch(r"[a-zA-Z0-9\-_.]{1,50}", str(plan.get("BackupPlanName"))):
        raise _invalid("Invalid backup plan name: it has 1 to 50 letters, digits, hyphens, underscores and dots.")
    names = [rule.get("RuleName") for rule in rules]
    if not rules:
        raise _invalid("A backup plan needs at least one rule.")
    if len(set(names)) != len(names):
        raise _invalid("Rule names of a backup plan must be unique.")
    checked = []
    for rule in rules:
        _checked_lifecycle(rule.get("Lifecycle"))
        schedule, start = rule.get("ScheduleExpression"), rule.get("StartWindowMinutes")
        completion = rule.get("CompletionWindowMinutes")
        if schedule and not re.fullmatch(r"cron\(\S+( \S+){5}\)|rate\(\d+ \w+\)", str(schedule)):
            raise _invalid(f"Invalid schedule expression: {schedule}")
        if start is not None and int(start) < 60:
            raise _invalid("StartWindowMinutes must be at least 60.")
        if completion is not None and int(completion) < int(start or 480) + 60:
            raise _invalid("CompletionWindowMinutes must be at least 60 minutes after StartWindowMinutes.")
        for action in rule.get("CopyActions") or []:
            _checked_lifecycle(action.get("Lifecycle"))
        checked.append({
            "StartWindowMinutes": 480, "CompletionWindowMinutes": 10080, "EnableContinuousBackup": False,
            "ScheduleExpression": "cron(0 5 ? * * *)", "ScheduleExpressionTimezone": "Etc/UTC",
            "RuleId": str(uuid.uuid4()), **rule,
        })  # fmt: skip
    return {**plan, "Rules": checked}


def _bare(plan: Mapping[str, Any]) -> Params:
    """A plan without the ids of its rules, which differ in every plan."""
    rules = [{name: value for name, value in rule.items() if name != "RuleId"} for rule in plan["Rules"]]
    return {**plan, "Rules": rules}


def _plan_version(identifier: str, plan: Params, neighbours: Neighbours) -> Params:
    return {
        "BackupPlan": plan,
        "BackupPlanId": identifier,
        "BackupPlanArn": _arn(neighbours, f"backup-plan:{identifier}"),
        "VersionId": str(uuid.uuid4()),
        "CreationDate": _now(),
        "AdvancedBackupSettings": plan.get("AdvancedBackupSettings"),
    }


def _short_plan(version: Params) -> Params:
    names = ("BackupPlanId", "BackupPlanArn", "CreationDate", "VersionId", "AdvancedBackupSettings")
    return {name: version[name] for name in names if version.get(name) is not None}


def _listed_plan(version: Params) -> Params:
    return {**_short_plan(version), "BackupPlanName": version["BackupPlan"]["BackupPlanName"]}


def _point(source: Params, made: Copy, lifecycle: Params | None, vault: Params, neighbours: Neighbours) -> Params:
    """The recovery point that a job (or another recovery point) gives."""
    now = _now()
    point = {
        "RecoveryPointArn": made.arn or _arn(neighbours, f"recovery-point:{uuid.uuid4()}"),
        "BackupVaultName": vault["BackupVaultName"],
        "BackupVaultArn": vault["BackupVaultArn"],
        "ResourceArn": source["ResourceArn"],
        "ResourceType": source["ResourceType"],
        "ResourceName": source["ResourceName"],
        "IamRoleArn": source.get("IamRoleArn"),
        "Status": "CREATING",
        "CreationDate": now,
        "BackupSizeInBytes": made.size,
        "Lifecycle": lifecycle,
        "CalculatedLifecycle": _calculated(lifecycle, now),
        "EncryptionKeyArn": vault["EncryptionKeyArn"],
        "IsEncrypted": True,
        "StorageClass": "WARM",
        "IsParent": False,
        "VaultType": "BACKUP_VAULT",
        "Copy": made,
        "Job": source.get("BackupJobId"),
    }
    return {name: value for name, value in point.items() if value is not None}


SERVICE = Backup
