"""Amazon EKS.  Pages: Amazon EKS API Reference; Amazon EKS User Guide."""

from __future__ import annotations

import json
from typing import Any

import pytest


@pytest.fixture
def quick() -> dict[str, int]:
    return {"Delay": 1, "MaxAttempts": 20}


def create(cloud: Any, name: str = "shop", **more: Any) -> dict[str, Any]:
    _, subnets = cloud.network()
    role = cloud.role(f"{name}-cluster", "eks.amazonaws.com")
    made = cloud.eks.create_cluster(
        name=name, roleArn=role, resourcesVpcConfig={"subnetIds": subnets}, **more
    )["cluster"]
    cloud.eks.get_waiter("cluster_active").wait(name=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    return dict(made)


def node_role(cloud: Any) -> str:
    role = cloud.role("nodes", "ec2.amazonaws.com")
    for policy in ("AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly"):
        cloud.iam.attach_role_policy(RoleName="nodes", PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    return str(role)


def test_cluster_life(cloud: Any, refused: Any, quick: Any) -> None:
    eks = cloud.eks
    made = create(cloud, tags={"env": "dev"}, version="1.33")
    assert made["status"] in ("CREATING", "ACTIVE")
    assert made["arn"] == cloud.arn("eks", "cluster/shop")
    read = eks.describe_cluster(name="shop")["cluster"]
    assert read["status"] == "ACTIVE"
    assert read["version"] == "1.33"
    assert read["tags"] == {"env": "dev"}
    assert read["endpoint"].startswith("http")
    assert read["certificateAuthority"]["data"]
    assert read["platformVersion"].startswith("eks.")
    config = read["resourcesVpcConfig"]
    assert config["vpcId"].startswith("vpc-")
    assert len(config["subnetIds"]) == 2
    assert config["clusterSecurityGroupId"].startswith("sg-")
    assert (config["endpointPublicAccess"], config["endpointPrivateAccess"]) == (True, False)
    assert "shop" in eks.list_clusters()["clusters"]
    role = read["roleArn"]
    refused(
        "ResourceInUseException",
        eks.create_cluster,
        name="shop",
        roleArn=role,
        resourcesVpcConfig={"subnetIds": config["subnetIds"]},
    )
    deleted = eks.delete_cluster(name="shop")["cluster"]
    assert deleted["status"] == "DELETING"
    eks.get_waiter("cluster_deleted").wait(name="shop", WaiterConfig=quick)
    refused("ResourceNotFoundException", eks.describe_cluster, name="shop")
    refused("ResourceNotFoundException", eks.delete_cluster, name="shop")
    assert eks.list_clusters()["clusters"] == []


def test_create_errors(cloud: Any, refused: Any) -> None:
    eks = cloud.eks
    _, subnets = cloud.network()
    role = cloud.role("cluster", "eks.amazonaws.com")
    good = {"name": "shop", "roleArn": role, "resourcesVpcConfig": {"subnetIds": subnets}}
    invalid = ("InvalidParameterException", "InvalidRequestException")
    refused(invalid, eks.create_cluster, **{**good, "resourcesVpcConfig": {"subnetIds": ["subnet-0123456789abcdef0"]}})
    refused(invalid, eks.create_cluster, **{**good, "resourcesVpcConfig": {"subnetIds": subnets[:1]}})
    refused(invalid, eks.create_cluster, **{**good, "name": "bad name!"})
    refused(invalid, eks.create_cluster, **good, version="1.3")


def test_tags_of_a_cluster(cloud: Any, refused: Any) -> None:
    eks = cloud.eks
    arn = create(cloud)["arn"]
    eks.tag_resource(resourceArn=arn, tags={"team": "shop", "env": "dev"})
    assert eks.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "shop", "env": "dev"}
    eks.untag_resource(resourceArn=arn, tagKeys=["env"])
    assert eks.describe_cluster(name="shop")["cluster"]["tags"] == {"team": "shop"}
    missing = cloud.arn("eks", "cluster/none")
    refused(("NotFoundException", "ResourceNotFoundException"), eks.list_tags_for_resource, resourceArn=missing)


def test_nodegroup_life(cloud: Any, refused: Any, quick: Any) -> None:
    eks = cloud.eks
    create(cloud)
    subnets = eks.describe_cluster(name="shop")["cluster"]["resourcesVpcConfig"]["subnetIds"]
    role = node_role(cloud)
    params = {
        "clusterName": "shop",
        "nodegroupName": "workers",
        "nodeRole": role,
        "subnets": subnets,
        "scalingConfig": {"minSize": 1, "maxSize": 4, "desiredSize": 2},
        "instanceTypes": ["t3.medium"],
        "labels": {"tier": "web"},
        "taints": [{"key": "dedicated", "value": "web", "effect": "NO_SCHEDULE"}],
        "capacityType": "SPOT",
        "tags": {"env": "dev"},
    }
    made = eks.create_nodegroup(**params)["nodegroup"]
    assert made["nodegroupArn"].startswith(cloud.arn("eks", "nodegroup/shop/workers/"))
    eks.get_waiter("nodegroup_active").wait(clusterName="shop", nodegroupName="workers", WaiterConfig=quick)
    read = eks.describe_nodegroup(clusterName="shop", nodegroupName="workers")["nodegroup"]
    assert read["scalingConfig"] == {"minSize": 1, "maxSize": 4, "desiredSize": 2}
    assert read["capacityType"] == "SPOT"
    assert read["labels"] == {"tier": "web"}
    assert read["taints"][0]["effect"] == "NO_SCHEDULE"
    assert read["resources"]["autoScalingGroups"][0]["name"]
    refused("ResourceInUseException", eks.create_nodegroup, **params)
    refused("ResourceNotFoundException", eks.create_nodegroup, **{**params, "clusterName": "none"})
    update = eks.update_nodegroup_config(
        clusterName="shop",
        nodegroupName="workers",
        scalingConfig={"minSize": 2, "maxSize": 6, "desiredSize": 3},
        labels={"addOrUpdateLabels": {"zone": "a"}, "removeLabels": ["tier"]},
    )["update"]
    assert update["type"] == "ConfigUpdate"
    done = eks.describe_update(name="shop", updateId=update["id"], nodegroupName="workers")["update"]
    assert done["status"] in ("InProgress", "Successful")
    read = eks.describe_nodegroup(clusterName="shop", nodegroupName="workers")["nodegroup"]
    assert read["scalingConfig"]["desiredSize"] == 3
    assert read["labels"] == {"zone": "a"}
    refused(
        "InvalidParameterException",
        eks.update_nodegroup_config,
        clusterName="shop",
        nodegroupName="workers",
        scalingConfig={"minSize": 5, "maxSize": 2, "desiredSize": 3},
    )
    assert eks.list_nodegroups(clusterName="shop")["nodegroups"] == ["workers"]
    refused("ResourceInUseException", eks.delete_cluster, name="shop")
    eks.delete_nodegroup(clusterName="shop", nodegroupName="workers")
    eks.get_waiter("nodegroup_deleted").wait(clusterName="shop", nodegroupName="workers", WaiterConfig=quick)
    refused("ResourceNotFoundException", eks.describe_nodegroup, clusterName="shop", nodegroupName="workers")
    eks.delete_cluster(name="shop")


def test_cluster_is_upgraded_one_minor_at_a_time(cloud: Any, refused: Any) -> None:
    eks = cloud.eks
    create(cloud, version="1.32")
    refused(
        ("InvalidParameterException", "InvalidRequestException"), eks.update_cluster_version, name="shop",
        version="1.34",
    )
    refused(
        ("InvalidParameterException", "InvalidRequestException"), eks.update_cluster_version, name="shop",
        version="1.31",
    )
    update = eks.update_cluster_version(name="shop", version="1.33")["update"]
    assert update["type"] == "VersionUpdate"
    assert {"type": "Version", "value": "1.33"} in update["params"]
    eks.get_waiter("cluster_active").wait(name="shop", WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    assert eks.describe_cluster(name="shop")["cluster"]["version"] == "1.33"
    assert update["id"] in eks.list_updates(name="shop")["updateIds"]
    assert eks.describe_update(name="shop", updateId=update["id"])["update"]["status"] == "Successful"
    refused("ResourceNotFoundException", eks.describe_update, name="shop",
            updateId="00000000-0000-0000-0000-000000000000")


def test_logging_and_endpoint_access_are_changed(cloud: Any) -> None:
    eks = cloud.eks
    create(cloud)
    logging = {"clusterLogging": [{"types": ["api", "audit"], "enabled": True}]}
    assert eks.update_cluster_config(name="shop", logging=logging)["update"]["type"] == "LoggingUpdate"
    eks.get_waiter("cluster_active").wait(name="shop", WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    read = eks.describe_cluster(name="shop")["cluster"]
    enabled = {t for entry in read["logging"]["clusterLogging"] if entry["enabled"] for t in entry["types"]}
    assert enabled == {"api", "audit"}
    access = {"endpointPublicAccess": True, "endpointPrivateAccess": True, "publicAccessCidrs": ["203.0.113.0/24"]}
    update = eks.update_cluster_config(name="shop", resourcesVpcConfig=access)["update"]
    assert update["type"] == "EndpointAccessUpdate"
    eks.get_waiter("cluster_active").wait(name="shop", WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    config = eks.describe_cluster(name="shop")["cluster"]["resourcesVpcConfig"]
    assert config["publicAccessCidrs"] == ["203.0.113.0/24"]
    assert config["endpointPrivateAccess"] is True


def test_addons(cloud: Any, refused: Any, quick: Any) -> None:
    eks = cloud.eks
    create(cloud)
    known = eks.describe_addon_versions(addonName="vpc-cni")["addons"]
    assert known[0]["addonName"] == "vpc-cni"
    version = known[0]["addonVersions"][0]["addonVersion"]
    made = eks.create_addon(clusterName="shop", addonName="vpc-cni", addonVersion=version, tags={"a": "b"})["addon"]
    assert made["addonArn"].startswith(cloud.arn("eks", "addon/shop/vpc-cni/"))
    eks.get_waiter("addon_active").wait(clusterName="shop", addonName="vpc-cni", WaiterConfig=quick)
    read = eks.describe_addon(clusterName="shop", addonName="vpc-cni")["addon"]
    assert (read["status"], read["addonVersion"]) == ("ACTIVE", version)
    refused("ResourceInUseException", eks.create_addon, clusterName="shop", addonName="vpc-cni")
    refused(("InvalidParameterException", "ResourceNotFoundException"), eks.create_addon, clusterName="shop",
            addonName="no-such-addon")
    refused("ResourceNotFoundException", eks.create_addon, clusterName="none", addonName="coredns")
    update = eks.update_addon(
        clusterName="shop", addonName="vpc-cni", configurationValues=json.dumps({"env": {"A": "b"}})
    )["update"]
    assert update["type"] == "AddonUpdate"
    assert eks.list_addons(clusterName="shop")["addons"] == ["vpc-cni"]
    eks.delete_addon(clusterName="shop", addonName="vpc-cni")
    eks.get_waiter("addon_deleted").wait(clusterName="shop", addonName="vpc-cni", WaiterConfig=quick)
    refused("ResourceNotFoundException", eks.describe_addon, clusterName="shop", addonName="vpc-cni")


def test_access_entries_and_policies(cloud: Any, refused: Any) -> None:
    eks = cloud.eks
    create(cloud, accessConfig={"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True})
    read = eks.describe_cluster(name="shop")["cluster"]
    assert read["accessConfig"]["authenticationMode"] == "API"
    me = cloud.sts.get_caller_identity()["Arn"]
    assert me in eks.list_access_entries(clusterName="shop")["accessEntries"]  # whoever created it is its administrator
    developer = cloud.role("developer", "ec2.amazonaws.com")
    entry = eks.create_access_entry(
        clusterName="shop", principalArn=developer, kubernetesGroups=["developers"], tags={"a": "b"}
    )["accessEntry"]
    assert (entry["principalArn"], entry["type"]) == (developer, "STANDARD")
    assert entry["kubernetesGroups"] == ["developers"]
    assert entry["accessEntryArn"].startswith(cloud.arn("eks", "access-entry/shop/role/"))
    refused("ResourceInUseException", eks.create_access_entry, clusterName="shop", principalArn=developer)
    view = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
    scope = {"type": "namespace", "namespaces": ["shop"]}
    linked = eks.associate_access_policy(
        clusterName="shop", principalArn=developer, policyArn=view, accessScope=scope
    )
    assert linked["associatedAccessPolicy"]["policyArn"] == view
    listed = eks.list_associated_access_policies(clusterName="shop", principalArn=developer)
    assert [(p["policyArn"], p["accessScope"]) for p in listed["associatedAccessPolicies"]] == [(view, scope)]
    by_policy = eks.list_access_entries(clusterName="shop", associatedPolicyArn=view)["accessEntries"]
    assert by_policy == [developer]
    names = {policy["name"] for policy in eks.list_access_policies()["accessPolicies"]}
    assert {"AmazonEKSClusterAdminPolicy", "AmazonEKSViewPolicy", "AmazonEKSEditPolicy"} <= names
    refused(
        ("ResourceNotFoundException", "InvalidParameterException"),
        eks.associate_access_policy,
        clusterName="shop",
        principalArn=developer,
        policyArn="arn:aws:eks::aws:cluster-access-policy/NoSuchPolicy",
        accessScope={"type": "cluster"},
    )
    updated = eks.update_access_entry(clusterName="shop", principalArn=developer, kubernetesGroups=["viewers"])
    assert updated["accessEntry"]["kubernetesGroups"] == ["viewers"]
    eks.disassociate_access_policy(clusterName="shop", principalArn=developer, policyArn=view)
    listed = eks.list_associated_access_policies(clusterName="shop", principalArn=developer)
    assert listed["associatedAccessPolicies"] == []
    eks.delete_access_entry(clusterName="shop", principalArn=developer)
    refused("ResourceNotFoundException", eks.describe_access_entry, clusterName="shop", principalArn=developer)


def test_access_entries_need_the_api_mode(cloud: Any, refused: Any) -> None:
    create(cloud, accessConfig={"authenticationMode": "CONFIG_MAP"})
    role = cloud.role("developer", "ec2.amazonaws.com")
    refused("InvalidRequestException", cloud.eks.create_access_entry, clusterName="shop", principalArn=role)
    mode = {"authenticationMode": "API_AND_CONFIG_MAP"}
    update = cloud.eks.update_cluster_config(name="shop", accessConfig=mode)["update"]
    assert update["type"] == "AccessConfigUpdate"
    cloud.eks.create_access_entry(clusterName="shop", principalArn=role)
    refused(
        "InvalidRequestException",
        cloud.eks.update_cluster_config,
        name="shop",
        accessConfig={"authenticationMode": "CONFIG_MAP"},
    )


def test_pod_identity_associations(cloud: Any, refused: Any) -> None:
    eks = cloud.eks
    create(cloud)
    role = cloud.role("backend", "pods.eks.amazonaws.com")
    where = {"clusterName": "shop", "namespace": "shop", "serviceAccount": "backend"}
    made = eks.create_pod_identity_association(**where, roleArn=role, tags={"a": "b"})["association"]
    assert made["associationId"].startswith("a-")
    assert made["associationArn"].startswith(cloud.arn("eks", "podidentityassociation/shop/a-"))
    refused("ResourceInUseException", eks.create_pod_identity_association, **where, roleArn=role)
    (listed,) = eks.list_pod_identity_associations(clusterName="shop", namespace="shop")["associations"]
    assert listed["associationId"] == made["associationId"]
    other = cloud.role("backend-2", "pods.eks.amazonaws.com")
    identifier = {"clusterName": "shop", "associationId": made["associationId"]}
    assert eks.update_pod_identity_association(**identifier, roleArn=other)["association"]["roleArn"] == other
    assert eks.describe_pod_identity_association(**identifier)["association"]["roleArn"] == other
    eks.delete_pod_identity_association(**identifier)
    refused(
        ("ResourceNotFoundException", "NotFoundException"), eks.describe_pod_identity_association, **identifier
    )
    assert eks.list_pod_identity_associations(clusterName="shop")["associations"] == []


def test_oidc_issuer_becomes_a_provider(cloud: Any, refused: Any) -> None:
    create(cloud)
    issuer = cloud.eks.describe_cluster(name="shop")["cluster"]["identity"]["oidc"]["issuer"]
    assert issuer.startswith("https://oidc.eks.us-east-1.amazonaws.com/id/")
    made = cloud.iam.create_open_id_connect_provider(
        Url=issuer, ClientIDList=["sts.amazonaws.com"], ThumbprintList=["9" * 40]
    )
    assert made["OpenIDConnectProviderArn"].endswith(issuer.removeprefix("https://"))
    two = create_second(cloud)
    assert two != issuer


def create_second(cloud: Any) -> str:
    subnets = cloud.eks.describe_cluster(name="shop")["cluster"]["resourcesVpcConfig"]["subnetIds"]
    role = cloud.role("second-cluster", "eks.amazonaws.com")
    cloud.eks.create_cluster(name="second", roleArn=role, resourcesVpcConfig={"subnetIds": subnets})
    return str(cloud.eks.describe_cluster(name="second")["cluster"]["identity"]["oidc"]["issuer"])


def test_pages_of_clusters_and_nodegroups(cloud: Any) -> None:
    eks = cloud.eks
    create(cloud)
    subnets = eks.describe_cluster(name="shop")["cluster"]["resourcesVpcConfig"]["subnetIds"]
    role = cloud.role("more", "eks.amazonaws.com")
    for number in range(4):
        eks.create_cluster(name=f"more-{number}", roleArn=role, resourcesVpcConfig={"subnetIds": subnets})
    first = eks.list_clusters(maxResults=3)
    assert len(first["clusters"]) == 3
    second = eks.list_clusters(maxResults=3, nextToken=first["nextToken"])
    assert len(second["clusters"]) == 2
    nodes = node_role(cloud)
    for number in range(3):
        eks.create_nodegroup(clusterName="shop", nodegroupName=f"g{number}", nodeRole=nodes, subnets=subnets)
    pages = list(eks.get_paginator("list_nodegroups").paginate(clusterName="shop", PaginationConfig={"PageSize": 2}))
    assert [len(page["nodegroups"]) for page in pages] == [2, 1]


def test_fargate_profiles(cloud: Any, refused: Any, quick: Any) -> None:
    eks = cloud.eks
    create(cloud)
    role = cloud.role("fargate", "eks-fargate-pods.amazonaws.com")
    subnets = eks.describe_cluster(name="shop")["cluster"]["resourcesVpcConfig"]["subnetIds"]
    eks.create_fargate_profile(
        fargateProfileName="batch",
        clusterName="shop",
        podExecutionRoleArn=role,
        subnets=subnets,
        selectors=[{"namespace": "batch", "labels": {"x": "y"}}],
    )
    eks.get_waiter("fargate_profile_active").wait(
        clusterName="shop", fargateProfileName="batch", WaiterConfig=quick
    )
    assert eks.list_fargate_profiles(clusterName="shop")["fargateProfileNames"] == ["batch"]
    eks.delete_fargate_profile(clusterName="shop", fargateProfileName="batch")
    eks.get_waiter("fargate_profile_deleted").wait(
        clusterName="shop", fargateProfileName="batch", WaiterConfig=quick
    )
    refused("ResourceNotFoundException", eks.describe_fargate_profile, clusterName="shop", fargateProfileName="batch")


def test_known_versions(cloud: Any) -> None:
    versions = cloud.eks.describe_cluster_versions()["clusterVersions"]
    assert "1.33" in {version["clusterVersion"] for version in versions}
    assert any(version["defaultVersion"] for version in versions)


def test_creating_a_cluster_passes_its_role(cloud: Any, refused: Any) -> None:
    _, subnets = cloud.network()
    role = cloud.role("cluster", "eks.amazonaws.com")
    creating = {"Effect": "Allow", "Action": "eks:*", "Resource": "*"}
    passing = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": role}
    elsewhere = {**passing, "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}}
    params = {"name": "shop", "roleArn": role, "resourcesVpcConfig": {"subnetIds": subnets}}
    refused("AccessDeniedException", cloud.user(creating).eks.create_cluster, **params)
    refused("AccessDeniedException", cloud.user(creating, elsewhere).eks.create_cluster, **params)
    cloud.user(creating, passing).eks.create_cluster(**params)


def test_permissions_are_per_cluster(cloud: Any, refused: Any) -> None:
    create(cloud)
    create_second(cloud)
    user = cloud.user(
        {
            "Effect": "Allow",
            "Action": ["eks:DescribeCluster", "eks:ListNodegroups", "eks:AccessKubernetesApi"],
            "Resource": cloud.arn("eks", "cluster/shop"),
        },
        {"Effect": "Allow", "Action": "eks:ListClusters", "Resource": "*"},
    )
    user.eks.describe_cluster(name="shop")
    user.eks.list_nodegroups(clusterName="shop")
    user.eks.list_clusters()
    refused("AccessDeniedException", user.eks.describe_cluster, name="second")
    refused("AccessDeniedException", user.eks.list_nodegroups, clusterName="second")
    refused("AccessDeniedException", user.eks.delete_cluster, name="shop")


def test_insights_tell_of_old_nodes(cloud: Any, refused: Any) -> None:
    eks = cloud.eks
    create(cloud, version="1.33")
    subnets = eks.describe_cluster(name="shop")["cluster"]["resourcesVpcConfig"]["subnetIds"]
    eks.create_nodegroup(clusterName="shop", nodegroupName="workers", nodeRole=node_role(cloud), subnets=subnets)
    eks.update_cluster_version(name="shop", version="1.34")
    found = {insight["name"]: insight for insight in eks.list_insights(clusterName="shop")["insights"]}
    skew = found["Kubelet version skew"]
    assert (skew["kubernetesVersion"], skew["insightStatus"]["status"]) == ("1.35", "WARNING")
    insight = eks.describe_insight(clusterName="shop", id=skew["id"])["insight"]
    assert insight["resources"][0]["kubernetesResourceUri"] == "nodegroup/workers"
    eks.update_nodegroup_version(clusterName="shop", nodegroupName="workers")
    passing = {"categories": ["UPGRADE_READINESS"], "statuses": ["PASSING"]}
    assert len(eks.list_insights(clusterName="shop", filter=passing)["insights"]) == 4
    refused("ResourceNotFoundException", eks.describe_insight, clusterName="shop",
            id="00000000-0000-0000-0000-000000000000")  # fmt: skip
