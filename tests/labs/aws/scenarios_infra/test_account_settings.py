"""What accounts set in EC2, RDS and Auto Scaling beside their resources.  Pages: each operation's API Reference."""

from __future__ import annotations

import json
from typing import Any


def test_metadata_defaults_and_blocked_sharing(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    ec2.modify_instance_metadata_defaults(HttpTokens="required", HttpPutResponseHopLimit=1)
    level = ec2.get_instance_metadata_defaults()["AccountLevel"]
    assert (level["HttpTokens"], level["HttpPutResponseHopLimit"]) == ("required", 1)
    ec2.modify_instance_metadata_defaults(HttpPutResponseHopLimit=-1)
    assert "HttpPutResponseHopLimit" not in ec2.get_instance_metadata_defaults()["AccountLevel"]
    assert ec2.get_snapshot_block_public_access_state()["State"] == "unblocked"
    ec2.enable_snapshot_block_public_access(State="block-all-sharing")
    assert ec2.get_snapshot_block_public_access_state()["State"] == "block-all-sharing"
    refused("InvalidParameterValue", ec2.enable_snapshot_block_public_access, State="never")
    ec2.disable_image_block_public_access()
    assert ec2.get_image_block_public_access_state()["ImageBlockPublicAccessState"] == "unblocked"


def test_default_key_of_volumes(cloud: Any) -> None:
    ec2 = cloud.ec2
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    key = cloud.kms.create_key()["KeyMetadata"]
    assert ec2.modify_ebs_default_kms_key_id(KmsKeyId=key["KeyId"])["KmsKeyId"] == key["Arn"]
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == key["Arn"]
    assert ec2.reset_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"


def test_a_managed_password_lies_in_secrets_manager(cloud: Any) -> None:
    cloud.rds.create_db_instance(
        DBInstanceIdentifier="orders", Engine="postgres", DBInstanceClass="db.t3.micro", AllocatedStorage=20,
        MasterUsername="shop", ManageMasterUserPassword=True,
    )  # fmt: skip
    (read,) = cloud.rds.describe_db_instances(DBInstanceIdentifier="orders")["DBInstances"]
    arn = read["MasterUserSecret"]["SecretArn"]
    secret = json.loads(cloud.secretsmanager.get_secret_value(SecretId=arn)["SecretString"])
    assert secret["username"] == "shop"
    assert len(secret["password"]) >= 20
    (again,) = cloud.rds.describe_db_instances(DBInstanceIdentifier="orders")["DBInstances"]
    assert again["MasterUserSecret"]["SecretArn"] == arn


def test_certificates_and_quotas_of_rds(cloud: Any, refused: Any) -> None:
    answer = cloud.rds.describe_certificates()
    known = {entry["CertificateIdentifier"] for entry in answer["Certificates"]}
    assert answer["DefaultCertificateForNewLaunches"] in known
    refused(("CertificateNotFound", "CertificateNotFoundFault"), cloud.rds.describe_certificates,
            CertificateIdentifier="none")  # fmt: skip
    quotas = {q["AccountQuotaName"]: q["Used"] for q in cloud.rds.describe_account_attributes()["AccountQuotas"]}
    assert quotas["DBInstances"] == 0
    assert cloud.rds.describe_pending_maintenance_actions()["PendingMaintenanceActions"] == []


def test_an_instance_refresh_replaces_every_instance(cloud: Any, refused: Any) -> None:
    _, subnets = cloud.network()
    ec2, scaling = cloud.ec2, cloud.autoscaling
    ec2.create_launch_template(
        LaunchTemplateName="web", LaunchTemplateData={"ImageId": cloud.image(), "InstanceType": "t3.micro"}
    )
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="web", LaunchTemplate={"LaunchTemplateName": "web"}, MinSize=2, MaxSize=3,
        VPCZoneIdentifier=",".join(subnets),
    )  # fmt: skip

    def read() -> set[str]:
        found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["web"])["AutoScalingGroups"][0]
        return {instance["InstanceId"] for instance in found["Instances"]}

    before = read()
    started = scaling.start_instance_refresh(AutoScalingGroupName="web")["InstanceRefreshId"]
    (refresh,) = scaling.describe_instance_refreshes(AutoScalingGroupName="web")["InstanceRefreshes"]
    assert (refresh["InstanceRefreshId"], refresh["Status"]) == (started, "Successful")
    assert len(read()) == 2
    assert not read() & before
    refused("ActiveInstanceRefreshNotFound", scaling.cancel_instance_refresh, AutoScalingGroupName="web")
    refused("ValidationError", scaling.start_instance_refresh, AutoScalingGroupName="none")


def test_a_budget_action_attaches_a_policy(cloud: Any, refused: Any) -> None:
    budgets, iam = cloud.budgets, cloud.iam
    monthly = {"BudgetName": "shop", "BudgetLimit": {"Amount": "100", "Unit": "USD"}, "TimeUnit": "MONTHLY",
               "BudgetType": "COST"}  # fmt: skip
    account = {"AccountId": cloud.number}
    low = {**monthly, "BudgetLimit": {"Amount": "-1", "Unit": "USD"}}
    refused("InvalidParameterException", budgets.create_budget, **account, Budget=low)
    budgets.create_budget(**account, Budget=monthly)
    deny = {"Effect": "Deny", "Action": "ec2:RunInstances", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    policy = iam.create_policy(PolicyName="stop", PolicyDocument=document)["Policy"]["Arn"]
    iam.create_user(UserName="developer")
    wanted = {
        "BudgetName": "shop", "NotificationType": "ACTUAL", "ActionType": "APPLY_IAM_POLICY",
        "ActionThreshold": {"ActionThresholdValue": 90, "ActionThresholdType": "PERCENTAGE"},
        "Definition": {"IamActionDefinition": {"PolicyArn": policy, "Users": ["developer"]}},
        "ExecutionRoleArn": cloud.role("budgets", "budgets.amazonaws.com"), "ApprovalModel": "MANUAL",
        "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "ops@example.com"}],
    }  # fmt: skip
    refused("NotFoundException", budgets.create_budget_action, **account, **{**wanted, "BudgetName": "none"})
    made = budgets.create_budget_action(**account, **wanted)["ActionId"]
    action = {**account, "BudgetName": "shop", "ActionId": made}
    assert budgets.describe_budget_action(**action)["Action"]["Status"] == "STANDBY"
    budgets.execute_budget_action(**action, ExecutionType="APPROVE_BUDGET_ACTION")
    attached = lambda: iam.list_attached_user_policies(UserName="developer")["AttachedPolicies"]  # noqa: E731
    assert [entry["PolicyArn"] for entry in attached()] == [policy]
    budgets.execute_budget_action(**action, ExecutionType="REVERSE_BUDGET_ACTION")
    assert attached() == []
    kinds = [entry["EventType"] for entry in budgets.describe_budget_action_histories(**action)["ActionHistories"]]
    assert kinds[0] == "CREATE_ACTION"
    budgets.delete_budget_action(**action)
    refused("NotFoundException", budgets.describe_budget_action, **action)
    history = budgets.describe_budget_performance_history(**account, BudgetName="shop")["BudgetPerformanceHistory"]
    assert history["BudgetName"] == "shop"


def test_resources_of_every_service_are_found_by_their_tags(cloud: Any, refused: Any) -> None:
    """GetResources, TagResources (Resource Groups Tagging API Reference)."""
    tagging, bucket = cloud.resourcegroupstaggingapi, f"tags-{cloud.number}"
    cloud.s3.create_bucket(Bucket=bucket)
    tags = [{"Key": "team", "Value": "shop"}]
    cloud.s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    volume = cloud.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    arns = {f"arn:aws:s3:::{bucket}", cloud.arn("ec2", f"volume/{volume}")}

    def found(**more: Any) -> set[str]:
        pages = tagging.get_paginator("get_resources").paginate(**more)
        return {entry["ResourceARN"] for page in pages for entry in page["ResourceTagMappingList"]}

    mine = {"TagFilters": [{"Key": "team", "Values": ["shop"]}]}
    assert found(**mine) == {f"arn:aws:s3:::{bucket}"}
    missing = cloud.arn("ec2", "volume/vol-0123456789abcdef0")
    done = tagging.tag_resources(ResourceARNList=[*arns, missing], Tags={"team": "shop"})
    assert set(done["FailedResourcesMap"]) == {missing}
    assert found(**mine, PaginationConfig={"PageSize": 1}) == arns
    assert found(**mine, ResourceTypeFilters=["ec2:volume"]) == {cloud.arn("ec2", f"volume/{volume}")}
    assert tagging.get_tag_values(Key="team")["TagValues"] == ["shop"]
    tagging.untag_resources(ResourceARNList=[cloud.arn("ec2", f"volume/{volume}")], TagKeys=["team"])
    assert found(**mine) == {f"arn:aws:s3:::{bucket}"}


def test_versions_of_a_launch_template_are_deleted_but_the_default(cloud: Any) -> None:
    ec2, name = cloud.ec2, {"LaunchTemplateName": "web"}
    data = {"ImageId": cloud.image(), "InstanceType": "t3.micro"}
    ec2.create_launch_template(**name, LaunchTemplateData=data)
    ec2.create_launch_template_version(**name, LaunchTemplateData={**data, "InstanceType": "t3.small"})
    done = ec2.delete_launch_template_versions(**name, Versions=["1", "2", "9"])
    assert [v["VersionNumber"] for v in done["SuccessfullyDeletedLaunchTemplateVersions"]] == [2]
    failed = done["UnsuccessfullyDeletedLaunchTemplateVersions"]
    codes = ["unexpectedError", "launchTemplateVersionDoesNotExist"]
    assert [v["ResponseError"]["Code"] for v in failed] == codes
    left = ec2.describe_launch_template_versions(**name)["LaunchTemplateVersions"]
    assert [version["VersionNumber"] for version in left] == [1]


def test_notifications_of_a_scaling_group(cloud: Any, refused: Any) -> None:
    _, subnets = cloud.network()
    scaling, name = cloud.autoscaling, {"AutoScalingGroupName": "web"}
    data = {"ImageId": cloud.image(), "InstanceType": "t3.micro"}
    cloud.ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)
    scaling.create_auto_scaling_group(
        **name, LaunchTemplate={"LaunchTemplateName": "web"}, MinSize=0, MaxSize=1, VPCZoneIdentifier=subnets[0]
    )
    launched = ["autoscaling:EC2_INSTANCE_LAUNCH"]
    missing = cloud.arn("sns", "none")
    refused("ValidationError", scaling.put_notification_configuration, **name, TopicARN=missing,
            NotificationTypes=launched)  # fmt: skip
    topic = cloud.sns.create_topic(Name="scaling")["TopicArn"]
    scaling.put_notification_configuration(**name, TopicARN=topic, NotificationTypes=launched)
    (read,) = scaling.describe_notification_configurations()["NotificationConfigurations"]
    assert (read["TopicARN"], read["NotificationType"]) == (topic, launched[0])
    scaling.delete_notification_configuration(**name, TopicARN=topic)
    assert scaling.describe_notification_configurations()["NotificationConfigurations"] == []
