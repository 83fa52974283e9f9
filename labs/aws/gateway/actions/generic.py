"""Any service: the operation's own name, and a resource whose ARN template can be filled from the parameters."""

from __future__ import annotations

import re
from typing import Any

from labs.aws.gateway.actions import reference
from labs.aws.gateway.actions.asked import (
    Asked,
    Check,
    Context,
    account_in,
    pass_role,
    request_tags,
    resource_tags,
    tag_keys,
)
from labs.aws.models import service_model

# botocore's service name -> IAM prefix, where it is not the signing name.
PREFIX = {
    "cloudwatch": "cloudwatch",
    "elbv2": "elasticloadbalancing",
    "elb": "elasticloadbalancing",
    "stepfunctions": "states",
    "efs": "elasticfilesystem",
    "ses": "ses",
    "sesv2": "ses",
    "resourcegroupstaggingapi": "tag",
    "dynamodbstreams": "dynamodb",
    "cognito-idp": "cognito-idp",
    "apigatewayv2": "apigateway",
    "wafv2": "wafv2",
    "application-autoscaling": "application-autoscaling",
    "accessanalyzer": "access-analyzer",
    "opensearch": "es",
    "scheduler": "scheduler",
    "pipes": "pipes",
    "lambda": "lambda",
    "servicediscovery": "servicediscovery",
    "cur": "cur",
    "mq": "mq",
    "s3control": "s3",
    "fis": "fis",
    "docdb": "rds",
    "neptune": "rds",
}
# Operations whose IAM action has another name.
RENAMED = {
    "route53:ChangeTagsForResource": "ChangeTagsForResource",
    "cloudwatch:PutCompositeAlarm": "PutCompositeAlarm",
    "efs:CreateTags": "CreateTags",
}
# Who receives the role in a parameter of an operation ("Actions, resources, and condition keys": dependent actions).
PASSED = {
    ("eks", "CreateCluster"): (("roleArn",), "eks.amazonaws.com"),
    ("eks", "CreateNodegroup"): (("nodeRole",), "eks.amazonaws.com"),
    ("eks", "CreateFargateProfile"): (("podExecutionRoleArn",), "eks-fargate-pods.amazonaws.com"),
    ("eks", "CreatePodIdentityAssociation"): (("roleArn",), "pods.eks.amazonaws.com"),
    ("eks", "CreateAddon"): (("serviceAccountRoleArn",), "eks.amazonaws.com"),
    ("ecs", "RegisterTaskDefinition"): (("taskRoleArn", "executionRoleArn"), "ecs-tasks.amazonaws.com"),
    ("ecs", "CreateService"): (("role",), "ecs.amazonaws.com"),
    ("stepfunctions", "CreateStateMachine"): (("roleArn",), "states.amazonaws.com"),
    ("stepfunctions", "UpdateStateMachine"): (("roleArn",), "states.amazonaws.com"),
    ("cloudformation", "CreateStack"): (("RoleARN",), "cloudformation.amazonaws.com"),
    ("cloudformation", "UpdateStack"): (("RoleARN",), "cloudformation.amazonaws.com"),
    ("cloudformation", "CreateChangeSet"): (("RoleARN",), "cloudformation.amazonaws.com"),
    ("scheduler", "CreateSchedule"): (("Target.RoleArn",), "scheduler.amazonaws.com"),
    ("events", "PutRule"): (("RoleArn",), "events.amazonaws.com"),
    ("codebuild", "CreateProject"): (("serviceRole",), "codebuild.amazonaws.com"),
    ("firehose", "CreateDeliveryStream"): (("S3DestinationConfiguration.RoleARN",), "firehose.amazonaws.com"),
    ("backup", "CreateBackupSelection"): (("BackupSelection.IamRoleArn",), "backup.amazonaws.com"),
    ("backup", "StartBackupJob"): (("IamRoleArn",), "backup.amazonaws.com"),
    ("backup", "StartRestoreJob"): (("IamRoleArn",), "backup.amazonaws.com"),
    ("backup", "StartCopyJob"): (("IamRoleArn",), "backup.amazonaws.com"),
    ("config", "PutConfigurationRecorder"): (("ConfigurationRecorder.roleARN",), "config.amazonaws.com"),
    ("cloudtrail", "CreateTrail"): (("CloudWatchLogsRoleArn",), "cloudtrail.amazonaws.com"),
    ("cloudtrail", "UpdateTrail"): (("CloudWatchLogsRoleArn",), "cloudtrail.amazonaws.com"),
    ("rds", "CreateDBInstance"): (("MonitoringRoleArn",), "monitoring.rds.amazonaws.com"),
    ("fis", "CreateExperimentTemplate"): (("roleArn",), "fis.amazonaws.com"),
    ("pipes", "CreatePipe"): (("RoleArn",), "pipes.amazonaws.com"),
    ("glue", "CreateJob"): (("Role",), "glue.amazonaws.com"),
    ("accessanalyzer", "StartPolicyGeneration"): (("cloudTrailDetails.accessRole",), "access-analyzer.amazonaws.com"),
}
# Template variables whose value goes by another parameter name.
ALIASES = {
    "RepositoryName": ("repositoryName",),
    "ClusterName": ("clusterName", "name", "cluster"),
    "StateMachineName": ("name",),
    "LogGroupName": ("logGroupName",),
    "LogStreamName": ("logStreamName",),
    "DbInstanceName": ("DBInstanceIdentifier",),
    "DbClusterInstanceName": ("DBClusterIdentifier",),
    "SubnetGroupName": ("DBSubnetGroupName",),
    "SnapshotName": ("DBSnapshotIdentifier",),
    "StackName": ("StackName",),
    "BackupVaultName": ("BackupVaultName",),
    "BackupPlanId": ("BackupPlanId",),
    "TrailName": ("Name", "TrailName"),
    "AlarmName": ("AlarmName", "AlarmNames", "Name"),
    "DashboardName": ("DashboardName",),
    "DetectorId": ("DetectorId",),
    "AnalyzerName": ("analyzerName",),
    "CertificateId": (),
    "NodegroupName": ("nodegroupName",),
    "AddonName": ("addonName",),
    "AutoScalingGroupName": ("AutoScalingGroupName",),
    "AutoScalingGroupFriendlyName": ("AutoScalingGroupName",),
    "RuleName": ("Name", "Rule"),
    "EventBusName": ("EventBusName", "Name"),
    "RestApiId": ("restApiId",),
    "BudgetName": ("BudgetName", "Budget.BudgetName"),
    "FileSystemId": ("FileSystemId",),
    "StreamName": ("StreamName",),
    "DeliveryStreamName": ("DeliveryStreamName",),
    "Id": ("HostedZoneId", "Id"),
}
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_TAG_READERS = {
    "ecr": ("ListTagsForResource", "resourceArn", "tags"),
    "eks": ("ListTagsForResource", "resourceArn", "tags"),
    "sns": ("ListTagsForResource", "ResourceArn", "Tags"),
    "rds": ("ListTagsForResource", "ResourceName", "TagList"),
    "logs": ("ListTagsForResource", "resourceArn", "tags"),
    "stepfunctions": ("ListTagsForResource", "resourceArn", "tags"),
    "events": ("ListTagsForResource", "ResourceARN", "Tags"),
    "cloudwatch": ("ListTagsForResource", "ResourceARN", "Tags"),
    "acm": ("ListTagsForCertificate", "CertificateArn", "Tags"),
    "lambda": ("ListTags", "Resource", "Tags"),
    "dynamodb": ("ListTagsOfResource", "ResourceArn", "Tags"),
    "backup": ("ListTags", "ResourceArn", "Tags"),
}


def prefix_of(service: str) -> str:
    """The IAM prefix of a botocore service, e.g. ``elasticloadbalancing`` of ``elbv2``."""
    return PREFIX.get(service) or str(service_model(service).signing_name)


def action_of(prefix: str, operation: str) -> tuple[str, reference.Action | None]:
    """``prefix:Action`` in AWS's spelling, and its entry in the reference when it has one."""
    found = reference.service(prefix).actions.get(operation.lower())
    return f"{prefix}:{found.name if found else operation}", found


async def checks(asked: Asked) -> list[Check]:
    """The rule that most operations follow."""
    service, operation = asked.call.service, asked.operation
    prefix = prefix_of(service)
    action, entry = action_of(prefix, RENAMED.get(f"{service}:{operation}", operation))
    context = tags_in_request(asked)
    found = [
        await _with_tags(asked, prefix, Check(action, arn, account_in(arn) or _named_account(asked), context))
        for arn in _arns(asked, prefix, entry)
    ]
    names, receiver = PASSED.get((service, operation), ((), ""))
    for name in names:
        found += pass_role(asked, _deep(asked.params, name), receiver)
    return found


def _named_account(asked: Asked) -> str:
    """The account that an S3 Control call names, where its resource has no ARN."""
    return asked.text("AccountId") if asked.call.service == "s3control" else ""


def tags_in_request(asked: Asked) -> Context:
    """Condition keys of tags that a call sets or removes."""
    if asked.operation.lower().startswith(("untag", "removetags", "deletetags")):
        return tag_keys(asked.get("TagKeys", "tagKeys", "TagKeyList"))
    return request_tags(asked.get("Tags", "tags", "TagList", "TagsList", "BackupVaultTags", "BackupPlanTags"))


def _arns(asked: Asked, prefix: str, entry: reference.Action | None) -> list[str]:
    if entry is None or not entry.types:
        return ["*"]
    named = _named_arns(asked, prefix)
    if named:
        return named
    templates = reference.service(prefix).resources
    best, most = "", 0
    for kind, required in entry.types.items():
        template = templates.get(kind, "")
        filled, known, unknown = _fill(asked, template)
        if known > most and (not unknown or required):
            best, most = filled, known
    if best:
        return [best]
    for kind in entry.types:
        if listed := _listed_arns(asked, templates.get(kind, "")):
            return listed
    for kind, required in entry.types.items():
        if required and templates.get(kind):
            return [_fill(asked, templates[kind])[0]]
    return ["*"]


def _named_arns(asked: Asked, prefix: str) -> list[str]:
    """ARNs of this service among the parameters, those that end in ``Arn`` or name a resource."""
    for name, value in asked.params.items():
        if name.lower().endswith(("rolearn", "roleArn".lower(), "kmskeyid", "topicarn")) and prefix != "sns":
            continue
        values = value if isinstance(value, list) else [value]
        found = [v for v in values if isinstance(v, str) and v.startswith("arn:") and v.split(":")[2:3] == [prefix]]
        if found and len(found) == len(values):
            return found
    return []


def _listed_arns(asked: Asked, template: str) -> list[str]:
    """One ARN for each name in a parameter such as ``repositoryNames``, where the template's last variable is one."""
    variable = template.rpartition("${")[2].removesuffix("}")
    lowered = {name.lower(): value for name, value in asked.params.items()}
    values = lowered.get(f"{variable.lower()}s")
    if not variable or not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        return []
    head = template.removesuffix("${" + variable + "}")
    return [_fill(asked, head)[0] + value for value in values]


def _fill(asked: Asked, template: str) -> tuple[str, int, int]:
    """The template filled in; how many variables were known, and how many not (they become ``*``)."""
    known = unknown = 0

    def value(match: re.Match[str]) -> str:
        nonlocal known, unknown
        name = match[1]
        if name in ("Partition", "Region", "Account"):
            # ECR and S3 Control name another account beside the resource.
            account = asked.text("registryId") or _named_account(asked) or asked.account
            return {"Partition": "aws", "Region": asked.region, "Account": account}[name]
        found = _parameter(asked, name)
        if found:
            known += 1
            return found
        unknown += 1
        return "*"

    return _VARIABLE.sub(value, template), known, unknown


def _parameter(asked: Asked, variable: str) -> str:
    lowered = {name.lower(): name for name in asked.params}
    for candidate in (variable, *ALIASES.get(variable, ())):
        value = (
            _deep(asked.params, candidate) if "." in candidate else asked.params.get(lowered.get(candidate.lower(), ""))
        )
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, str) and value:
            return value.rpartition("/")[2] if value.startswith("/hostedzone/") else value
    return ""


def _deep(params: Any, path: str) -> Any:
    for part in path.split("."):
        params = params.get(part) if hasattr(params, "get") else None
    return params


async def _with_tags(asked: Asked, prefix: str, check: Check) -> Check:
    service = asked.call.service
    if "*" in check.resource or not asked.wants_tags(prefix):
        return check
    reader = _TAG_READERS.get(service)
    owner = check.resource_account or None
    if service in ("elbv2", "elb"):
        answer = await asked.ask("elbv2", "DescribeTags", account=owner, ResourceArns=[check.resource])
        tags: Any = next(iter(answer.get("TagDescriptions", [])), {}).get("Tags")
    elif reader:
        answer = await asked.ask(service, reader[0], account=owner, **{reader[1]: check.resource})
        tags = answer.get(reader[2])
    else:
        answer = await asked.ask(
            "resourcegroupstaggingapi", "GetResources", account=owner, ResourceARNList=[check.resource]
        )
        tags = next(iter(answer.get("ResourceTagMappingList", [])), {}).get("Tags")
    return Check(check.action, check.resource, check.resource_account, {**check.context, **resource_tags(tags, prefix)})
