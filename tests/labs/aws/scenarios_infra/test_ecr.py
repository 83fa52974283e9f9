"""Amazon ECR.  Pages: Amazon ECR API Reference; Amazon ECR User Guide; OCI Distribution Specification 1.1."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def image(word: str) -> tuple[str, dict[str, bytes]]:
    """A manifest and its two blobs by digest."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "word": word}).encode()
    layer = f"layer of {word}".encode()
    blobs = {"sha256:" + hashlib.sha256(blob).hexdigest(): blob for blob in (config, layer)}
    (one, two) = blobs
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": one,
            "size": len(config),
        },
        "layers": [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": two, "size": len(layer)}
        ],
    }
    return json.dumps(manifest), blobs


def digest(manifest: str) -> str:
    return "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()


class Registry:
    """A client of the registry's HTTP API with Docker's basic credentials."""

    def __init__(self, endpoint: str, token: str) -> None:
        self.endpoint, self.token = endpoint, token

    def __call__(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        url = path if path.startswith("http") else self.endpoint + path
        sent = {"Authorization": f"Basic {self.token}"} if self.token else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(url, data=body, method=method, headers=sent)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()

    def push(self, repository: str, tag: str, word: str) -> str:
        manifest, blobs = image(word)
        for name, blob in blobs.items():
            status, headers, _ = self("POST", f"/v2/{repository}/blobs/uploads/")
            assert status == 202
            place = headers["location"]
            status, _, _ = self("PUT", f"{place}{'&' if '?' in place else '?'}digest={name}", blob)
            assert status == 201
        status, headers, body = self("PUT", f"/v2/{repository}/manifests/{tag}", manifest.encode(),
                                     Content_Type=MANIFEST)
        assert status == 201, body
        assert headers["docker-content-digest"] == digest(manifest)
        return digest(manifest)


def registry(cloud: Any) -> Registry:
    token = cloud.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return Registry(cloud.account.endpoint, token)


def test_repository_life(cloud: Any, refused: Any) -> None:
    ecr = cloud.ecr
    made = ecr.create_repository(
        repositoryName="shop/backend",
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
        tags=[{"Key": "env", "Value": "dev"}],
    )["repository"]
    assert made["repositoryArn"] == cloud.arn("ecr", "repository/shop/backend")
    assert made["registryId"] == cloud.number
    assert made["repositoryUri"].endswith("/shop/backend")
    assert made["encryptionConfiguration"] == {"encryptionType": "AES256"}
    refused("RepositoryAlreadyExistsException", ecr.create_repository, repositoryName="shop/backend")
    (read,) = ecr.describe_repositories(repositoryNames=["shop/backend"])["repositories"]
    assert read["imageTagMutability"] == "IMMUTABLE"
    assert read["imageScanningConfiguration"] == {"scanOnPush": True}
    arn = made["repositoryArn"]
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "env", "Value": "dev"}]
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "team", "Value": "shop"}])
    ecr.untag_resource(resourceArn=arn, tagKeys=["env"])
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "team", "Value": "shop"}]
    ecr.put_image_tag_mutability(repositoryName="shop/backend", imageTagMutability="MUTABLE")
    ecr.put_image_scanning_configuration(
        repositoryName="shop/backend", imageScanningConfiguration={"scanOnPush": False}
    )
    (read,) = ecr.describe_repositories(repositoryNames=["shop/backend"])["repositories"]
    assert read["imageTagMutability"] == "MUTABLE"
    assert read["imageScanningConfiguration"] == {"scanOnPush": False}
    ecr.delete_repository(repositoryName="shop/backend")
    refused("RepositoryNotFoundException", ecr.describe_repositories, repositoryNames=["shop/backend"])
    refused("RepositoryNotFoundException", ecr.delete_repository, repositoryName="shop/backend")
    refused("InvalidParameterException", ecr.create_repository, repositoryName="Shop!")


def test_images_by_api(cloud: Any, refused: Any) -> None:
    ecr = cloud.ecr
    ecr.create_repository(repositoryName="app")
    manifest, _ = image("one")
    made = ecr.put_image(
        repositoryName="app", imageManifest=manifest, imageManifestMediaType=MANIFEST, imageTag="v1"
    )["image"]
    assert made["imageId"] == {"imageTag": "v1", "imageDigest": digest(manifest)}
    refused(
        "ImageAlreadyExistsException",
        ecr.put_image,
        repositoryName="app",
        imageManifest=manifest,
        imageManifestMediaType=MANIFEST,
        imageTag="v1",
    )
    ecr.put_image(repositoryName="app", imageManifest=manifest, imageManifestMediaType=MANIFEST, imageTag="latest")
    (read,) = ecr.describe_images(repositoryName="app")["imageDetails"]
    assert sorted(read["imageTags"]) == ["latest", "v1"]
    assert read["imageDigest"] == digest(manifest)
    got = ecr.batch_get_image(repositoryName="app", imageIds=[{"imageTag": "v1"}, {"imageTag": "none"}])
    assert json.loads(got["images"][0]["imageManifest"]) == json.loads(manifest)
    assert [f["failureCode"] for f in got["failures"]] == ["ImageNotFound"]
    refused("ImageNotFoundException", ecr.describe_images, repositoryName="app", imageIds=[{"imageTag": "none"}])
    refused("RepositoryNotEmptyException", ecr.delete_repository, repositoryName="app")
    deleted = ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])
    assert deleted["imageIds"][0]["imageTag"] == "v1"
    (read,) = ecr.describe_images(repositoryName="app")["imageDetails"]
    assert read["imageTags"] == ["latest"]
    ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageDigest": digest(manifest)}])
    assert ecr.list_images(repositoryName="app")["imageIds"] == []
    refused("RepositoryNotFoundException", ecr.list_images, repositoryName="none")


def test_a_moved_tag_leaves_an_untagged_image(cloud: Any) -> None:
    ecr = cloud.ecr
    ecr.create_repository(repositoryName="app")
    for word in ("one", "two"):
        manifest, _ = image(word)
        ecr.put_image(repositoryName="app", imageManifest=manifest, imageManifestMediaType=MANIFEST,
                      imageTag="latest")
    untagged = ecr.list_images(repositoryName="app", filter={"tagStatus": "UNTAGGED"})["imageIds"]
    assert [entry["imageDigest"] for entry in untagged] == [digest(image("one")[0])]
    tagged = ecr.list_images(repositoryName="app", filter={"tagStatus": "TAGGED"})["imageIds"]
    assert tagged == [{"imageDigest": digest(image("two")[0]), "imageTag": "latest"}]


def test_immutable_tags_stay(cloud: Any, refused: Any) -> None:
    ecr = cloud.ecr
    ecr.create_repository(repositoryName="app", imageTagMutability="IMMUTABLE")
    one, two = image("one")[0], image("two")[0]
    ecr.put_image(repositoryName="app", imageManifest=one, imageManifestMediaType=MANIFEST, imageTag="v1")
    refused(
        "ImageTagAlreadyExistsException",
        ecr.put_image,
        repositoryName="app",
        imageManifest=two,
        imageManifestMediaType=MANIFEST,
        imageTag="v1",
    )
    client = registry(cloud)
    status, _, body = client("PUT", "/v2/app/manifests/v1", two.encode(), Content_Type=MANIFEST)
    assert status in (400, 403, 409)
    assert json.loads(body)["errors"][0]["code"] in ("TAG_INVALID", "DENIED", "MANIFEST_INVALID", "BLOB_UNKNOWN",
                                                     "MANIFEST_BLOB_UNKNOWN")


def test_lifecycle_policy(cloud: Any, refused: Any) -> None:
    ecr = cloud.ecr
    ecr.create_repository(repositoryName="app")
    refused("LifecyclePolicyNotFoundException", ecr.get_lifecycle_policy, repositoryName="app")
    rule = {
        "rulePriority": 1,
        "description": "keep three",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3},
        "action": {"type": "expire"},
    }
    ecr.put_lifecycle_policy(repositoryName="app", lifecyclePolicyText=json.dumps({"rules": [rule]}))
    read = ecr.get_lifecycle_policy(repositoryName="app")
    assert json.loads(read["lifecyclePolicyText"]) == {"rules": [rule]}
    refused("InvalidParameterException", ecr.put_lifecycle_policy, repositoryName="app", lifecyclePolicyText="{" * 100)
    refused(
        "InvalidParameterException",
        ecr.put_lifecycle_policy,
        repositoryName="app",
        lifecyclePolicyText=json.dumps({"rules": [{**rule, "rulePriority": "first"}]}),
    )
    for word in ("1", "2", "3", "4", "5"):
        ecr.put_image(repositoryName="app", imageManifest=image(word)[0], imageManifestMediaType=MANIFEST,
                      imageTag=word)
    ecr.start_lifecycle_policy_preview(repositoryName="app")
    ecr.get_waiter("lifecycle_policy_preview_complete").wait(
        repositoryName="app", WaiterConfig={"Delay": 1, "MaxAttempts": 10}
    )
    preview = ecr.get_lifecycle_policy_preview(repositoryName="app")
    assert len(preview["previewResults"]) == 2
    ecr.delete_lifecycle_policy(repositoryName="app")
    refused("LifecyclePolicyNotFoundException", ecr.delete_lifecycle_policy, repositoryName="app")


def test_repository_policy(cloud: Any, refused: Any) -> None:
    ecr = cloud.ecr
    ecr.create_repository(repositoryName="app")
    refused("RepositoryPolicyNotFoundException", ecr.get_repository_policy, repositoryName="app")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "pull",
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
                "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            }
        ],
    }
    ecr.set_repository_policy(repositoryName="app", policyText=json.dumps(policy))
    assert json.loads(ecr.get_repository_policy(repositoryName="app")["policyText"])["Statement"][0]["Sid"] == "pull"
    refused("InvalidParameterException", ecr.set_repository_policy, repositoryName="app", policyText="{")
    ecr.delete_repository_policy(repositoryName="app")
    refused("RepositoryPolicyNotFoundException", ecr.delete_repository_policy, repositoryName="app")


def test_scan(cloud: Any, refused: Any) -> None:
    ecr = cloud.ecr
    ecr.create_repository(repositoryName="app")
    manifest = image("one")[0]
    ecr.put_image(repositoryName="app", imageManifest=manifest, imageManifestMediaType=MANIFEST, imageTag="v1")
    refused(
        "ScanNotFoundException", ecr.describe_image_scan_findings, repositoryName="app", imageId={"imageTag": "v1"}
    )
    started = ecr.start_image_scan(repositoryName="app", imageId={"imageTag": "v1"})
    assert started["imageScanStatus"]["status"] in ("IN_PROGRESS", "COMPLETE")
    ecr.get_waiter("image_scan_complete").wait(
        repositoryName="app", imageId={"imageTag": "v1"}, WaiterConfig={"Delay": 1, "MaxAttempts": 10}
    )
    found = ecr.describe_image_scan_findings(repositoryName="app", imageId={"imageTag": "v1"})
    assert found["imageScanStatus"]["status"] == "COMPLETE"
    assert "findingSeverityCounts" in found["imageScanFindings"]
    refused("ImageNotFoundException", ecr.start_image_scan, repositoryName="app", imageId={"imageTag": "none"})


def test_authorization_token(cloud: Any) -> None:
    data = cloud.ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    assert user == "AWS"
    assert password
    assert data["proxyEndpoint"].startswith("http")
    assert data["expiresAt"] is not None


def test_push_and_pull_over_http(cloud: Any) -> None:
    cloud.ecr.create_repository(repositoryName="shop/web")
    client = registry(cloud)
    assert client("GET", "/v2/")[0] == 200
    pushed = client.push("shop/web", "v1", "first")
    (read,) = cloud.ecr.describe_images(repositoryName="shop/web")["imageDetails"]
    assert (read["imageDigest"], read["imageTags"]) == (pushed, ["v1"])
    status, headers, body = client("GET", "/v2/shop/web/manifests/v1", Accept=MANIFEST)
    assert status == 200
    assert headers["content-type"] == MANIFEST
    assert "sha256:" + hashlib.sha256(body).hexdigest() == pushed
    for entry in [json.loads(body)["config"], *json.loads(body)["layers"]]:
        status, _, blob = client("GET", f"/v2/shop/web/blobs/{entry['digest']}")
        assert status == 200
        assert "sha256:" + hashlib.sha256(blob).hexdigest() == entry["digest"]
        assert client("HEAD", f"/v2/shop/web/blobs/{entry['digest']}")[0] == 200
    assert client("HEAD", f"/v2/shop/web/manifests/{pushed}")[0] == 200
    status, _, body = client("GET", "/v2/shop/web/tags/list")
    assert (status, json.loads(body)) == (200, {"name": "shop/web", "tags": ["v1"]})
    status, _, body = client("GET", "/v2/shop/web/manifests/none", Accept=MANIFEST)
    assert (status, json.loads(body)["errors"][0]["code"]) == (404, "MANIFEST_UNKNOWN")
    status, _, body = client("GET", "/v2/nothing/manifests/v1", Accept=MANIFEST)
    assert (status, json.loads(body)["errors"][0]["code"]) == (404, "NAME_UNKNOWN")


def test_upload_in_chunks_and_wrong_digest(cloud: Any) -> None:
    cloud.ecr.create_repository(repositoryName="app")
    client = registry(cloud)
    blob = b"x" * 70_000
    name = "sha256:" + hashlib.sha256(blob).hexdigest()
    _, headers, _ = client("POST", "/v2/app/blobs/uploads/")
    status, headers, _ = client("PATCH", headers["location"], blob[:40_000],
                                Content_Type="application/octet-stream", Content_Range="0-39999")
    assert status == 202
    assert headers["range"] == "0-39999"
    status, headers, _ = client("PATCH", headers["location"], blob[40_000:],
                                Content_Type="application/octet-stream", Content_Range="40000-69999")
    assert status == 202
    place = headers["location"]
    status, _, _ = client("PUT", f"{place}{'&' if '?' in place else '?'}digest={name}", b"")
    assert status == 201
    assert client("GET", f"/v2/app/blobs/{name}")[2] == blob
    _, headers, _ = client("POST", "/v2/app/blobs/uploads/")
    place = headers["location"]
    wrong = "sha256:" + "0" * 64
    status, _, body = client("PUT", f"{place}{'&' if '?' in place else '?'}digest={wrong}", blob)
    assert (status, json.loads(body)["errors"][0]["code"]) == (400, "DIGEST_INVALID")
    assert client("HEAD", f"/v2/app/blobs/{wrong}")[0] == 404


def test_registry_refuses_who_may_not(cloud: Any) -> None:
    cloud.ecr.create_repository(repositoryName="app")
    registry(cloud).push("app", "v1", "first")
    nobody = Registry(cloud.account.endpoint, "")
    status, headers, _ = nobody("GET", "/v2/")
    assert status == 401
    assert headers["www-authenticate"].startswith("Basic ")
    assert Registry(cloud.account.endpoint, base64.b64encode(b"AWS:wrong").decode())("GET", "/v2/")[0] == 401
    token = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}
    pull = {
        "Effect": "Allow",
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"],
        "Resource": cloud.arn("ecr", "repository/app"),
    }
    reader = registry(cloud.user(token, pull))
    status, _, body = reader("GET", "/v2/app/manifests/v1", Accept=MANIFEST)
    assert status == 200
    assert reader("GET", f"/v2/app/blobs/{json.loads(body)['config']['digest']}")[0] == 200
    assert reader("POST", "/v2/app/blobs/uploads/")[0] == 403
    status, _, body = reader("PUT", "/v2/app/manifests/v2", body, Content_Type=MANIFEST)
    assert (status, json.loads(body)["errors"][0]["code"]) == (403, "DENIED")
    stranger = registry(cloud.user(token))
    assert stranger("GET", "/v2/app/manifests/v1", Accept=MANIFEST)[0] == 403


def test_pages_of_repositories(cloud: Any) -> None:
    ecr = cloud.ecr
    for number in range(5):
        ecr.create_repository(repositoryName=f"app-{number}")
    first = ecr.describe_repositories(maxResults=3)
    assert len(first["repositories"]) == 3
    rest = ecr.describe_repositories(maxResults=3, nextToken=first["nextToken"])
    assert len(rest["repositories"]) == 2
    assert "nextToken" not in rest


@pytest.mark.parametrize(("repository", "may"), [("app", True), ("other", False)])
def test_permissions_are_per_repository(cloud: Any, refused: Any, repository: str, may: bool) -> None:
    for name in ("app", "other"):
        cloud.ecr.create_repository(repositoryName=name)
    user = cloud.user(
        {
            "Effect": "Allow",
            "Action": ["ecr:DescribeImages", "ecr:BatchGetImage", "ecr:PutImage"],
            "Resource": cloud.arn("ecr", "repository/app"),
        }
    )
    manifest = image("one")[0]
    calls = [
        (user.ecr.put_image, {"imageManifest": manifest, "imageTag": "v1", "imageManifestMediaType": MANIFEST}),
        (user.ecr.batch_get_image, {"imageIds": [{"imageTag": "v1"}]}),
        (user.ecr.describe_images, {}),
    ]
    for call, params in calls:
        if may:
            call(repositoryName=repository, **params)
        else:
            refused("AccessDeniedException", call, repositoryName=repository, **params)
    refused("AccessDeniedException", user.ecr.delete_repository, repositoryName="app", force=True)
    refused("AccessDeniedException", user.ecr.get_authorization_token)


def test_settings_of_the_registry(cloud: Any, refused: Any) -> None:
    ecr = cloud.ecr
    ecr.create_repository(repositoryName="shop", imageScanningConfiguration={"scanOnPush": True})
    every = [{"filter": "*", "filterType": "WILDCARD"}]
    rules = [{"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": every}]
    ecr.put_registry_scanning_configuration(scanType="BASIC", rules=rules)
    assert ecr.get_registry_scanning_configuration()["scanningConfiguration"] == {"scanType": "BASIC", "rules": rules}
    continuous = [{"scanFrequency": "CONTINUOUS_SCAN", "repositoryFilters": every}]
    refused("InvalidParameterException", ecr.put_registry_scanning_configuration, scanType="BASIC", rules=continuous)
    (scanned,) = ecr.batch_get_repository_scanning_configuration(repositoryNames=["shop"])["scanningConfigurations"]
    assert scanned["scanOnPush"] is True
    far = {"rules": [{"destinations": [{"region": "eu-west-1", "registryId": cloud.number}]}]}
    ecr.put_replication_configuration(replicationConfiguration=far)
    assert ecr.describe_registry()["replicationConfiguration"] == far
    here = {"rules": [{"destinations": [{"region": "us-east-1", "registryId": cloud.number}]}]}
    refused("InvalidParameterException", ecr.put_replication_configuration, replicationConfiguration=here)


def test_pull_through_cache_rules_and_the_registrys_policy(cloud: Any, refused: Any) -> None:
    ecr = cloud.ecr
    rule = {"ecrRepositoryPrefix": "public", "upstreamRegistryUrl": "public.ecr.aws"}
    ecr.create_pull_through_cache_rule(**rule)
    refused("PullThroughCacheRuleAlreadyExistsException", ecr.create_pull_through_cache_rule, **rule)
    (read,) = ecr.describe_pull_through_cache_rules()["pullThroughCacheRules"]
    assert read["upstreamRegistryUrl"] == "public.ecr.aws"
    ecr.delete_pull_through_cache_rule(ecrRepositoryPrefix="public")
    refused("PullThroughCacheRuleNotFoundException", ecr.delete_pull_through_cache_rule, ecrRepositoryPrefix="public")
    refused("RegistryPolicyNotFoundException", ecr.get_registry_policy)
    ecr.put_registry_policy(policyText='{"Version": "2012-10-17", "Statement": []}')
    assert ecr.get_registry_policy()["registryId"] == cloud.number
    ecr.delete_registry_policy()
    refused("RegistryPolicyNotFoundException", ecr.get_registry_policy)
