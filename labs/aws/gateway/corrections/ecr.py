"""Amazon ECR: names, images that exist already, lifecycle rules and their preview, scans, the registry's password.

Source: Amazon ECR API Reference; Amazon ECR User Guide ("Lifecycle policy parameters", "Basic scanning").  No scanner
runs in the lab: a scan of an image completes and finds nothing, and says so.
"""

from __future__ import annotations

import base64
import datetime
import fnmatch
import json
import re
from typing import TYPE_CHECKING, Any

from labs.aws.gateway import registry
from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, ask
from labs.aws.gateway.corrections.ecr_registry import INSTEAD
from labs.aws.gateway.corrections.paging import pages

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

_NAME = re.compile(r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*")


def _invalid(text: str) -> AwsError:
    return AwsError("InvalidParameterException", text, 400)


async def _create(exchange: Exchange, params: Params) -> None:
    name = str(params.get("repositoryName", ""))
    if not _NAME.fullmatch(name) or not 2 <= len(name) <= 256:
        raise _invalid(
            "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression"
            f" '{_NAME.pattern}''"
        )


async def _created(exchange: Exchange, params: Params, result: Params) -> Params:
    for entry in [result["repository"]] if "repository" in result else result.get("repositories") or []:
        entry.setdefault("encryptionConfiguration", {"encryptionType": "AES256"})
    return result


async def _images(exchange: Exchange, params: Params) -> list[dict[str, Any]]:
    """:raises AwsError: RepositoryNotFoundException"""
    answer = await ask(exchange, "DescribeImages", repositoryName=params.get("repositoryName", ""))
    return list(answer.get("imageDetails") or [])


async def _put_image(exchange: Exchange, params: Params) -> None:
    """The same image with the same tag exists; an immutable tag stays with its image."""
    import hashlib

    manifest = str(params.get("imageManifest", ""))
    try:
        json.loads(manifest)
    except ValueError as error:
        raise _invalid(
            "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"
        ) from error
    digest = "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
    if params.get("imageDigest") not in (None, digest):
        raise AwsError("ImageDigestDoesNotMatchException", "The specified image digest does not match the digest that"
                       " Amazon ECR calculated for the image.", 400)  # fmt: skip
    name, tag = params.get("repositoryName", ""), params.get("imageTag")
    images = await _images(exchange, params)
    where = f"in the repository with name '{name}' in registry with id '{exchange.account}'"
    for image in images:
        same, tagged = image["imageDigest"] == digest, tag in (image.get("imageTags") or [])
        if same and (tag is None or tagged):
            raise AwsError(
                "ImageAlreadyExistsException",
                f"Image with digest '{digest}' and tag '{tag}' already exists {where}",
                400,
            )
        if tagged and not same:
            described = await ask(exchange, "DescribeRepositories", repositoryNames=[name])
            if described["repositories"][0].get("imageTagMutability") == "IMMUTABLE":
                raise AwsError(
                    "ImageTagAlreadyExistsException",
                    f"The image tag '{tag}' already exists {where} and cannot be overwritten because the tag"
                    " is immutable.",
                    400,
                )


async def _image(exchange: Exchange, params: Params) -> dict[str, Any]:
    """:raises AwsError: ImageNotFoundException"""
    wanted = params.get("imageId") or {}
    for image in await _images(exchange, params):
        if wanted.get("imageDigest") not in (None, image["imageDigest"]):
            continue
        if wanted.get("imageTag") in (None, *(image.get("imageTags") or [])):
            return image
    raise AwsError(
        "ImageNotFoundException",
        f"The image with imageId {json.dumps(wanted)} does not exist within the repository with name"
        f" '{params.get('repositoryName')}' in the registry with id '{exchange.account}'",
        400,
    )


# -- lifecycle -----------------------------------------------------------------------------------------------------


async def _put_lifecycle(exchange: Exchange, params: Params) -> None:
    _rules(str(params.get("lifecyclePolicyText", "")))


def _rules(text: str) -> list[dict[str, Any]]:
    """The rules by priority.

    :raises AwsError: InvalidParameterException
    """
    wrong = (
        "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint:"
        " 'Lifecycle policy validation failure: "
    )
    try:
        rules = json.loads(text)["rules"]
    except (ValueError, KeyError, TypeError) as error:
        raise _invalid(wrong + "string is not a valid lifecycle policy'") from error
    priorities = [rule.get("rulePriority") for rule in rules]
    if (
        not rules
        or not all(isinstance(p, int) and p > 0 for p in priorities)
        or len(set(priorities)) != len(priorities)
    ):
        raise _invalid(wrong + "rulePriority must be a positive integer, different in each rule'")
    for rule in rules:
        selection = rule.get("selection") or {}
        status = selection.get("tagStatus")
        if status not in ("tagged", "untagged", "any"):
            raise _invalid(wrong + "tagStatus must be tagged, untagged or any'")
        if status == "tagged" and not (selection.get("tagPrefixList") or selection.get("tagPatternList")):
            raise _invalid(wrong + "tagPrefixList or tagPatternList is required with tagStatus tagged'")
        if selection.get("countType") not in ("imageCountMoreThan", "sinceImagePushed", "sinceImagePulled",
                                              "sinceImageTransitioned"):  # fmt: skip
            raise _invalid(wrong + "countType is not valid'")
        count = selection.get("countNumber")
        if not isinstance(count, int) or count < 1:
            raise _invalid(wrong + "countNumber must be a positive integer'")
        if (rule.get("action") or {}).get("type") not in ("expire", "transition"):
            raise _invalid(wrong + "action type must be expire'")
    return sorted(rules, key=lambda rule: int(rule["rulePriority"]))


def _key(exchange: Exchange, params: Params, what: str) -> tuple[str, ...]:
    return ("ecr", what, exchange.account, exchange.region, str(params.get("repositoryName")))


async def _start_preview(exchange: Exchange, params: Params) -> Params:
    """Which images the rules would expire: each image by the first rule that selects it."""
    text = params.get("lifecyclePolicyText")
    if not text:
        text = (await ask(exchange, "GetLifecyclePolicy", repositoryName=params["repositoryName"]))[
            "lifecyclePolicyText"
        ]
    left = sorted(await _images(exchange, params), key=lambda image: _pushed(image), reverse=True)
    results = []
    for rule in _rules(str(text)):
        selected = [image for image in left if _selects(rule["selection"], image)]
        for image in _expired(rule["selection"], selected, exchange.now):
            results.append(
                {
                    "imageTags": image.get("imageTags") or [],
                    "imageDigest": image["imageDigest"],
                    "imagePushedAt": image.get("imagePushedAt"),
                    "action": {"type": "EXPIRE"},
                    "appliedRulePriority": rule["rulePriority"],
                }
            )
        left = [image for image in left if image not in selected]
    preview = {
        "registryId": exchange.account,
        "repositoryName": params["repositoryName"],
        "lifecyclePolicyText": text,
        "status": "COMPLETE",
        "previewResults": results,
        "summary": {"expiringImageTotalCount": len(results)},
    }
    exchange.gateway.notes[_key(exchange, params, "preview")] = preview
    shown = ("registryId", "repositoryName", "lifecyclePolicyText")
    return {**{name: preview[name] for name in shown}, "status": "IN_PROGRESS"}


def _pushed(image: dict[str, Any]) -> float:
    pushed = image.get("imagePushedAt")
    return pushed.timestamp() if isinstance(pushed, datetime.datetime) else float(pushed or 0)


def _selects(selection: dict[str, Any], image: dict[str, Any]) -> bool:
    tags = image.get("imageTags") or []
    if selection["tagStatus"] == "untagged":
        return not tags
    if selection["tagStatus"] == "any":
        return True
    prefixes, patterns = selection.get("tagPrefixList") or [], selection.get("tagPatternList") or []
    return bool(tags) and (
        any(tag.startswith(prefix) for tag in tags for prefix in prefixes)
        or any(fnmatch.fnmatchcase(tag, pattern) for tag in tags for pattern in patterns)
    )


def _expired(selection: dict[str, Any], newest_first: list[dict[str, Any]], now: Any) -> list[dict[str, Any]]:
    if selection["countType"] == "imageCountMoreThan":
        return newest_first[int(selection["countNumber"]) :]
    limit = now.timestamp() - int(selection["countNumber"]) * 86400
    return [image for image in newest_first if _pushed(image) < limit]


async def _preview(exchange: Exchange, params: Params) -> Params:
    await _images(exchange, params)
    kept = exchange.gateway.notes.get(_key(exchange, params, "preview"))
    if kept is None:
        raise AwsError("LifecyclePolicyPreviewNotFoundException", "There is no dry run for this repository.", 400)
    return dict(kept)


# -- scans ---------------------------------------------------------------------------------------------------------


async def _start_scan(exchange: Exchange, params: Params) -> Params:
    image = await _image(exchange, params)
    scans = exchange.gateway.notes.setdefault(_key(exchange, params, "scans"), {})
    scans[image["imageDigest"]] = exchange.now
    return {
        "registryId": exchange.account,
        "repositoryName": params["repositoryName"],
        "imageId": {**params["imageId"], "imageDigest": image["imageDigest"]},
        "imageScanStatus": {"status": "IN_PROGRESS"},
    }


async def _scan_findings(exchange: Exchange, params: Params) -> Params:
    image = await _image(exchange, params)
    scanned = exchange.gateway.notes.get(_key(exchange, params, "scans"), {}).get(image["imageDigest"])
    described = await ask(exchange, "DescribeRepositories", repositoryNames=[params["repositoryName"]])
    if (described["repositories"][0].get("imageScanningConfiguration") or {}).get("scanOnPush"):
        scanned = scanned or image.get("imagePushedAt")
    if scanned is None:
        raise AwsError(
            "ScanNotFoundException",
            f"Image scan does not exist for the image with '{params['imageId']}' in the repository with name"
            f" '{params['repositoryName']}' in the registry with id '{exchange.account}'",
            400,
        )
    return {
        "registryId": exchange.account,
        "repositoryName": params["repositoryName"],
        "imageId": {**params["imageId"], "imageDigest": image["imageDigest"]},
        "imageScanStatus": {
            "status": "COMPLETE",
            "description": "The scan was completed without a scanner: this lab has no vulnerability database.",
        },
        "imageScanFindings": {
            "imageScanCompletedAt": scanned,
            "vulnerabilitySourceUpdatedAt": scanned,
            "findings": [],
            "findingSeverityCounts": {},
        },
    }


async def _token(exchange: Exchange, params: Params) -> Params:
    secret = base64.b64encode(f"AWS:{registry.password(exchange)}".encode()).decode()
    host = dict(exchange.headers).get(b"host", b"127.0.0.1").decode("latin-1")
    scheme = "https" if exchange.arrival.secure else "http"
    entry = {
        "authorizationToken": secret,
        "expiresAt": exchange.now + registry.LIFETIME,
        "proxyEndpoint": f"{scheme}://{host}",
    }
    return {"authorizationData": [entry]}


async def _delete_images(exchange: Exchange, params: Params) -> Params:
    """A tag that is deleted leaves the image, unless it was the last one (BatchDeleteImage)."""
    name = params.get("repositoryName", "")
    gone: list[Params] = []
    failures: list[Params] = []
    for wanted in params.get("imageIds") or []:
        try:
            image = await _image(exchange, {**params, "imageId": wanted})
        except AwsError as error:
            if error.code != "ImageNotFoundException":
                raise
            reason = {"failureCode": "ImageNotFound", "failureReason": "Requested image not found"}
            failures.append({"imageId": wanted, **reason})
            continue
        tags, tag, digest = image.get("imageTags") or [], wanted.get("imageTag"), image["imageDigest"]
        kept = [other for other in tags if other != tag] if tag else []
        got = await ask(exchange, "BatchGetImage", repositoryName=name, imageIds=[{"imageDigest": digest}])
        await ask(exchange, "BatchDeleteImage", repositoryName=name, imageIds=[{"imageDigest": digest}])
        for other in kept:  # the engine deletes the image with its tags, so what stays is put back
            again = got["images"][0]
            manifest = {"imageManifest": again["imageManifest"]}
            if again.get("imageManifestMediaType"):
                manifest["imageManifestMediaType"] = again["imageManifestMediaType"]
            await ask(exchange, "PutImage", repositoryName=name, imageTag=other, **manifest)
        deleted = [tag] if tag else tags or [None]
        gone += [{"imageDigest": digest, **({"imageTag": one} if one else {})} for one in deleted]
    return {"imageIds": gone, "failures": failures}


async def _described_images(exchange: Exchange, params: Params, result: Params) -> Params | None:
    found = result.get("imageDetails") or []
    status = (params.get("filter") or {}).get("tagStatus")
    if status in ("TAGGED", "UNTAGGED"):
        found = [image for image in found if bool(image.get("imageTags")) == (status == "TAGGED")]
    for wanted in params.get("imageIds") or []:
        matches = [
            image
            for image in found
            if wanted.get("imageDigest") in (None, image["imageDigest"])
            and wanted.get("imageTag") in (None, *(image.get("imageTags") or []))
        ]
        if not matches:
            await _image(exchange, {**params, "imageId": wanted})
    for image in found:
        if not image.get("imageTags"):
            image.pop("imageTags", None)
    return {**result, "imageDetails": found}


CORRECTIONS = Corrections(
    before={"CreateRepository": _create, "PutImage": _put_image, "PutLifecyclePolicy": _put_lifecycle},
    instead={
        **INSTEAD,
        "StartLifecyclePolicyPreview": _start_preview,
        "GetLifecyclePolicyPreview": _preview,
        "StartImageScan": _start_scan,
        "BatchDeleteImage": _delete_images,
        "DescribeImageScanFindings": _scan_findings,
        "GetAuthorizationToken": _token,
    },
    after={
        "CreateRepository": _created,
        "DescribeRepositories": _created,
        "DescribeImages": _described_images,
    },
    pages=pages("ecr", 100, "InvalidParameterException", only=("DescribeRepositories", "DescribeImages", "ListImages")),
)
