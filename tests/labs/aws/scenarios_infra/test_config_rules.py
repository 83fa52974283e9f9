"""AWS Config's managed rules.  Page: "List of AWS Config managed rules" (AWS Config Developer Guide)."""

from __future__ import annotations

import json
from typing import Any


def record(cloud: Any, refused: Any) -> None:
    """Start a recorder, in the order that AWS asks for."""
    config, bucket = cloud.config, f"config-{cloud.number}"
    channel = {"name": "default", "s3BucketName": bucket}
    refused("NoAvailableConfigurationRecorderException", config.put_delivery_channel, DeliveryChannel=channel)
    role = cloud.role("config", "config.amazonaws.com")
    config.put_configuration_recorder(ConfigurationRecorder={"name": "default", "roleARN": role})
    start = {"ConfigurationRecorderName": "default"}
    refused("NoAvailableDeliveryChannelException", config.start_configuration_recorder, **start)
    refused("NoSuchBucketException", config.put_delivery_channel, DeliveryChannel=channel)
    cloud.s3.create_bucket(Bucket=bucket)
    config.put_delivery_channel(DeliveryChannel=channel)
    refused("NoSuchConfigurationRecorderException", config.start_configuration_recorder,
            ConfigurationRecorderName="none")  # fmt: skip
    config.start_configuration_recorder(**start)


def rule(cloud: Any, name: str, identifier: str, **more: Any) -> None:
    source = {"Owner": "AWS", "SourceIdentifier": identifier}
    cloud.config.put_config_rule(ConfigRule={"ConfigRuleName": name, "Source": source, **more})


def verdict(cloud: Any, name: str) -> str:
    (entry,) = cloud.config.describe_compliance_by_config_rule(ConfigRuleNames=[name])["ComplianceByConfigRules"]
    return str(entry["Compliance"]["ComplianceType"])


def test_a_bucket_becomes_compliant(cloud: Any, refused: Any) -> None:
    rule(cloud, "versions", "S3_BUCKET_VERSIONING_ENABLED")
    assert verdict(cloud, "versions") == "INSUFFICIENT_DATA"
    record(cloud, refused)
    assert verdict(cloud, "versions") == "NON_COMPLIANT"
    bucket = f"config-{cloud.number}"
    details = {"ConfigRuleName": "versions", "ComplianceTypes": ["NON_COMPLIANT"]}
    (found,) = cloud.config.get_compliance_details_by_config_rule(**details)["EvaluationResults"]
    about = found["EvaluationResultIdentifier"]["EvaluationResultQualifier"]
    assert (about["ResourceType"], about["ResourceId"]) == ("AWS::S3::Bucket", bucket)
    cloud.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    cloud.config.start_config_rules_evaluation(ConfigRuleNames=["versions"])
    assert verdict(cloud, "versions") == "COMPLIANT"
    assert cloud.config.get_compliance_details_by_config_rule(**details)["EvaluationResults"] == []
    refused("NoSuchConfigRuleException", cloud.config.describe_compliance_by_config_rule, ConfigRuleNames=["none"])


def test_open_groups_untagged_and_unprotected_resources_are_found(cloud: Any, refused: Any) -> None:
    record(cloud, refused)
    vpc, _ = cloud.network()
    group = cloud.ec2.create_security_group(GroupName="ssh", Description="d", VpcId=vpc)["GroupId"]
    rule(cloud, "ssh", "INCOMING_SSH_DISABLED")
    assert verdict(cloud, "ssh") == "COMPLIANT"
    cloud.ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=0, ToPort=1024, CidrIp="0.0.0.0/0"
    )
    assert verdict(cloud, "ssh") == "NON_COMPLIANT"
    tags = json.dumps({"tag1Key": "team", "tag1Value": "shop,search"})
    rule(cloud, "tags", "REQUIRED_TAGS", InputParameters=tags,
         Scope={"ComplianceResourceTypes": ["AWS::EC2::Volume"]})  # fmt: skip
    volume = cloud.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    assert verdict(cloud, "tags") == "NON_COMPLIANT"
    cloud.ec2.create_tags(Resources=[volume], Tags=[{"Key": "team", "Value": "search"}])
    assert verdict(cloud, "tags") == "COMPLIANT"
    rule(cloud, "logs", "VPC_FLOW_LOGS_ENABLED")
    rule(cloud, "mfa", "IAM_USER_MFA_ENABLED")
    assert (verdict(cloud, "logs"), verdict(cloud, "mfa")) == ("NON_COMPLIANT", "NON_COMPLIANT")
    summary = cloud.config.get_compliance_summary_by_config_rule()["ComplianceSummary"]
    assert summary["NonCompliantResourceCount"]["CappedCount"] == 3


def test_the_recorder_stops_before_its_channel_goes(cloud: Any, refused: Any) -> None:
    record(cloud, refused)
    config, channel = cloud.config, {"DeliveryChannelName": "default"}
    refused("LastDeliveryChannelDeleteFailedException", config.delete_delivery_channel, **channel)
    config.stop_configuration_recorder(ConfigurationRecorderName="default")
    config.delete_delivery_channel(**channel)
    refused("NoSuchDeliveryChannelException", config.delete_delivery_channel, **channel)
    config.delete_configuration_recorder(ConfigurationRecorderName="default")
    assert config.describe_configuration_recorders()["ConfigurationRecorders"] == []
