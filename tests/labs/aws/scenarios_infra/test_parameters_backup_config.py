"""Parameter Store, AWS Backup, AWS Config, X-Ray, WAF.  Pages: each service's API Reference."""

from __future__ import annotations

import json
import time
from typing import Any

QUICK_DEADLINE = 20.0


def test_parameters(cloud: Any, refused: Any) -> None:
    ssm = cloud.ssm
    made = ssm.put_parameter(Name="/shop/dev/url", Value="http://a", Type="String", Description="d",
                             Tags=[{"Key": "env", "Value": "dev"}])
    assert (made["Version"], made["Tier"]) == (1, "Standard")
    refused("ParameterAlreadyExists", ssm.put_parameter, Name="/shop/dev/url", Value="x", Type="String")
    assert ssm.put_parameter(Name="/shop/dev/url", Value="http://b", Type="String", Overwrite=True)["Version"] == 2
    read = ssm.get_parameter(Name="/shop/dev/url")["Parameter"]
    assert (read["Value"], read["Version"], read["Type"]) == ("http://b", 2, "String")
    assert read["ARN"] == cloud.arn("ssm", "parameter/shop/dev/url")
    assert ssm.get_parameter(Name="/shop/dev/url:1")["Parameter"]["Value"] == "http://a"
    history = ssm.get_parameter_history(Name="/shop/dev/url")["Parameters"]
    assert [(h["Version"], h["Value"]) for h in history] == [(1, "http://a"), (2, "http://b")]
    ssm.label_parameter_version(Name="/shop/dev/url", ParameterVersion=1, Labels=["stable"])
    assert ssm.get_parameter(Name="/shop/dev/url:stable")["Parameter"]["Version"] == 1
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/shop/dev/url")["TagList"]
    assert tags == [{"Key": "env", "Value": "dev"}]
    got = ssm.get_parameters(Names=["/shop/dev/url", "/shop/dev/none"])
    assert [p["Name"] for p in got["Parameters"]] == ["/shop/dev/url"]
    assert got["InvalidParameters"] == ["/shop/dev/none"]
    refused("ParameterNotFound", ssm.get_parameter, Name="/shop/dev/none")
    refused("ParameterNotFound", ssm.delete_parameter, Name="/shop/dev/none")
    refused("ParameterVersionNotFound", ssm.get_parameter, Name="/shop/dev/url:9")
    refused("ValidationException", ssm.put_parameter, Name="/aws/mine", Value="x", Type="String")
    ssm.delete_parameter(Name="/shop/dev/url")
    refused("ParameterNotFound", ssm.get_parameter, Name="/shop/dev/url")


def test_secure_parameters_are_encrypted(cloud: Any) -> None:
    ssm = cloud.ssm
    key = cloud.kms.create_key()["KeyMetadata"]["KeyId"]
    ssm.put_parameter(Name="/shop/password", Value="not-a-secret", Type="SecureString", KeyId=key)
    sealed = ssm.get_parameter(Name="/shop/password")["Parameter"]
    assert sealed["Type"] == "SecureString"
    assert "not-a-secret" not in sealed["Value"]
    assert ssm.get_parameter(Name="/shop/password", WithDecryption=True)["Parameter"]["Value"] == "not-a-secret"
    (described,) = ssm.describe_parameters(
        ParameterFilters=[{"Key": "Type", "Option": "Equals", "Values": ["SecureString"]}]
    )["Parameters"]
    assert described["KeyId"] == key


def test_parameters_by_path_and_page(cloud: Any) -> None:
    ssm = cloud.ssm
    for number in range(6):
        ssm.put_parameter(Name=f"/shop/app/p{number}", Value=str(number), Type="String")
    ssm.put_parameter(Name="/shop/app/deep/er", Value="d", Type="String")
    ssm.put_parameter(Name="/other", Value="o", Type="String")
    flat = ssm.get_parameters_by_path(Path="/shop/app", MaxResults=10)["Parameters"]
    assert {p["Name"] for p in flat} == {f"/shop/app/p{n}" for n in range(6)}
    deep = ssm.get_parameters_by_path(Path="/shop", Recursive=True, MaxResults=10)["Parameters"]
    assert len(deep) == 7
    first = ssm.get_parameters_by_path(Path="/shop/app", MaxResults=4)
    assert len(first["Parameters"]) == 4
    rest = ssm.get_parameters_by_path(Path="/shop/app", MaxResults=4, NextToken=first["NextToken"])
    assert len(rest["Parameters"]) == 2
    gone = ssm.delete_parameters(Names=["/other", "/none"])
    assert (gone["DeletedParameters"], gone["InvalidParameters"]) == (["/other"], ["/none"])


def test_parameter_permissions_by_path(cloud: Any, refused: Any) -> None:
    for name in ("/shop/dev/a", "/shop/prod/a"):
        cloud.ssm.put_parameter(Name=name, Value="v", Type="String")
    user = cloud.user(
        {"Effect": "Allow", "Action": ["ssm:GetParameter", "ssm:GetParametersByPath"],
         "Resource": [cloud.arn("ssm", "parameter/shop/dev"), cloud.arn("ssm", "parameter/shop/dev/*")]}
    )
    user.ssm.get_parameter(Name="/shop/dev/a")
    user.ssm.get_parameters_by_path(Path="/shop/dev")
    refused("AccessDeniedException", user.ssm.get_parameter, Name="/shop/prod/a")
    refused("AccessDeniedException", user.ssm.get_parameters_by_path, Path="/shop/prod")
    refused("AccessDeniedException", user.ssm.put_parameter, Name="/shop/dev/a", Value="x", Overwrite=True)


# -- Backup ------------------------------------------------------------------------------------------------------------


def until(read: Any, wanted: tuple[str, ...]) -> str:
    """Wait until ``read()`` is one of ``wanted``."""
    end = time.monotonic() + QUICK_DEADLINE
    while (seen := read()) not in wanted:
        assert time.monotonic() < end, f"last seen: {seen}"
        time.sleep(0.2)
    return str(seen)


def test_backup_vaults(cloud: Any, refused: Any) -> None:
    backup = cloud.backup
    made = backup.create_backup_vault(BackupVaultName="shop", BackupVaultTags={"env": "dev"})
    assert made["BackupVaultArn"] == cloud.arn("backup", "backup-vault:shop")
    refused("AlreadyExistsException", backup.create_backup_vault, BackupVaultName="shop")
    read = backup.describe_backup_vault(BackupVaultName="shop")
    assert (read["NumberOfRecoveryPoints"], read["Locked"]) == (0, False)
    assert backup.list_tags(ResourceArn=made["BackupVaultArn"])["Tags"] == {"env": "dev"}
    backup.put_backup_vault_lock_configuration(BackupVaultName="shop", MinRetentionDays=7, MaxRetentionDays=30)
    read = backup.describe_backup_vault(BackupVaultName="shop")
    assert (read["Locked"], read["MinRetentionDays"]) == (True, 7)
    backup.delete_backup_vault_lock_configuration(BackupVaultName="shop")
    assert "shop" in [v["BackupVaultName"] for v in backup.list_backup_vaults()["BackupVaultList"]]
    backup.delete_backup_vault(BackupVaultName="shop")
    refused(("ResourceNotFoundException", "AccessDeniedException"), backup.describe_backup_vault,
            BackupVaultName="shop")


def test_backup_plans(cloud: Any, refused: Any) -> None:
    backup = cloud.backup
    backup.create_backup_vault(BackupVaultName="shop")
    rule = {"RuleName": "daily", "TargetBackupVaultName": "shop", "ScheduleExpression": "cron(0 5 ? * * *)",
            "Lifecycle": {"DeleteAfterDays": 35}}
    made = backup.create_backup_plan(BackupPlan={"BackupPlanName": "shop", "Rules": [rule]})
    plan = made["BackupPlanId"]
    read = backup.get_backup_plan(BackupPlanId=plan)
    assert read["BackupPlan"]["Rules"][0]["Lifecycle"]["DeleteAfterDays"] == 35
    role = cloud.role("backup", "backup.amazonaws.com")
    selection = backup.create_backup_selection(
        BackupPlanId=plan,
        BackupSelection={
            "SelectionName": "tagged",
            "IamRoleArn": role,
            "ListOfTags": [{"ConditionType": "STRINGEQUALS", "ConditionKey": "backup", "ConditionValue": "daily"}],
        },
    )["SelectionId"]
    got = backup.get_backup_selection(BackupPlanId=plan, SelectionId=selection)["BackupSelection"]
    assert got["ListOfTags"][0]["ConditionValue"] == "daily"
    assert len(backup.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"]) == 1
    updated = backup.update_backup_plan(
        BackupPlanId=plan,
        BackupPlan={"BackupPlanName": "shop", "Rules": [{**rule, "Lifecycle": {"DeleteAfterDays": 90}}]},
    )
    assert updated["VersionId"] != made["VersionId"]
    read = backup.get_backup_plan(BackupPlanId=plan)
    assert read["BackupPlan"]["Rules"][0]["Lifecycle"]["DeleteAfterDays"] == 90
    assert plan in [p["BackupPlanId"] for p in backup.list_backup_plans()["BackupPlansList"]]
    refused("InvalidRequestException", backup.delete_backup_plan, BackupPlanId=plan)
    backup.delete_backup_selection(BackupPlanId=plan, SelectionId=selection)
    backup.delete_backup_plan(BackupPlanId=plan)
    refused("ResourceNotFoundException", backup.get_backup_plan,
            BackupPlanId="00000000-0000-0000-0000-000000000000")


def test_backup_job_makes_a_recovery_point_that_restores(cloud: Any, refused: Any) -> None:
    backup = cloud.backup
    backup.create_backup_vault(BackupVaultName="shop")
    role = cloud.role("backup", "backup.amazonaws.com")
    table = cloud.dynamodb.create_table(
        TableName="orders", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST",
    )["TableDescription"]["TableArn"]
    cloud.dynamodb.put_item(TableName="orders", Item={"id": {"S": "1"}, "n": {"N": "7"}})
    refused("ResourceNotFoundException", backup.start_backup_job, BackupVaultName="none", ResourceArn=table,
            IamRoleArn=role)
    job = backup.start_backup_job(BackupVaultName="shop", ResourceArn=table, IamRoleArn=role)
    state = lambda: backup.describe_backup_job(BackupJobId=job["BackupJobId"])["State"]  # noqa: E731
    assert until(state, ("COMPLETED", "FAILED")) == "COMPLETED"
    done = backup.describe_backup_job(BackupJobId=job["BackupJobId"])
    point = done["RecoveryPointArn"]
    (listed,) = backup.list_recovery_points_by_backup_vault(BackupVaultName="shop")["RecoveryPoints"]
    assert (listed["RecoveryPointArn"], listed["ResourceArn"], listed["Status"]) == (point, table, "COMPLETED")
    by_resource = backup.list_recovery_points_by_resource(ResourceArn=table)["RecoveryPoints"]
    assert [p["RecoveryPointArn"] for p in by_resource] == [point]
    refused("InvalidRequestException", backup.delete_backup_vault, BackupVaultName="shop")
    cloud.dynamodb.delete_table(TableName="orders")
    metadata = backup.get_recovery_point_restore_metadata(BackupVaultName="shop", RecoveryPointArn=point)
    restore = backup.start_restore_job(
        RecoveryPointArn=point,
        Metadata={**metadata["RestoreMetadata"], "targetTableName": "orders-2"},
        IamRoleArn=role,
        ResourceType="DynamoDB",
    )["RestoreJobId"]
    state = lambda: backup.describe_restore_job(RestoreJobId=restore)["Status"]  # noqa: E731
    assert until(state, ("COMPLETED", "FAILED", "ABORTED")) == "COMPLETED"
    assert cloud.dynamodb.get_item(TableName="orders-2", Key={"id": {"S": "1"}})["Item"]["n"] == {"N": "7"}
    backup.delete_recovery_point(BackupVaultName="shop", RecoveryPointArn=point)
    assert backup.list_recovery_points_by_backup_vault(BackupVaultName="shop")["RecoveryPoints"] == []
    backup.delete_backup_vault(BackupVaultName="shop")


def test_backup_passes_its_role(cloud: Any, refused: Any) -> None:
    cloud.backup.create_backup_vault(BackupVaultName="shop")
    role = cloud.role("backup", "backup.amazonaws.com")
    volume = cloud.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    params = {"BackupVaultName": "shop", "ResourceArn": cloud.arn("ec2", f"volume/{volume}"), "IamRoleArn": role}
    allow = {"Effect": "Allow", "Action": "backup:StartBackupJob", "Resource": cloud.arn("backup",
                                                                                        "backup-vault:shop")}
    passing = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": role}
    refused("AccessDeniedException", cloud.user(allow).backup.start_backup_job, **params)
    cloud.user(allow, passing).backup.start_backup_job(**params)


# -- Config ------------------------------------------------------------------------------------------------------------


def test_config_recorder_and_rules(cloud: Any, refused: Any) -> None:
    config = cloud.config
    role = cloud.role("config", "config.amazonaws.com")
    recorder = {"name": "default", "roleARN": role, "recordingGroup": {"allSupported": True,
                                                                       "includeGlobalResourceTypes": True}}
    refused("NoAvailableDeliveryChannelException", start_without_channel, config, recorder)
    cloud.s3.create_bucket(Bucket=f"config-{cloud.number}")
    config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": f"config-{cloud.number}"})
    config.start_configuration_recorder(ConfigurationRecorderName="default")
    (status,) = config.describe_configuration_recorder_status()["ConfigurationRecordersStatus"]
    assert status["recording"] is True
    rule = {"ConfigRuleName": "encrypted", "Source": {"Owner": "AWS", "SourceIdentifier": "ENCRYPTED_VOLUMES"},
            "Scope": {"ComplianceResourceTypes": ["AWS::EC2::Volume"]}}
    config.put_config_rule(ConfigRule=rule)
    (read,) = config.describe_config_rules(ConfigRuleNames=["encrypted"])["ConfigRules"]
    assert read["ConfigRuleState"] == "ACTIVE"
    assert read["ConfigRuleArn"].startswith(cloud.arn("config", "config-rule/"))
    config.delete_config_rule(ConfigRuleName="encrypted")
    refused("NoSuchConfigRuleException", config.describe_config_rules, ConfigRuleNames=["encrypted"])
    refused("NoSuchConfigurationRecorderException", config.stop_configuration_recorder,
            ConfigurationRecorderName="none")
    config.stop_configuration_recorder(ConfigurationRecorderName="default")
    config.delete_configuration_recorder(ConfigurationRecorderName="default")
    assert config.describe_configuration_recorders()["ConfigurationRecorders"] == []


def start_without_channel(config: Any, recorder: dict[str, Any]) -> Any:
    config.put_configuration_recorder(ConfigurationRecorder=recorder)
    return lambda **_: config.start_configuration_recorder(ConfigurationRecorderName=recorder["name"])


# -- X-Ray -------------------------------------------------------------------------------------------------------------


def test_traces_are_put_and_found(cloud: Any) -> None:
    now = time.time()
    trace = f"1-{int(now):08x}-{'a' * 24}"
    segment = {"name": "shop", "id": "70de5b6f19ff9a0a", "trace_id": trace, "start_time": now - 1, "end_time": now,
               "http": {"request": {"method": "GET", "url": "http://shop/"}, "response": {"status": 200}}}
    answer = cloud.xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(segment)])
    assert answer["UnprocessedTraceSegments"] == []
    got = cloud.xray.batch_get_traces(TraceIds=[trace])
    (found,) = got["Traces"]
    assert found["Id"] == trace
    assert json.loads(found["Segments"][0]["Document"])["name"] == "shop"
    summaries = cloud.xray.get_trace_summaries(StartTime=now - 60, EndTime=now + 60)["TraceSummaries"]
    assert [s["Id"] for s in summaries] == [trace]


def test_web_acl_of_a_load_balancer(cloud: Any, refused: Any) -> None:
    waf = cloud.wafv2
    _, subnets = cloud.network()
    balancer = cloud.elbv2.create_load_balancer(Name="shop", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    visible = {"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True, "MetricName": "m"}
    rule = {"Name": "rate", "Priority": 0, "Statement": {"RateBasedStatement": {"Limit": 100,
            "AggregateKeyType": "IP"}}, "Action": {"Block": {}}, "VisibilityConfig": visible}
    made = waf.create_web_acl(Name="shop", Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=visible,
                              Rules=[rule])["Summary"]
    refused("WAFDuplicateItemException", waf.create_web_acl, Name="shop", Scope="REGIONAL",
            DefaultAction={"Allow": {}}, VisibilityConfig=visible)
    waf.associate_web_acl(WebACLArn=made["ARN"], ResourceArn=balancer)
    assert waf.get_web_acl_for_resource(ResourceArn=balancer)["WebACL"]["ARN"] == made["ARN"]
    got = waf.get_web_acl(Name="shop", Scope="REGIONAL", Id=made["Id"])
    assert got["WebACL"]["Rules"][0]["Name"] == "rate"
    waf.disassociate_web_acl(ResourceArn=balancer)
    waf.delete_web_acl(Name="shop", Scope="REGIONAL", Id=made["Id"], LockToken=got["LockToken"])
    refused("WAFNonexistentItemException", waf.get_web_acl, Name="shop", Scope="REGIONAL", Id=made["Id"])
