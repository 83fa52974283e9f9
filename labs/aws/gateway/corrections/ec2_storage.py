"""EC2's volumes, snapshots and images (Amazon EBS User Guide; EC2 API Reference, "Error codes")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Before, Instead, Params, ask, found

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

# Sizes in GiB by type (EBS User Guide, "Amazon EBS volume types").
_SIZES = {
    "gp2": (1, 16384), "gp3": (1, 65536), "io1": (4, 16384), "io2": (4, 65536), "st1": (125, 16384),
    "sc1": (125, 16384), "standard": (1, 1024),
}  # fmt: skip


async def _volume(exchange: Exchange, params: Params) -> dict[str, Any]:
    """:raises AwsError: there is no such volume"""
    answer = await ask(exchange, "DescribeVolumes", VolumeIds=[params.get("VolumeId", "")])
    return dict(answer["Volumes"][0])


def _size(kind: str, size: Any) -> None:
    if kind not in _SIZES:
        raise AwsError("UnknownVolumeType", f"Unsupported volume type '{kind}' for volume creation.", 400)
    low, high = _SIZES[kind]
    if size is not None and not low <= int(size) <= high:
        raise AwsError(
            "InvalidParameterValue",
            f"Volume of {size}GiB is {'smaller' if int(size) < low else 'larger'} than the"
            f" {'minimum' if int(size) < low else 'maximum'} size of {low if int(size) < low else high}GiB for"
            f" volume type {kind}.",
            400,
        )


async def _create_volume(exchange: Exchange, params: Params) -> None:
    if params.get("Size") is None and not params.get("SnapshotId"):
        raise AwsError("MissingParameter", "The request must contain the parameter size or snapshotId", 400)
    _size(str(params.get("VolumeType") or "gp2"), params.get("Size"))
    zone = params.get("AvailabilityZone")
    zones = (await ask(exchange, "DescribeAvailabilityZones"))["AvailabilityZones"]
    if zone and zone not in [entry["ZoneName"] for entry in zones]:
        raise AwsError("InvalidZone.NotFound", f"The zone '{zone}' does not exist.", 400)
    if params.get("SnapshotId"):
        answer = await ask(exchange, "DescribeSnapshots", SnapshotIds=[params["SnapshotId"]])
        smallest = int(answer["Snapshots"][0].get("VolumeSize", 0))
        if params.get("Size") is not None and int(params["Size"]) < smallest:
            raise AwsError(
                "InvalidParameterValue",
                f"The volume size {params['Size']} cannot be less than the snapshot size {smallest}.",
                400,
            )


async def _encrypted(exchange: Exchange, params: Params) -> Params | None:
    """Encryption by default encrypts new volumes whatever the call says."""
    answer = await found(exchange, "GetEbsEncryptionByDefault")
    if not (answer or {}).get("EbsEncryptionByDefault") or params.get("Encrypted"):
        return None
    result = await ask(exchange, "CreateVolume", **{**params, "Encrypted": True})
    result.pop("ResponseMetadata", None)
    return result


async def _attach(exchange: Exchange, params: Params) -> None:
    volume = await _volume(exchange, params)
    answer = await ask(exchange, "DescribeInstances", InstanceIds=[params.get("InstanceId", "")])
    instance = answer["Reservations"][0]["Instances"][0]
    if volume.get("Attachments"):
        raise AwsError("VolumeInUse", f"{volume['VolumeId']} is already attached to an instance", 400)
    zone = (instance.get("Placement") or {}).get("AvailabilityZone")
    if zone and volume.get("AvailabilityZone") != zone:
        raise AwsError(
            "InvalidVolume.ZoneMismatch",
            f"The volume '{volume['VolumeId']}' is not in the same availability zone as instance"
            f" '{instance['InstanceId']}'",
            400,
        )
    used = [mapping.get("DeviceName") for mapping in instance.get("BlockDeviceMappings") or []]
    if params.get("Device") in used:
        raise AwsError(
            "InvalidParameterValue",
            f"Invalid value '{params['Device']}' for unixDevice. Attachment point {params['Device']} is already in use",
            400,
        )


async def _detach(exchange: Exchange, params: Params) -> None:
    volume = await _volume(exchange, params)
    if not volume.get("Attachments"):
        raise AwsError("IncorrectState", f"Volume '{volume['VolumeId']}' is in the 'available' state.", 400)


async def _detached(exchange: Exchange, params: Params) -> Params | None:
    """A volume is attached to one instance, so the instance need not be named."""
    if params.get("InstanceId"):
        return None
    volume = await _volume(exchange, params)
    instance = volume["Attachments"][0]["InstanceId"]
    result = await ask(exchange, "DetachVolume", **{**params, "InstanceId": instance})
    result.pop("ResponseMetadata", None)
    return result


async def _delete_volume(exchange: Exchange, params: Params) -> None:
    volume = await _volume(exchange, params)
    for attachment in volume.get("Attachments") or []:
        raise AwsError(
            "VolumeInUse",
            f"Volume {volume['VolumeId']} is currently attached to {attachment.get('InstanceId')}",
            400,
        )


async def _modify_volume(exchange: Exchange, params: Params) -> None:
    volume = await _volume(exchange, params)
    size = params.get("Size")
    _size(str(params.get("VolumeType") or volume.get("VolumeType")), size)
    if size is not None and int(size) < int(volume["Size"]):
        raise AwsError("InvalidParameterValue", "New size cannot be smaller than existing size", 400)


async def _delete_snapshot(exchange: Exchange, params: Params) -> None:
    snapshot = str(params.get("SnapshotId", ""))
    answer = await found(exchange, "DescribeImages", Owners=["self"])
    for image in (answer or {}).get("Images") or []:
        used = [(mapping.get("Ebs") or {}).get("SnapshotId") for mapping in image.get("BlockDeviceMappings") or []]
        if snapshot in used:
            raise AwsError(
                "InvalidSnapshot.InUse", f"The snapshot {snapshot} is currently in use by {image['ImageId']}", 400
            )


async def _create_image(exchange: Exchange, params: Params) -> None:
    answer = await found(exchange, "DescribeImages", Owners=["self"])
    for image in (answer or {}).get("Images") or []:
        if image.get("Name") == params.get("Name"):
            raise AwsError(
                "InvalidAMIName.Duplicate",
                f"AMI name {params['Name']} is already in use by AMI {image['ImageId']}",
                400,
            )
    if params.get("InstanceId"):
        await ask(exchange, "DescribeInstances", InstanceIds=[params["InstanceId"]])


async def _deregister(exchange: Exchange, params: Params) -> None:
    await ask(exchange, "DescribeImages", ImageIds=[params.get("ImageId", "")])
    exchange.gateway.notes.setdefault(("ec2", "deregistered"), set()).add(params.get("ImageId"))


async def _create_snapshot(exchange: Exchange, params: Params) -> None:
    await _volume(exchange, params)


BEFORE: dict[str, Before] = {
    "CreateVolume": _create_volume,
    "AttachVolume": _attach,
    "DetachVolume": _detach,
    "DeleteVolume": _delete_volume,
    "ModifyVolume": _modify_volume,
    "DeleteSnapshot": _delete_snapshot,
    "CreateSnapshot": _create_snapshot,
    "CreateImage": _create_image,
    "DeregisterImage": _deregister,
}
INSTEAD: dict[str, Instead] = {"CreateVolume": _encrypted, "DetachVolume": _detached}
