"""Instances, volumes, images, launch templates, Spot.  Pages: EC2 User Guide; EC2 API Reference, "Error codes"."""

from __future__ import annotations

from typing import Any

import pytest


def tags_of(record: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in record.get("Tags", [])}


def launch(cloud: Any, subnet: str, **more: Any) -> dict[str, Any]:
    params = {"ImageId": cloud.image(), "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, **more}
    return dict(cloud.ec2.run_instances(SubnetId=subnet, **params)["Instances"][0])


def state(cloud: Any, instance: str) -> str:
    read = cloud.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    return str(read["State"]["Name"])


def test_instance_life(cloud: Any, refused: Any, quick: Any) -> None:
    ec2 = cloud.ec2
    vpc, (subnet, _) = cloud.network()
    group = ec2.create_security_group(GroupName="web", Description="d", VpcId=vpc)["GroupId"]
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web-1"}]}]
    made = launch(cloud, subnet, SecurityGroupIds=[group], TagSpecifications=tags)
    instance = made["InstanceId"]
    assert made["State"]["Name"] in ("pending", "running")
    assert made["SubnetId"] == subnet
    assert made["VpcId"] == vpc
    assert [g["GroupId"] for g in made["SecurityGroups"]] == [group]
    assert tags_of(made) == {"Name": "web-1"}
    ec2.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig=quick)
    ec2.get_waiter("instance_status_ok").wait(InstanceIds=[instance], WaiterConfig=quick)
    read = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    assert read["PrivateIpAddress"].startswith("10.20.0.")
    assert read["BlockDeviceMappings"][0]["Ebs"]["VolumeId"].startswith("vol-")
    assert read["NetworkInterfaces"][0]["SubnetId"] == subnet
    changes = ec2.stop_instances(InstanceIds=[instance])["StoppingInstances"]
    assert changes[0]["PreviousState"]["Name"] == "running"
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[instance], WaiterConfig=quick)
    ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": "t3.small"})
    ec2.start_instances(InstanceIds=[instance])
    ec2.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig=quick)
    read = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    assert read["InstanceType"] == "t3.small"
    ec2.reboot_instances(InstanceIds=[instance])
    refused("DependencyViolation", ec2.delete_security_group, GroupId=group)
    refused("DependencyViolation", ec2.delete_subnet, SubnetId=subnet)
    ended = ec2.terminate_instances(InstanceIds=[instance])["TerminatingInstances"]
    assert ended[0]["CurrentState"]["Name"] in ("shutting-down", "terminated")
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance], WaiterConfig=quick)
    assert state(cloud, instance) == "terminated"
    refused("IncorrectInstanceState", ec2.start_instances, InstanceIds=[instance])
    ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=subnet)


def test_termination_protection(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    _, (subnet, _) = cloud.network()
    instance = launch(cloud, subnet, DisableApiTermination=True)["InstanceId"]
    refused("OperationNotPermitted", ec2.terminate_instances, InstanceIds=[instance])
    attribute = ec2.describe_instance_attribute(InstanceId=instance, Attribute="disableApiTermination")
    assert attribute["DisableApiTermination"]["Value"] is True
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[instance])


def test_metadata_options_are_set_at_launch_and_changed(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    _, (subnet, _) = cloud.network()
    old = {"HttpTokens": "optional", "HttpPutResponseHopLimit": 2, "HttpEndpoint": "enabled"}
    made = launch(cloud, subnet, MetadataOptions=old)
    assert made["MetadataOptions"]["HttpTokens"] == "optional"
    assert made["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
    changed = ec2.modify_instance_metadata_options(
        InstanceId=made["InstanceId"], HttpTokens="required", HttpPutResponseHopLimit=1
    )
    assert changed["InstanceId"] == made["InstanceId"]
    assert changed["InstanceMetadataOptions"]["HttpTokens"] == "required"
    read = ec2.describe_instances(InstanceIds=[made["InstanceId"]])["Reservations"][0]["Instances"][0]
    options = read["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"], options["HttpEndpoint"]) == (
        "required",
        1,
        "enabled",
    )
    for limit in (0, 65):
        refused(
            ("InvalidParameterValue", "InvalidParameterCombination"),
            ec2.modify_instance_metadata_options,
            InstanceId=made["InstanceId"],
            HttpPutResponseHopLimit=limit,
        )
    refused(
        "InvalidInstanceID.NotFound",
        ec2.modify_instance_metadata_options,
        InstanceId="i-0123456789abcdef0",
        HttpTokens="required",
    )


def test_instances_by_filter_and_page(cloud: Any) -> None:
    ec2 = cloud.ec2
    _, (one, two) = cloud.network()
    spec = lambda env: [{"ResourceType": "instance", "Tags": [{"Key": "env", "Value": env}]}]  # noqa: E731
    for subnet, env, kind in ((one, "dev", "t3.micro"), (one, "prod", "t3.large"), (two, "prod", "t3.micro")):
        launch(cloud, subnet, InstanceType=kind, TagSpecifications=spec(env))

    def count(**filters: str) -> int:
        wanted = [{"Name": name.replace("__", ":").replace("_", "-"), "Values": [v]} for name, v in filters.items()]
        answer = ec2.describe_instances(Filters=wanted)
        return sum(len(r["Instances"]) for r in answer["Reservations"])

    assert count(tag__env="prod") == 2
    assert count(tag__env="prod", instance_type="t3.micro") == 1
    assert count(subnet_id=one) == 2
    assert count(availability_zone="us-east-1b") == 1
    assert count(instance_state_name="terminated") == 0
    for _ in range(4):
        launch(cloud, two, TagSpecifications=spec("many"))
    pages = list(ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}))
    assert len(pages) == 2
    assert sum(len(r["Instances"]) for page in pages for r in page["Reservations"]) == 7


def test_one_launch_of_several_is_one_reservation_and_repeats_by_token(cloud: Any) -> None:
    ec2 = cloud.ec2
    _, (subnet, _) = cloud.network()
    params = {"ImageId": cloud.image(), "InstanceType": "t3.micro", "MinCount": 3, "MaxCount": 3, "SubnetId": subnet}
    made = ec2.run_instances(**params, ClientToken="once")
    again = ec2.run_instances(**params, ClientToken="once")
    assert made["ReservationId"] == again["ReservationId"]
    (reservation,) = ec2.describe_instances()["Reservations"]
    assert len(reservation["Instances"]) == 3
    assert {i["AmiLaunchIndex"] for i in reservation["Instances"]} == {0, 1, 2}


def test_instance_profile_is_associated(cloud: Any, refused: Any) -> None:
    ec2, iam = cloud.ec2, cloud.iam
    _, (subnet, _) = cloud.network()
    cloud.role("web", "ec2.amazonaws.com")
    profile = iam.create_instance_profile(InstanceProfileName="web")["InstanceProfile"]["Arn"]
    iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="web")
    instance = launch(cloud, subnet, IamInstanceProfile={"Name": "web"})
    assert instance["IamInstanceProfile"]["Arn"] == profile
    (link,) = ec2.describe_iam_instance_profile_associations(
        Filters=[{"Name": "instance-id", "Values": [instance["InstanceId"]]}]
    )["IamInstanceProfileAssociations"]
    assert link["IamInstanceProfile"]["Arn"] == profile
    ec2.disassociate_iam_instance_profile(AssociationId=link["AssociationId"])
    read = ec2.describe_instances(InstanceIds=[instance["InstanceId"]])["Reservations"][0]["Instances"][0]
    assert "IamInstanceProfile" not in read
    ec2.associate_iam_instance_profile(IamInstanceProfile={"Name": "web"}, InstanceId=instance["InstanceId"])
    refused(
        "InvalidParameterValue",
        ec2.run_instances,
        ImageId=cloud.image(),
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        IamInstanceProfile={"Name": "nobody"},
    )


def test_key_pairs(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    made = ec2.create_key_pair(KeyName="ops")
    assert made["KeyMaterial"].startswith("-----BEGIN")
    assert made["KeyPairId"].startswith("key-")
    refused("InvalidKeyPair.Duplicate", ec2.create_key_pair, KeyName="ops")
    (read,) = ec2.describe_key_pairs(KeyNames=["ops"])["KeyPairs"]
    assert read["KeyFingerprint"] == made["KeyFingerprint"]
    ec2.delete_key_pair(KeyName="ops")
    refused("InvalidKeyPair.NotFound", ec2.describe_key_pairs, KeyNames=["ops"])


def test_volume_is_attached_detached_and_deleted(cloud: Any, refused: Any, quick: Any) -> None:
    ec2 = cloud.ec2
    _, (subnet, _) = cloud.network()
    instance = launch(cloud, subnet)["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig=quick)
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "data"}]}]
    made = ec2.create_volume(
        AvailabilityZone="us-east-1a", Size=20, VolumeType="gp3", Encrypted=True, TagSpecifications=tags
    )
    volume = made["VolumeId"]
    assert (made["Size"], made["VolumeType"], made["Encrypted"]) == (20, "gp3", True)
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig=quick)
    link = ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
    assert link["State"] in ("attaching", "attached")
    ec2.get_waiter("volume_in_use").wait(VolumeIds=[volume], WaiterConfig=quick)
    refused("VolumeInUse", ec2.attach_volume, VolumeId=volume, InstanceId=instance, Device="/dev/sdg")
    refused("VolumeInUse", ec2.delete_volume, VolumeId=volume)
    (read,) = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [instance]},
                                            {"Name": "tag:Name", "Values": ["data"]}])["Volumes"]
    assert read["Attachments"][0]["Device"] == "/dev/sdf"
    ec2.detach_volume(VolumeId=volume)
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig=quick)
    refused("IncorrectState", ec2.detach_volume, VolumeId=volume)
    ec2.delete_volume(VolumeId=volume)
    ec2.get_waiter("volume_deleted").wait(VolumeIds=[volume], WaiterConfig=quick)
    refused("InvalidVolume.NotFound", ec2.describe_volumes, VolumeIds=[volume])
    refused("InvalidVolume.NotFound", ec2.delete_volume, VolumeId=volume)


def test_volume_grows_but_does_not_shrink(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=10, VolumeType="gp2")["VolumeId"]
    change = ec2.modify_volume(VolumeId=volume, Size=30, VolumeType="gp3")["VolumeModification"]
    assert (change["OriginalSize"], change["TargetSize"], change["TargetVolumeType"]) == (10, 30, "gp3")
    (read,) = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    assert (read["Size"], read["VolumeType"]) == (30, "gp3")
    refused("InvalidParameterValue", ec2.modify_volume, VolumeId=volume, Size=5)
    refused("InvalidParameterValue", ec2.create_volume, AvailabilityZone="us-east-1a", Size=0, VolumeType="gp3")
    refused("UnknownVolumeType", ec2.create_volume, AvailabilityZone="us-east-1a", Size=1, VolumeType="gp9")
    refused("InvalidZone.NotFound", ec2.create_volume, AvailabilityZone="us-east-1q", Size=1)


def test_snapshot_restores_a_volume(cloud: Any, refused: Any, quick: Any) -> None:
    ec2 = cloud.ec2
    volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=8, VolumeType="gp3")["VolumeId"]
    tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "of", "Value": "data"}]}]
    made = ec2.create_snapshot(VolumeId=volume, Description="nightly", TagSpecifications=tags)
    snapshot = made["SnapshotId"]
    assert made["State"] in ("pending", "completed")
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig=quick)
    (read,) = ec2.describe_snapshots(OwnerIds=["self"], Filters=[{"Name": "tag:of", "Values": ["data"]}])["Snapshots"]
    assert (read["SnapshotId"], read["VolumeSize"], read["Description"]) == (snapshot, 8, "nightly")
    assert read["OwnerId"] == cloud.number
    restored = ec2.create_volume(AvailabilityZone="us-east-1b", SnapshotId=snapshot)
    assert (restored["SnapshotId"], restored["Size"]) == (snapshot, 8)
    copy = cloud.client("ec2", "eu-west-1").copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId=snapshot)
    (copied,) = cloud.client("ec2", "eu-west-1").describe_snapshots(SnapshotIds=[copy["SnapshotId"]])["Snapshots"]
    assert copied["VolumeSize"] == 8
    ec2.modify_snapshot_attribute(
        SnapshotId=snapshot, Attribute="createVolumePermission", OperationType="add", UserIds=["111122223333"]
    )
    shared = ec2.describe_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission")
    assert shared["CreateVolumePermissions"] == [{"UserId": "111122223333"}]
    ec2.delete_snapshot(SnapshotId=snapshot)
    refused("InvalidSnapshot.NotFound", ec2.describe_snapshots, SnapshotIds=[snapshot])
    refused("InvalidSnapshot.NotFound", ec2.delete_snapshot, SnapshotId=snapshot)
    refused("InvalidVolume.NotFound", ec2.create_snapshot, VolumeId="vol-0123456789abcdef0")


def test_image_of_an_instance(cloud: Any, refused: Any, quick: Any) -> None:
    ec2 = cloud.ec2
    _, (subnet, _) = cloud.network()
    instance = launch(cloud, subnet)["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig=quick)
    image = ec2.create_image(InstanceId=instance, Name="golden-1", Description="base")["ImageId"]
    ec2.get_waiter("image_available").wait(ImageIds=[image], WaiterConfig=quick)
    refused("InvalidAMIName.Duplicate", ec2.create_image, InstanceId=instance, Name="golden-1")
    (read,) = ec2.describe_images(Owners=["self"])["Images"]
    assert (read["ImageId"], read["Name"], read["State"], read["Public"]) == (image, "golden-1", "available", False)
    snapshot = read["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    refused("InvalidSnapshot.InUse", ec2.delete_snapshot, SnapshotId=snapshot)
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": "111122223333"}]})
    permissions = ec2.describe_image_attribute(ImageId=image, Attribute="launchPermission")["LaunchPermissions"]
    assert permissions == [{"UserId": "111122223333"}]
    launched = launch(cloud, subnet, ImageId=image)
    assert launched["ImageId"] == image
    ec2.deregister_image(ImageId=image)
    refused("InvalidAMIID.NotFound", ec2.describe_images, ImageIds=["ami-0123456789abcdef0"])
    assert ec2.describe_images(Owners=["self"])["Images"] == []
    ec2.delete_snapshot(SnapshotId=snapshot)


def test_launch_template_versions(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    _, (subnet, _) = cloud.network()
    data = {
        "ImageId": cloud.image(),
        "InstanceType": "t3.micro",
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "from", "Value": "template"}]}],
    }
    made = ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)["LaunchTemplate"]
    template = made["LaunchTemplateId"]
    assert (made["DefaultVersionNumber"], made["LatestVersionNumber"]) == (1, 1)
    refused(
        "InvalidLaunchTemplateName.AlreadyExistsException",
        ec2.create_launch_template,
        LaunchTemplateName="web",
        LaunchTemplateData=data,
    )
    second = ec2.create_launch_template_version(
        LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={"InstanceType": "t3.small"}
    )["LaunchTemplateVersion"]
    assert second["VersionNumber"] == 2
    assert second["LaunchTemplateData"]["InstanceType"] == "t3.small"
    assert second["LaunchTemplateData"]["ImageId"] == data["ImageId"]
    ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="2")
    (read,) = ec2.describe_launch_templates(LaunchTemplateNames=["web"])["LaunchTemplates"]
    assert (read["DefaultVersionNumber"], read["LatestVersionNumber"]) == (2, 2)
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["$Latest"])
    assert [v["VersionNumber"] for v in versions["LaunchTemplateVersions"]] == [2]
    (instance,) = ec2.run_instances(
        LaunchTemplate={"LaunchTemplateName": "web", "Version": "1"}, MinCount=1, MaxCount=1, SubnetId=subnet
    )["Instances"]
    assert instance["InstanceType"] == "t3.micro"
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert tags_of(instance)["from"] == "template"
    ec2.delete_launch_template(LaunchTemplateId=template)
    refused(
        "InvalidLaunchTemplateId.NotFound", ec2.describe_launch_templates, LaunchTemplateIds=["lt-0123456789abcdef0"]
    )
    refused("InvalidLaunchTemplateName.NotFoundException", ec2.describe_launch_templates, LaunchTemplateNames=["web"])


def test_spot_request_is_fulfilled_and_cancelled(cloud: Any, refused: Any, quick: Any) -> None:
    ec2 = cloud.ec2
    _, (subnet, _) = cloud.network()
    (request,) = ec2.request_spot_instances(
        InstanceCount=1,
        LaunchSpecification={"ImageId": cloud.image(), "InstanceType": "t3.micro", "SubnetId": subnet},
    )["SpotInstanceRequests"]
    identifier = request["SpotInstanceRequestId"]
    assert identifier.startswith("sir-")
    ec2.get_waiter("spot_instance_request_fulfilled").wait(SpotInstanceRequestIds=[identifier], WaiterConfig=quick)
    (read,) = ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[identifier])["SpotInstanceRequests"]
    assert (read["State"], read["Status"]["Code"]) == ("active", "fulfilled")
    instance = ec2.describe_instances(InstanceIds=[read["InstanceId"]])["Reservations"][0]["Instances"][0]
    assert instance["InstanceLifecycle"] == "spot"
    assert instance["SpotInstanceRequestId"] == identifier
    (cancelled,) = ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[identifier])[
        "CancelledSpotInstanceRequests"
    ]
    assert cancelled["State"] == "cancelled"
    assert state(cloud, read["InstanceId"]) == "running"  # cancelling a request does not end its instance
    refused(
        "InvalidSpotInstanceRequestID.NotFound",
        ec2.describe_spot_instance_requests,
        SpotInstanceRequestIds=["sir-abcd1234"],
    )


def test_spot_through_run_instances(cloud: Any) -> None:
    ec2 = cloud.ec2
    _, (subnet, _) = cloud.network()
    market = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}}
    instance = launch(cloud, subnet, InstanceMarketOptions=market)
    assert instance["InstanceLifecycle"] == "spot"
    (request,) = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
    assert request["InstanceId"] == instance["InstanceId"]
    prices = ec2.describe_spot_price_history(InstanceTypes=["t3.micro"], ProductDescriptions=["Linux/UNIX"])
    assert float(prices["SpotPriceHistory"][0]["SpotPrice"]) > 0


def test_instance_types_and_offerings(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    (kind,) = ec2.describe_instance_types(InstanceTypes=["m5.large"])["InstanceTypes"]
    assert kind["VCpuInfo"]["DefaultVCpus"] == 2
    assert kind["MemoryInfo"]["SizeInMiB"] == 8192
    offered = ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["m5.large"]}]
    )["InstanceTypeOfferings"]
    assert "us-east-1a" in {offer["Location"] for offer in offered}
    refused("InvalidInstanceType", ec2.describe_instance_types, InstanceTypes=["m5.enormous"])


def test_user_data_and_console(cloud: Any) -> None:
    ec2 = cloud.ec2
    _, (subnet, _) = cloud.network()
    instance = launch(cloud, subnet, UserData="#!/bin/sh\necho hello\n")["InstanceId"]
    attribute = ec2.describe_instance_attribute(InstanceId=instance, Attribute="userData")
    import base64

    assert base64.b64decode(attribute["UserData"]["Value"]) == b"#!/bin/sh\necho hello\n"


def test_ebs_encryption_by_default(cloud: Any) -> None:
    ec2 = cloud.ec2
    assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False
    ec2.enable_ebs_encryption_by_default()
    assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
    assert ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["Encrypted"] is True
    ec2.disable_ebs_encryption_by_default()


@pytest.mark.parametrize(
    ("allowed", "asked", "may"),
    [
        ("subnet-a", "subnet-a", True),
        ("subnet-a", "subnet-b", False),
    ],
)
def test_launch_only_into_an_allowed_subnet(cloud: Any, refused: Any, allowed: str, asked: str, may: bool) -> None:
    _, subnets = cloud.network()
    by_name = {"subnet-a": subnets[0], "subnet-b": subnets[1]}
    everything_else = [f"arn:aws:ec2:*:{cloud.number}:{kind}/*" for kind in
                       ("instance", "network-interface", "security-group", "volume")]
    user = cloud.user(
        {
            "Effect": "Allow",
            "Action": "ec2:RunInstances",
            "Resource": [
                cloud.arn("ec2", f"subnet/{by_name[allowed]}"),
                "arn:aws:ec2:*::image/*",
                *everything_else,
            ],
        }
    )
    params = {"ImageId": cloud.image(), "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1}
    if may:
        user.ec2.run_instances(SubnetId=by_name[asked], **params)
    else:
        refused("UnauthorizedOperation", user.ec2.run_instances, SubnetId=by_name[asked], **params)


def test_launch_conditions(cloud: Any, refused: Any) -> None:
    _, (subnet, _) = cloud.network()
    small = {"Effect": "Deny", "Action": "ec2:RunInstances", "Resource": "arn:aws:ec2:*:*:instance/*",
             "Condition": {"StringNotEquals": {"ec2:InstanceType": ["t3.micro"]}}}
    tokens = {"Effect": "Deny", "Action": "ec2:RunInstances", "Resource": "arn:aws:ec2:*:*:instance/*",
              "Condition": {"StringNotEquals": {"ec2:MetadataHttpTokens": "required"}}}
    tagged = {"Effect": "Deny", "Action": "ec2:RunInstances", "Resource": "arn:aws:ec2:*:*:instance/*",
              "Condition": {"Null": {"aws:RequestTag/owner": "true"}}}
    user = cloud.user({"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}, small, tokens, tagged)
    tag = [{"ResourceType": "instance", "Tags": [{"Key": "owner", "Value": "me"}]}]
    good = {"ImageId": cloud.image(), "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, "SubnetId": subnet,
            "MetadataOptions": {"HttpTokens": "required"}, "TagSpecifications": tag}
    run = user.ec2.run_instances
    run(**good)
    refused("UnauthorizedOperation", run, **{**good, "InstanceType": "t3.large"})
    refused("UnauthorizedOperation", run, **{**good, "MetadataOptions": {"HttpTokens": "optional"}})
    refused("UnauthorizedOperation", run, **{key: value for key, value in good.items() if key != "TagSpecifications"})


def test_only_tagged_instances_may_be_stopped(cloud: Any, refused: Any, quick: Any) -> None:
    _, (subnet, _) = cloud.network()
    spec = lambda env: [{"ResourceType": "instance", "Tags": [{"Key": "env", "Value": env}]}]  # noqa: E731
    dev = launch(cloud, subnet, TagSpecifications=spec("dev"))["InstanceId"]
    prod = launch(cloud, subnet, TagSpecifications=spec("prod"))["InstanceId"]
    cloud.ec2.get_waiter("instance_running").wait(InstanceIds=[dev, prod], WaiterConfig=quick)
    user = cloud.user(
        {"Effect": "Allow", "Action": "ec2:StopInstances", "Resource": "*",
         "Condition": {"StringEquals": {"aws:ResourceTag/env": "dev"}}}
    )
    user.ec2.stop_instances(InstanceIds=[dev])
    refused("UnauthorizedOperation", user.ec2.stop_instances, InstanceIds=[prod])
    refused("UnauthorizedOperation", user.ec2.stop_instances, InstanceIds=[dev, prod])


def test_a_role_must_be_passed_to_an_instance(cloud: Any, refused: Any) -> None:
    _, (subnet, _) = cloud.network()
    role = cloud.role("app", "ec2.amazonaws.com")
    cloud.iam.create_instance_profile(InstanceProfileName="app")
    cloud.iam.add_role_to_instance_profile(InstanceProfileName="app", RoleName="app")
    launcher = {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}
    passing = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": role,
               "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}}
    params = {"ImageId": cloud.image(), "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, "SubnetId": subnet,
              "IamInstanceProfile": {"Name": "app"}}
    refused("UnauthorizedOperation", cloud.user(launcher).ec2.run_instances, **params)
    cloud.user(launcher, passing).ec2.run_instances(**params)
