"""Auto Scaling groups, RDS, Backup, Budgets, Route 53: resources by name, several in a call, own condition keys.

Pages: "Actions, resources, and condition keys for" Amazon EC2 Auto Scaling, Amazon RDS, AWS Budgets, Amazon Route 53
(Service Authorization Reference); "Using IAM policy conditions for fine-grained access control" (Route 53); "Vault
access policies" (AWS Backup Developer Guide).
"""

from __future__ import annotations

import dataclasses
from typing import Any

from labs.aws.gateway.actions import generic
from labs.aws.gateway.actions.asked import Asked, Check, Context, account_in, request_tags, resource_tags


async def backup(asked: Asked) -> list[Check]:
    """A vault's access policy speaks about the recovery points in it as well."""
    found = await generic.checks(asked)
    vault = asked.text("BackupVaultName") or asked.text("SourceBackupVaultName")
    if not vault:
        return found
    arn = asked.arn("backup", f"backup-vault:{vault}")
    return [dataclasses.replace(c, guarded_by=arn) if c.action.startswith("backup:") else c for c in found]


async def autoscaling(asked: Asked) -> list[Check]:
    """A group's ARN has an id that only the service knows; its tags are ``autoscaling:ResourceTag`` too."""
    action, entry = generic.action_of("autoscaling", asked.operation)
    name = asked.text("AutoScalingGroupName")
    if entry is None or not name or "autoScalingGroup" not in entry.types:
        return await generic.checks(asked)
    context = request_tags(asked.get("Tags"))
    arn = asked.arn("autoscaling", f"autoScalingGroup:*:autoScalingGroupName/{name}")
    if asked.operation != "CreateAutoScalingGroup":
        answer = await asked.ask(
            "autoscaling", "DescribeAutoScalingGroups", region=asked.region, AutoScalingGroupNames=[name]
        )
        for group in answer.get("AutoScalingGroups") or []:
            arn = str(group.get("AutoScalingGroupARN") or arn)
            context.update(resource_tags(group.get("Tags"), "autoscaling"))
    for parameter, key in (("MinSize", "autoscaling:MinSize"), ("MaxSize", "autoscaling:MaxSize")):
        if asked.params.get(parameter) is not None:
            context[key] = str(asked.params[parameter])
    found = [Check(action, arn, asked.account, context)]
    if asked.operation == "CreateAutoScalingGroup" and asked.get("Tags"):
        found.append(Check("autoscaling:CreateOrUpdateTags", arn, asked.account, context))
    return found


# Parameter → resource type in an RDS ARN.
_RDS = {
    "DBInstanceIdentifier": "db",
    "SourceDBInstanceIdentifier": "db",
    "TargetDBInstanceIdentifier": "db",
    "DBClusterIdentifier": "cluster",
    "DBSnapshotIdentifier": "snapshot",
    "SourceDBSnapshotIdentifier": "snapshot",
    "TargetDBSnapshotIdentifier": "snapshot",
    "FinalDBSnapshotIdentifier": "snapshot",
    "DBClusterSnapshotIdentifier": "cluster-snapshot",
    "DBSubnetGroupName": "subgrp",
    "DBParameterGroupName": "pg",
    "DBClusterParameterGroupName": "cluster-pg",
    "OptionGroupName": "og",
}
# A parameter of these names what the call makes: it has no tags yet.
_RDS_MADE = {
    "CreateDBInstance": ("DBInstanceIdentifier",),
    "CreateDBInstanceReadReplica": ("DBInstanceIdentifier",),
    "CreateDBSnapshot": ("DBSnapshotIdentifier",),
    "CopyDBSnapshot": ("TargetDBSnapshotIdentifier",),
    "RestoreDBInstanceFromDBSnapshot": ("DBInstanceIdentifier",),
    "RestoreDBInstanceToPointInTime": ("TargetDBInstanceIdentifier",),
    "CreateDBCluster": ("DBClusterIdentifier",),
    "CreateDBSubnetGroup": ("DBSubnetGroupName",),
    "CreateDBParameterGroup": ("DBParameterGroupName",),
    "DeleteDBInstance": ("FinalDBSnapshotIdentifier",),
}


async def rds(asked: Asked) -> list[Check]:
    """Every database, snapshot and group that a call names."""
    action, entry = generic.action_of("rds", asked.operation)
    if entry is None or not entry.types:
        return await generic.checks(asked)
    made = _RDS_MADE.get(asked.operation, ())
    found = []
    for name, kind in _RDS.items():
        value = asked.params.get(name)
        if not isinstance(value, str) or not value or (kind not in entry.types and name not in made):
            continue
        arn = value if value.startswith("arn:") else asked.arn("rds", f"{kind}:{value}")
        context = _rds_context(asked)
        if name not in made and asked.wants_tags("rds"):
            answer = await asked.ask("rds", "ListTagsForResource", region=asked.region, ResourceName=arn)
            context.update(resource_tags(answer.get("TagList"), "rds"))
        if name not in made or kind in entry.types:
            found.append(Check(action, arn, account_in(arn) or asked.account, context))
    if not found:
        return await generic.checks(asked)
    if made and asked.get("Tags"):
        arns = [check.resource for check in found if check.resource.rpartition(":")[2] == asked.text(*made)]
        found += [Check("rds:AddTagsToResource", arn, asked.account, _rds_context(asked)) for arn in arns]
    return found


def _rds_context(asked: Asked) -> Context:
    context = request_tags(asked.get("Tags"))
    for key, value in list(context.items()):
        if key.startswith("aws:RequestTag/"):
            context["rds:req-tag/" + key.partition("/")[2]] = value
    for parameter, key in (
        ("DBInstanceClass", "rds:DatabaseClass"),
        ("Engine", "rds:DatabaseEngine"),
        ("DBName", "rds:DatabaseName"),
        ("AllocatedStorage", "rds:StorageSize"),
        ("MultiAZ", "rds:MultiAz"),
        ("StorageEncrypted", "rds:StorageEncrypted"),
        ("PubliclyAccessible", "rds:PubliclyAccessible"),
    ):
        value = asked.params.get(parameter)
        if value is not None:
            context[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return context


_BUDGETS = {
    "CreateBudget": "ModifyBudget", "UpdateBudget": "ModifyBudget", "DeleteBudget": "ModifyBudget",
    "CreateNotification": "ModifyBudget", "UpdateNotification": "ModifyBudget", "DeleteNotification": "ModifyBudget",
    "CreateSubscriber": "ModifyBudget", "UpdateSubscriber": "ModifyBudget", "DeleteSubscriber": "ModifyBudget",
}  # fmt: skip
_BUDGET_VIEWS = (
    "DescribeBudget", "DescribeBudgets", "DescribeNotificationsForBudget", "DescribeSubscribersForNotification",
    "DescribeBudgetPerformanceHistory", "DescribeBudgetNotificationsForAccount",
)  # fmt: skip


async def budgets(asked: Asked) -> list[Check]:
    """All changes are ``budgets:ModifyBudget``, all reads ``budgets:ViewBudget``."""
    action = _BUDGETS.get(asked.operation) or ("ViewBudget" if asked.operation in _BUDGET_VIEWS else "")
    if not action:
        return await generic.checks(asked)
    given: Any = asked.get("Budget", "NewBudget") or {}
    name = asked.text("BudgetName") or str(given.get("BudgetName") or "*")
    account = asked.text("AccountId") or asked.account
    context = request_tags(asked.get("ResourceTags"))
    return [Check(f"budgets:{action}", f"arn:aws:budgets::{account}:budget/{name}", account, context)]


async def route53(asked: Asked) -> list[Check]:
    """Changes of records carry the names, types and actions that they make."""
    found = await generic.checks(asked)
    if asked.operation == "ChangeTagsForResource" or asked.operation == "ListTagsForResource":
        kind, identifier = asked.text("ResourceType"), asked.text("ResourceId").rpartition("/")[2]
        arn = f"arn:aws:route53:::{kind}/{identifier}"
        return [Check(f"route53:{asked.operation}", arn, asked.account, request_tags(asked.get("AddTags")))]
    if asked.operation != "ChangeResourceRecordSets":
        return found
    changes = (asked.get("ChangeBatch") or {}).get("Changes") or []
    sets = [change.get("ResourceRecordSet") or {} for change in changes]
    context: Context = {
        "route53:ChangeResourceRecordSetsNormalizedRecordNames": tuple(
            sorted({str(record.get("Name", "")).lower().rstrip(".") for record in sets})
        ),
        "route53:ChangeResourceRecordSetsRecordTypes": tuple(sorted({str(record.get("Type")) for record in sets})),
        "route53:ChangeResourceRecordSetsActions": tuple(sorted({str(change.get("Action")) for change in changes})),
    }
    return [
        Check(check.action, check.resource, check.resource_account, {**check.context, **context}) for check in found
    ]
