"""Parameter Store, AWS Backup, AWS Config, X-Ray, WAF.  Pages: each service's API Reference."""

from __future__ import annotations

import time
from typing import Any

QUICK_DEADLINE = 20.0


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


def start_without_channel(config: Any, recorder: dict[str, Any]) -> Any:
    config.put_configuration_recorder(ConfigurationRecorder=recorder)
    return lambda **_: config.start_configuration_recorder(ConfigurationRecorderName=recorder["name"])


# -- X-Ray -------------------------------------------------------------------------------------------------------------


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
