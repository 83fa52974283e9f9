"""Amazon EKS: clusters, node groups, add-ons, Fargate profiles, access entries, Pod Identity associations, updates.

The objects of the EKS API, not the clusters behind them: a Kubernetes API answers in the lab where a cluster driver is
up.  Everything is ready at once: the answer to a creation says CREATING, the next one ACTIVE.  A node group has an Auto
Scaling group's name and starts no instances.  Left out: hybrid and Outposts clusters, connectors, capabilities,
certificate authorities, EKS Anywhere.

Pages: "Amazon EKS API Reference" (each operation), "Grant IAM users access to Kubernetes with EKS access entries",
"Update existing cluster to new Kubernetes version" (Amazon EKS User Guide).
"""

from __future__ import annotations

import base64
import datetime
import functools
import re
import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from labs.aws.engines.own import Neighbours, eks_facts
from labs.aws.engines.own.operations import Operations, page
from labs.aws.gateway.calls import AwsError

_NAME = re.compile(r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}")
_POLICY = re.compile(r"arn:aws[a-z-]*:eks::aws:cluster-access-policy/(\w+)")
_PAGES = ("maxResults", "nextToken", 100, "InvalidParameterException", "The nextToken that was provided is not valid.")


def _invalid(text: str) -> AwsError:
    return AwsError("InvalidParameterException", text, 400)


def _bad_request(text: str) -> AwsError:
    return AwsError("InvalidRequestException", text, 400)


def _missing(text: str) -> AwsError:
    return AwsError("ResourceNotFoundException", text, 404)


def _in_use(text: str) -> AwsError:
    return AwsError("ResourceInUseException", text, 409)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Cluster:
    """One cluster and all that belongs to it."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record
        self.nodegroups: dict[str, dict[str, Any]] = {}
        self.addons: dict[str, dict[str, Any]] = {}
        self.profiles: dict[str, dict[str, Any]] = {}
        self.entries: dict[str, dict[str, Any]] = {}
        self.policies: dict[str, dict[str, dict[str, Any]]] = {}  # principal → policy → association
        self.associations: dict[str, dict[str, Any]] = {}
        self.providers: dict[str, dict[str, Any]] = {}
        self.updates: dict[str, tuple[dict[str, Any], str, str]] = {}  # id → (update, node group, add-on)

    @property
    def name(self) -> str:
        return str(self.record["name"])

    def members(self) -> dict[str, dict[str, Any]]:
        """Everything that has an ARN and tags, by ARN."""
        found = {self.record["arn"]: self.record}
        for kind, name in (
            (self.nodegroups, "nodegroupArn"),
            (self.addons, "addonArn"),
            (self.profiles, "fargateProfileArn"),
            (self.entries, "accessEntryArn"),
            (self.associations, "associationArn"),
            (self.providers, "identityProviderConfigArn"),
        ):
            found.update({record[name]: record for record in kind.values()})
        return found

    def update(self, kind: str, params: Mapping[str, Any], nodegroup: str = "", addon: str = "") -> dict[str, Any]:
        """Record a change that is done at once: in progress in this answer, successful in the next."""
        update = {
            "id": str(uuid.uuid4()),
            "status": "Successful",
            "type": kind,
            "params": [{"type": name, "value": str(value)} for name, value in params.items()],
            "createdAt": _now(),
            "errors": [],
        }
        self.updates[update["id"]] = (update, nodegroup, addon)
        return {"update": {**update, "status": "InProgress"}}


class Eks(Operations):
    """The service: clusters by account and region."""

    def __init__(self) -> None:
        self._clusters: dict[tuple[str, str], dict[str, Cluster]] = {}

    def reset(self) -> None:
        """Forget every cluster."""
        self._clusters.clear()

    def place(self, neighbours: Neighbours) -> tuple[dict[str, Cluster]]:
        """The clusters of this account and region."""
        return (self._clusters.setdefault((neighbours.account, neighbours.region), {}),)

    # -- clusters ------------------------------------------------------------------------------------------------------

    @staticmethod
    def _cluster(clusters: dict[str, Cluster], name: Any) -> Cluster:
        found = clusters.get(str(name))
        if found is None:
            raise _missing(f"No cluster found for name: {name}.")
        return found

    async def _do_create_cluster(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        name = str(params.get("name", ""))
        if not _NAME.fullmatch(name):
            raise _invalid("The cluster name can contain only alphanumeric characters, hyphens and underscores, and"
                           " must start with an alphanumeric character.")  # fmt: skip
        if name in clusters:
            raise _in_use(f"Cluster already exists with name: {name}")
        version = str(params.get("version") or eks_facts.DEFAULT_VERSION)
        if version not in eks_facts.VERSIONS:
            raise _invalid(f"unsupported Kubernetes version {version}")
        config = await _network(params.get("resourcesVpcConfig") or {}, neighbours)
        if config["vpcId"]:
            config["clusterSecurityGroupId"] = await _cluster_group(name, str(config["vpcId"]), neighbours)
        cluster = Cluster(_cluster_record(name, version, params, config, neighbours))
        clusters[name] = cluster
        return {"cluster": {**cluster.record, "status": "CREATING"}}

    async def _do_describe_cluster(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        return {"cluster": self._cluster(clusters, params.get("name")).record}

    async def _do_list_clusters(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        return page(sorted(clusters), params, "clusters", *_PAGES)

    async def _do_delete_cluster(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("name"))
        if cluster.nodegroups:
            raise _in_use(f"Cluster has nodegroups attached: {sorted(cluster.nodegroups)}")
        if cluster.profiles:
            raise _in_use(f"Cluster has Fargate profiles attached: {sorted(cluster.profiles)}")
        if cluster.record.get("deletionProtection"):
            raise _bad_request("The cluster has deletion protection enabled.")
        del clusters[cluster.name]
        group = cluster.record["resourcesVpcConfig"].get("clusterSecurityGroupId")
        try:
            await neighbours.ask("ec2", "DeleteSecurityGroup", GroupId=group)
        except AwsError as error:
            if error.status >= 500:
                raise
        return {"cluster": {**cluster.record, "status": "DELETING"}}

    async def _do_update_cluster_version(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        """ "You can only upgrade one minor version at a time"; the nodes may be at most three minors older."""
        cluster = self._cluster(clusters, params.get("name"))
        version, now = str(params.get("version", "")), str(cluster.record["version"])
        if version not in eks_facts.VERSIONS:
            raise _invalid(f"unsupported Kubernetes version {version}")
        if version == now:
            raise _invalid(f"Cluster is already at the desired configuration with version: {version}")
        if _minor(version) != _minor(now) + 1:
            raise _invalid(f"Unsupported Kubernetes minor version update from {now} to {version}")
        for group in cluster.nodegroups.values():
            if _minor(version) - _minor(group["version"]) > 3:
                raise _invalid(
                    f"Nodegroup {group['nodegroupName']} must be updated to match cluster version {now} before updating"
                    f" cluster version to {version}"
                )
        cluster.record["version"] = version
        return cluster.update("VersionUpdate", {"Version": version, "PlatformVersion": "eks.1"})

    async def _do_update_cluster_config(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("name"))
        changes = [name for name in params if name not in ("name", "clientRequestToken")]
        if len(changes) != 1:
            raise _invalid("The type for cluster update was not provided." if not changes else
                           "Only one type of cluster update can be allowed.")  # fmt: skip
        change = changes[0]
        if change == "resourcesVpcConfig":
            return await _change_network(cluster, params[change], neighbours)
        if change == "logging":
            return _change_logging(cluster, params[change])
        if change == "accessConfig":
            return _change_access(cluster, params[change])
        current = cluster.record.get(change)
        merged = {**current, **params[change]} if isinstance(current, dict) else params[change]
        if current == merged:
            raise _invalid("Cluster is already at the desired configuration.")
        cluster.record[change] = merged
        kinds = {"upgradePolicy": "UpgradePolicyUpdate", "zonalShiftConfig": "ZonalShiftConfigUpdate",
                 "deletionProtection": "DeletionProtectionUpdate"}  # fmt: skip
        return cluster.update(kinds.get(change, "AutoModeUpdate"), {change[0].upper() + change[1:]: params[change]})

    async def _do_associate_encryption_config(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        if cluster.record.get("encryptionConfig"):
            raise _invalid("Encryption config is already associated with this cluster.")
        cluster.record["encryptionConfig"] = params.get("encryptionConfig")
        return cluster.update("AssociateEncryptionConfig", {"EncryptionConfig": params.get("encryptionConfig")})

    async def _do_describe_cluster_versions(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        today = _now().date().isoformat()
        wanted = params.get("clusterVersions") or list(eks_facts.VERSIONS)
        entries = []
        for version, (standard, extended) in sorted(eks_facts.VERSIONS.items(), key=lambda v: -_minor(v[0])):
            status = "STANDARD_SUPPORT" if today <= standard else "EXTENDED_SUPPORT"
            default = version == eks_facts.DEFAULT_VERSION
            if version not in wanted or (params.get("defaultOnly") and not default):
                continue
            if params.get("versionStatus") not in (None, status):
                continue
            entries.append(
                {
                    "clusterVersion": version,
                    "clusterType": "eks",
                    "defaultPlatformVersion": "eks.1",
                    "defaultVersion": default,
                    "endOfStandardSupportDate": datetime.datetime.fromisoformat(f"{standard}T00:00:00+00:00"),
                    "endOfExtendedSupportDate": datetime.datetime.fromisoformat(f"{extended}T00:00:00+00:00"),
                    "status": status.lower().replace("_", "-"),
                    "versionStatus": status,
                    "kubernetesPatchVersion": f"{version}.3",
                }
            )
        return page(entries, params, "clusterVersions", *_PAGES)

    # -- insights ------------------------------------------------------------------------------------------------------

    async def _do_list_insights(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        wanted = params.get("filter") or {}
        found = [
            {name: value for name, value in insight.items() if name not in _INSIGHT_DETAILS}
            for insight in _insights(self._cluster(clusters, params.get("clusterName")))
            if insight["category"] in (wanted.get("categories") or [insight["category"]])
            and insight["kubernetesVersion"] in (wanted.get("kubernetesVersions") or [insight["kubernetesVersion"]])
            and insight["insightStatus"]["status"] in (wanted.get("statuses") or [insight["insightStatus"]["status"]])
        ]
        return page(found, params, "insights", *_PAGES)

    async def _do_describe_insight(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        for insight in _insights(self._cluster(clusters, params.get("clusterName"))):
            if insight["id"] == params.get("id"):
                return {"insight": insight}
        raise _missing(f"No insight found for ID: {params.get('id')}")

    # -- updates -------------------------------------------------------------------------------------------------------

    async def _do_list_updates(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("name"))
        place = (str(params.get("nodegroupName") or ""), str(params.get("addonName") or ""))
        found = [identifier for identifier, (_, group, addon) in cluster.updates.items() if (group, addon) == place]
        return page(found[::-1], params, "updateIds", *_PAGES)

    async def _do_describe_update(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("name"))
        found = cluster.updates.get(str(params.get("updateId")))
        if found is None:
            raise _missing(f"No update found for ID: {params.get('updateId')}")
        return {"update": found[0]}

    # -- node groups and Fargate profiles ------------------------------------------------------------------------------

    @staticmethod
    def _nodegroup(cluster: Cluster, name: Any) -> dict[str, Any]:
        found = cluster.nodegroups.get(str(name))
        if found is None:
            raise _missing(f"No node group found for name: {name}.")
        return found

    async def _do_create_nodegroup(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        name = str(params.get("nodegroupName", ""))
        if name in cluster.nodegroups:
            raise _in_use(f"NodeGroup already exists with name {name} and cluster name {cluster.name}")
        _scaling(params.get("scalingConfig") or {})
        await _subnets(params.get("subnets") or [], neighbours, "nodegroup")
        version = str(params.get("version") or cluster.record["version"])
        if version not in eks_facts.VERSIONS or _minor(version) > _minor(cluster.record["version"]):
            raise _invalid(f"Requested Nodegroup release version is invalid for cluster version {version}")
        if params.get("launchTemplate") and params.get("diskSize"):
            raise _invalid("Disk size must be specified within the launch template.")
        cluster.nodegroups[name] = record = _nodegroup_record(cluster, name, version, params, neighbours)
        await _node_entry(cluster, str(params.get("nodeRole", "")), neighbours)
        return {"nodegroup": {**record, "status": "CREATING"}}

    async def _do_describe_nodegroup(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        return {"nodegroup": self._nodegroup(cluster, params.get("nodegroupName"))}

    async def _do_list_nodegroups(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        return page(sorted(cluster.nodegroups), params, "nodegroups", *_PAGES)

    async def _do_update_nodegroup_config(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        group = self._nodegroup(cluster, params.get("nodegroupName"))
        changed: dict[str, Any] = {}
        if params.get("scalingConfig"):
            scaling = {**group["scalingConfig"], **params["scalingConfig"]}
            _scaling(scaling)
            group["scalingConfig"] = scaling
            changed |= {name[0].upper() + name[1:]: value for name, value in params["scalingConfig"].items()}
        labels = params.get("labels") or {}
        if labels:
            kept = {**group["labels"], **(labels.get("addOrUpdateLabels") or {})}
            group["labels"] = {k: v for k, v in kept.items() if k not in (labels.get("removeLabels") or [])}
            changed["LabelsToAdd"] = labels.get("addOrUpdateLabels") or {}
        taints = params.get("taints") or {}
        if taints:
            given = taints.get("addOrUpdateTaints") or []
            gone = {(t.get("key"), t.get("effect")) for t in [*given, *(taints.get("removeTaints") or [])]}
            group["taints"] = [t for t in group["taints"] if (t.get("key"), t.get("effect")) not in gone] + given
            changed["TaintsToAdd"] = given
        for name in ("updateConfig", "nodeRepairConfig", "warmPoolConfig"):
            if params.get(name):
                group[name] = params[name]
                changed[name[0].upper() + name[1:]] = params[name]
        group["modifiedAt"] = _now()
        return cluster.update("ConfigUpdate", changed, nodegroup=group["nodegroupName"])

    async def _do_update_nodegroup_version(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        group = self._nodegroup(cluster, params.get("nodegroupName"))
        version = str(params.get("version") or cluster.record["version"])
        if version not in eks_facts.VERSIONS or _minor(version) > _minor(cluster.record["version"]):
            raise _invalid(f"Nodegroup version {version} is newer than the cluster's {cluster.record['version']}")
        if _minor(version) < _minor(group["version"]):
            raise _invalid(f"Nodegroup Kubernetes version cannot be downgraded from {group['version']} to {version}")
        group.update(
            version=version, releaseVersion=params.get("releaseVersion") or _release(version), modifiedAt=_now()
        )
        if params.get("launchTemplate"):
            group["launchTemplate"] = params["launchTemplate"]
        changed = {"Version": version, "ReleaseVersion": group["releaseVersion"]}
        return cluster.update("VersionUpdate", changed, nodegroup=group["nodegroupName"])

    async def _do_delete_nodegroup(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        group = self._nodegroup(cluster, params.get("nodegroupName"))
        del cluster.nodegroups[group["nodegroupName"]]
        return {"nodegroup": {**group, "status": "DELETING"}}

    @staticmethod
    def _profile(cluster: Cluster, name: Any) -> dict[str, Any]:
        found = cluster.profiles.get(str(name))
        if found is None:
            raise _missing(f"No Fargate Profile found with name: {name}.")
        return found

    async def _do_create_fargate_profile(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        name = str(params.get("fargateProfileName", ""))
        if name in cluster.profiles:
            raise _in_use(f"A Fargate Profile already exists with name: {name}")
        if not params.get("selectors"):
            raise _invalid("Fargate Profile must have at least one selector.")
        record = {
            "fargateProfileName": name,
            "fargateProfileArn": _arn(neighbours, f"fargateprofile/{cluster.name}/{name}/{uuid.uuid4()}"),
            "clusterName": cluster.name,
            "createdAt": _now(),
            "podExecutionRoleArn": params.get("podExecutionRoleArn"),
            "subnets": params.get("subnets") or cluster.record["resourcesVpcConfig"]["subnetIds"],
            "selectors": params["selectors"],
            "status": "ACTIVE",
            "tags": params.get("tags") or {},
        }
        cluster.profiles[name] = record
        return {"fargateProfile": {**record, "status": "CREATING"}}

    async def _do_describe_fargate_profile(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        return {"fargateProfile": self._profile(cluster, params.get("fargateProfileName"))}

    async def _do_list_fargate_profiles(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        return page(sorted(cluster.profiles), params, "fargateProfileNames", *_PAGES)

    async def _do_delete_fargate_profile(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        profile = self._profile(cluster, params.get("fargateProfileName"))
        del cluster.profiles[profile["fargateProfileName"]]
        return {"fargateProfile": {**profile, "status": "DELETING"}}

    # -- add-ons -------------------------------------------------------------------------------------------------------

    @staticmethod
    def _addon(cluster: Cluster, name: Any) -> dict[str, Any]:
        found = cluster.addons.get(str(name))
        if found is None:
            raise _missing(f"No addon: {name} found in cluster: {cluster.name}")
        return found

    async def _do_describe_addon_versions(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        wanted = params.get("addonName")
        versions = [v for v in eks_facts.VERSIONS if v == (params.get("kubernetesVersion") or v)]
        entries = []
        for name, (_, namespace, kind) in eks_facts.ADDONS.items():
            if wanted not in (None, name):
                continue
            builds: dict[str, list[str]] = {}
            for version in sorted(versions, key=_minor, reverse=True):
                builds.setdefault(eks_facts.addon_build(name, version), []).append(version)
            entries.append(
                {
                    "addonName": name,
                    "type": kind,
                    "publisher": "eks",
                    "owner": "aws",
                    "defaultNamespace": namespace,
                    "addonVersions": [
                        {
                            "addonVersion": build,
                            "architecture": ["amd64", "arm64"],
                            "computeTypes": ["ec2", "hybrid"],
                            "requiresConfiguration": False,
                            "requiresIamPermissions": name.startswith(("aws-", "vpc-cni", "amazon-")),
                            "compatibilities": [
                                {"clusterVersion": v, "platformVersions": ["*"], "defaultVersion": True} for v in fits
                            ],
                        }
                        for build, fits in builds.items()
                    ],
                }
            )
        return page(entries, params, "addons", *_PAGES)

    async def _do_create_addon(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        name = str(params.get("addonName", ""))
        if name not in eks_facts.ADDONS:
            raise _invalid(f"Addon {name} specified is not supported")
        if name in cluster.addons:
            raise _in_use(f"Addon already exists: {name}")
        build = _build(cluster, name, params.get("addonVersion"))
        record = {
            "addonName": name,
            "clusterName": cluster.name,
            "status": "ACTIVE",
            "addonVersion": build,
            "health": {"issues": []},
            "addonArn": _arn(neighbours, f"addon/{cluster.name}/{name}/{uuid.uuid4()}"),
            "createdAt": _now(),
            "modifiedAt": _now(),
            "serviceAccountRoleArn": params.get("serviceAccountRoleArn"),
            "configurationValues": params.get("configurationValues"),
            "tags": params.get("tags") or {},
        }
        cluster.addons[name] = {key: value for key, value in record.items() if value is not None}
        return {"addon": {**cluster.addons[name], "status": "CREATING"}}

    async def _do_describe_addon(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        return {"addon": self._addon(cluster, params.get("addonName"))}

    async def _do_list_addons(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        return page(sorted(cluster.addons), params, "addons", *_PAGES)

    async def _do_update_addon(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        addon = self._addon(cluster, params.get("addonName"))
        changed = {}
        if params.get("addonVersion"):
            addon["addonVersion"] = _build(cluster, addon["addonName"], params["addonVersion"])
            changed["AddonVersion"] = addon["addonVersion"]
        for name in ("serviceAccountRoleArn", "configurationValues"):
            if params.get(name) is not None:
                addon[name] = params[name]
                changed[name[0].upper() + name[1:]] = params[name]
        addon["modifiedAt"] = _now()
        return cluster.update("AddonUpdate", changed, addon=addon["addonName"])

    async def _do_delete_addon(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        addon = self._addon(cluster, params.get("addonName"))
        del cluster.addons[addon["addonName"]]
        return {"addon": {**addon, "status": "DELETING"}}

    # -- access entries ------------------------------------------------------------------------------------------------

    @staticmethod
    def _entry(cluster: Cluster, principal: Any) -> dict[str, Any]:
        found = cluster.entries.get(str(principal))
        if found is None:
            raise _missing(f"The specified principalArn could not be found. You can view your available access entries"
                           f" with 'list-access-entries'. principalArn: {principal}")  # fmt: skip
        return found

    @staticmethod
    def _with_entries(cluster: Cluster) -> None:
        if cluster.record["accessConfig"]["authenticationMode"] == "CONFIG_MAP":
            raise _bad_request("The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to"
                               " perform this operation.")  # fmt: skip

    async def _do_create_access_entry(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        self._with_entries(cluster)
        principal = str(params.get("principalArn", ""))
        if principal in cluster.entries:
            raise _in_use("The specified access entry resource is already in use on this cluster.")
        groups, kind = params.get("kubernetesGroups") or [], str(params.get("type") or "STANDARD")
        match = re.fullmatch(r"arn:aws[a-z-]*:(?:iam|sts)::(\d{12}):(role|user|root|assumed-role)/?(.*)", principal)
        if match is None or match[2] == "assumed-role":
            raise _invalid("The principalArn parameter format is not valid")
        for group in groups:
            if group.startswith("system:"):
                raise _invalid(f"The kubernetes group name {group} is invalid, it cannot start with system:")
        await _principal(principal, neighbours)
        cluster.entries[principal] = entry = {
            "clusterName": cluster.name,
            "principalArn": principal,
            "kubernetesGroups": groups if kind == "STANDARD" else ["system:nodes"],
            "accessEntryArn": _arn(
                neighbours,
                f"access-entry/{cluster.name}/{match[2]}/{match[1]}/{match[3].rpartition('/')[2]}/{uuid.uuid4()}",
            ),
            "createdAt": _now(),
            "modifiedAt": _now(),
            "tags": params.get("tags") or {},
            "username": params.get("username") or _username(principal, match[2]),
            "type": kind,
        }
        return {"accessEntry": entry}

    async def _do_describe_access_entry(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        return {"accessEntry": self._entry(cluster, params.get("principalArn"))}

    async def _do_list_access_entries(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        policy = params.get("associatedPolicyArn")
        found = [p for p in cluster.entries if policy is None or policy in cluster.policies.get(p, {})]
        return page(found, params, "accessEntries", *_PAGES)

    async def _do_update_access_entry(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        entry = self._entry(cluster, params.get("principalArn"))
        for name in ("kubernetesGroups", "username"):
            if params.get(name) is not None:
                entry[name] = params[name]
        entry["modifiedAt"] = _now()
        return {"accessEntry": entry}

    async def _do_delete_access_entry(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        self._entry(cluster, params.get("principalArn"))
        cluster.entries.pop(str(params["principalArn"]))
        cluster.policies.pop(str(params["principalArn"]), None)
        return {}

    async def _do_list_access_policies(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        entries = [
            {"name": name, "arn": f"arn:aws:eks::aws:cluster-access-policy/{name}"}
            for name in eks_facts.ACCESS_POLICIES
        ]
        return page(entries, params, "accessPolicies", *_PAGES)

    async def _do_associate_access_policy(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        self._with_entries(cluster)
        entry = self._entry(cluster, params.get("principalArn"))
        named = _POLICY.fullmatch(str(params.get("policyArn")))
        if named is None or named[1] not in eks_facts.ACCESS_POLICIES:
            raise _missing(f"The policyArn {params.get('policyArn')} could not be found.")
        if entry["type"] != "STANDARD":
            raise _bad_request(f"Access policies cannot be associated with access entries of type {entry['type']}.")
        scope = params.get("accessScope") or {}
        if scope.get("type") == "namespace" and not scope.get("namespaces"):
            raise _invalid("The namespaces of a namespace access scope must be given.")
        if scope.get("type") == "cluster":
            scope = {"type": "cluster", "namespaces": scope.get("namespaces") or []}
        association = {"policyArn": params["policyArn"], "accessScope": scope, "associatedAt": _now(),
                       "modifiedAt": _now()}  # fmt: skip
        cluster.policies.setdefault(entry["principalArn"], {})[params["policyArn"]] = association
        return {
            "clusterName": cluster.name,
            "principalArn": entry["principalArn"],
            "associatedAccessPolicy": association,
        }

    async def _do_list_associated_access_policies(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        entry = self._entry(cluster, params.get("principalArn"))
        found = list(cluster.policies.get(entry["principalArn"], {}).values())
        listed = page(found, params, "associatedAccessPolicies", *_PAGES)
        return {"clusterName": cluster.name, "principalArn": entry["principalArn"], **listed}

    async def _do_disassociate_access_policy(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        entry = self._entry(cluster, params.get("principalArn"))
        if cluster.policies.get(entry["principalArn"], {}).pop(str(params.get("policyArn")), None) is None:
            raise _missing(f"The policyArn {params.get('policyArn')} is not associated.")
        return {}

    # -- Pod Identity --------------------------------------------------------------------------------------------------

    @staticmethod
    def _association(cluster: Cluster, identifier: Any) -> dict[str, Any]:
        found = cluster.associations.get(str(identifier))
        if found is None:
            raise _missing(f"Association not found: {identifier}")
        return found

    async def _do_create_pod_identity_association(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        where = (params.get("namespace"), params.get("serviceAccount"))
        for other in cluster.associations.values():
            if (other["namespace"], other["serviceAccount"]) == where:
                raise _in_use(f"Association already exists: {other['associationId']}")
        identifier = "a-" + secrets.token_hex(9)[:17]
        record = {
            "clusterName": cluster.name,
            "namespace": where[0],
            "serviceAccount": where[1],
            "roleArn": params.get("roleArn"),
            "associationArn": _arn(neighbours, f"podidentityassociation/{cluster.name}/{identifier}"),
            "associationId": identifier,
            "tags": params.get("tags") or {},
            "createdAt": _now(),
            "modifiedAt": _now(),
            "disableSessionTags": bool(params.get("disableSessionTags")),
            "targetRoleArn": params.get("targetRoleArn"),
            "policy": params.get("policy"),
        }
        if params.get("targetRoleArn"):
            record["externalId"] = "/".join(
                [neighbours.region, neighbours.account, cluster.name, str(where[0]), str(where[1])]
            )
        cluster.associations[identifier] = {key: value for key, value in record.items() if value is not None}
        return {"association": cluster.associations[identifier]}

    async def _do_describe_pod_identity_association(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        return {"association": self._association(cluster, params.get("associationId"))}

    async def _do_list_pod_identity_associations(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        names = ("clusterName", "namespace", "serviceAccount", "associationArn", "associationId", "ownerArn")
        found = [
            {name: record[name] for name in names if name in record}
            for record in cluster.associations.values()
            if params.get("namespace") in (None, record["namespace"])
            and params.get("serviceAccount") in (None, record["serviceAccount"])
        ]
        return page(found, params, "associations", *_PAGES)

    async def _do_update_pod_identity_association(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        record = self._association(cluster, params.get("associationId"))
        for name in ("roleArn", "disableSessionTags", "targetRoleArn", "policy"):
            if params.get(name) is not None:
                record[name] = params[name]
        record["modifiedAt"] = _now()
        return {"association": record}

    async def _do_delete_pod_identity_association(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        record = self._association(cluster, params.get("associationId"))
        del cluster.associations[record["associationId"]]
        return {"association": record}

    # -- OIDC identity providers ---------------------------------------------------------------------------------------

    async def _do_associate_identity_provider_config(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        given = params.get("oidc") or {}
        if cluster.providers:
            raise _in_use("A cluster can have one OIDC identity provider.")
        name = str(given.get("identityProviderConfigName"))
        arn = _arn(neighbours, f"identityproviderconfig/{cluster.name}/oidc/{name}/{uuid.uuid4()}")
        cluster.providers[name] = {
            **given,
            "identityProviderConfigArn": arn,
            "clusterName": cluster.name,
            "status": "ACTIVE",
            "tags": params.get("tags") or {},
        }
        update = cluster.update("AssociateIdentityProviderConfig", {"IdentityProviderConfig": name})
        return {**update, "tags": params.get("tags") or {}}

    async def _do_describe_identity_provider_config(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        name = str((params.get("identityProviderConfig") or {}).get("name"))
        if name not in cluster.providers:
            raise _missing(f"Identity provider config not found: {name}")
        return {"identityProviderConfig": {"oidc": cluster.providers[name]}}

    async def _do_list_identity_provider_configs(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        found = [{"type": "oidc", "name": name} for name in cluster.providers]
        return page(found, params, "identityProviderConfigs", *_PAGES)

    async def _do_disassociate_identity_provider_config(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        cluster = self._cluster(clusters, params.get("clusterName"))
        name = str((params.get("identityProviderConfig") or {}).get("name"))
        if cluster.providers.pop(name, None) is None:
            raise _missing(f"Identity provider config not found: {name}")
        return cluster.update("DisassociateIdentityProviderConfig", {"IdentityProviderConfig": name})

    # -- tags ----------------------------------------------------------------------------------------------------------

    @staticmethod
    def _tagged(clusters: dict[str, Cluster], arn: Any) -> dict[str, Any]:
        for cluster in clusters.values():
            found = cluster.members().get(str(arn))
            if found is not None:
                return found
        raise AwsError("NotFoundException", f"The specified resource could not be found. {arn}", 404)

    async def _do_list_tags_for_resource(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        return {"tags": self._tagged(clusters, params.get("resourceArn")).get("tags") or {}}

    async def _do_tag_resource(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        record = self._tagged(clusters, params.get("resourceArn"))
        record["tags"] = {**(record.get("tags") or {}), **(params.get("tags") or {})}
        return {}

    async def _do_untag_resource(
        self, clusters: dict[str, Cluster], params: dict[str, Any], neighbours: Neighbours
    ) -> dict[str, Any]:
        record = self._tagged(clusters, params.get("resourceArn"))
        gone = params.get("tagKeys") or []
        record["tags"] = {key: value for key, value in (record.get("tags") or {}).items() if key not in gone}
        return {}


# -- records and checks ------------------------------------------------------------------------------------------------


def _arn(neighbours: Neighbours, rest: str) -> str:
    return f"arn:aws:eks:{neighbours.region}:{neighbours.account}:{rest}"


def _minor(version: Any) -> int:
    return int(str(version).partition(".")[2] or 0)


def _release(version: str) -> str:
    return f"{version}.3-20261112"


def _username(principal: str, kind: str) -> str:
    """What Kubernetes sees of a principal without a name of its own ("Create access entries")."""
    if kind == "role":
        account, name = principal.split(":")[4], principal.rpartition("/")[2]
        return f"arn:aws:sts::{account}:assumed-role/{name}/{{{{SessionName}}}}"
    return principal


async def _principal(arn: str, neighbours: Neighbours) -> None:
    """The IAM principal of an access entry has to exist, as far as it is this account's."""
    kind, _, name = arn.split(":", 5)[5].partition("/")
    if arn.split(":")[4] != neighbours.account or kind not in ("role", "user"):
        return
    short = name.rpartition("/")[2]
    try:
        if kind == "role":
            await neighbours.ask("iam", "GetRole", RoleName=short)
        else:
            await neighbours.ask("iam", "GetUser", UserName=short)
    except AwsError as error:
        if error.code != "NoSuchEntity":
            raise
        raise _invalid("The specified principalArn is invalid: invalid principal.") from error


# What stands for a subnet or a group in an example (``subnet-1``) is no id of EC2's and is not looked for there: the
# call is for somebody who asks whether it is allowed, and has no network.
_EC2_ID = re.compile(r"(subnet|sg)-([0-9a-f]{8}|[0-9a-f]{17})")


def _real(identifiers: list[str]) -> bool:
    return all(_EC2_ID.fullmatch(str(identifier)) for identifier in identifiers)


async def _subnets(identifiers: list[str], neighbours: Neighbours, what: str) -> list[dict[str, Any]]:
    if not identifiers:
        raise _invalid("subnets can not be empty")
    if not _real(identifiers):
        return []
    try:
        answer = await neighbours.ask("ec2", "DescribeSubnets", SubnetIds=identifiers)
    except AwsError as error:
        if error.code != "InvalidSubnetID.NotFound":
            raise
        raise _invalid(
            f"The subnet ID {identifiers} provided for the {what} does not exist: {error.message}"
        ) from error
    return list(answer.get("Subnets") or [])


async def _network(given: Mapping[str, Any], neighbours: Neighbours) -> dict[str, Any]:
    """``resourcesVpcConfig`` of a new cluster: "You must specify at least two subnets" in different zones."""
    identifiers = list(given.get("subnetIds") or [])
    subnets = await _subnets(identifiers, neighbours, "cluster")
    looked_at = _real(identifiers)
    if looked_at and len({subnet["AvailabilityZone"] for subnet in subnets}) < 2:
        raise _invalid("Subnets specified must be in at least two different AZs")
    vpcs = {subnet["VpcId"] for subnet in subnets}
    if len(vpcs) > 1:
        raise _invalid("Subnets are not all in the same VPC")
    groups = list(given.get("securityGroupIds") or [])
    if groups and _real(groups):
        try:
            await neighbours.ask("ec2", "DescribeSecurityGroups", GroupIds=groups)
        except AwsError as error:
            if not error.code.startswith("InvalidGroup"):
                raise
            raise _invalid(f"The security group ID provided does not exist: {error.message}") from error
    public = given.get("endpointPublicAccess")
    private = bool(given.get("endpointPrivateAccess"))
    if public is False and not private:
        raise _invalid("Private and public endpoint access cannot be false")
    return {
        "subnetIds": identifiers,
        "securityGroupIds": groups,
        "vpcId": vpcs.pop() if vpcs else "",
        "endpointPublicAccess": public is not False,
        "endpointPrivateAccess": private,
        "publicAccessCidrs": list(given.get("publicAccessCidrs") or ["0.0.0.0/0"]),
    }


async def _cluster_group(cluster: str, vpc: str, neighbours: Neighbours) -> str:
    """The cluster security group, which EKS makes ("View Amazon EKS security group requirements for clusters")."""
    made = await neighbours.ask(
        "ec2",
        "CreateSecurityGroup",
        GroupName=f"eks-cluster-sg-{cluster}-{secrets.randbelow(10**9):09}",
        Description="EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as"
        " well as any managed workloads.",
        VpcId=vpc,
        TagSpecifications=[
            {
                "ResourceType": "security-group",
                "Tags": [
                    {"Key": "Name", "Value": f"eks-cluster-sg-{cluster}"},
                    {"Key": f"kubernetes.io/cluster/{cluster}", "Value": "owned"},
                ],
            }
        ],
    )
    return str(made["GroupId"])


def _cluster_record(
    name: str, version: str, params: Mapping[str, Any], config: dict[str, Any], neighbours: Neighbours
) -> dict[str, Any]:
    identifier = secrets.token_hex(16).upper()
    access = params.get("accessConfig") or {}
    network = params.get("kubernetesNetworkConfig") or {}
    enabled = {
        kind
        for entry in (params.get("logging") or {}).get("clusterLogging") or []
        if entry.get("enabled")
        for kind in entry.get("types") or []
    }
    record = {
        "name": name,
        "arn": _arn(neighbours, f"cluster/{name}"),
        "createdAt": _now(),
        "version": version,
        "endpoint": f"https://{identifier}.gr7.{neighbours.region}.eks.amazonaws.com",
        "roleArn": params.get("roleArn"),
        "resourcesVpcConfig": config,
        "kubernetesNetworkConfig": {
            "serviceIpv4Cidr": network.get("serviceIpv4Cidr") or "10.100.0.0/16",
            "ipFamily": network.get("ipFamily") or "ipv4",
            "elasticLoadBalancing": {"enabled": False},
        },
        "logging": _logging(enabled),
        "identity": {"oidc": {"issuer": f"https://oidc.eks.{neighbours.region}.amazonaws.com/id/{identifier}"}},
        "status": "ACTIVE",
        "certificateAuthority": {"data": _certificate_authority()},
        "clientRequestToken": params.get("clientRequestToken"),
        "platformVersion": "eks.1",
        "tags": params.get("tags") or {},
        "health": {"issues": []},
        "accessConfig": {
            "authenticationMode": access.get("authenticationMode") or "CONFIG_MAP",
            "bootstrapClusterCreatorAdminPermissions": access.get("bootstrapClusterCreatorAdminPermissions", True),
        },
        "upgradePolicy": params.get("upgradePolicy") or {"supportType": "EXTENDED"},
        "zonalShiftConfig": params.get("zonalShiftConfig"),
        "encryptionConfig": params.get("encryptionConfig"),
        "computeConfig": params.get("computeConfig"),
        "storageConfig": params.get("storageConfig"),
        "deletionProtection": bool(params.get("deletionProtection")),
    }
    return {key: value for key, value in record.items() if value is not None}


def _logging(enabled: set[str]) -> dict[str, Any]:
    on = [kind for kind in eks_facts.LOG_TYPES if kind in enabled]
    off = [kind for kind in eks_facts.LOG_TYPES if kind not in enabled]
    entries = [{"types": on, "enabled": True}, {"types": off, "enabled": False}]
    return {"clusterLogging": [entry for entry in entries if entry["types"]]}


@functools.cache
def _certificate_authority() -> str:
    """A certificate authority's certificate, in base64 as EKS gives it; one for all clusters, since none answers."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubernetes")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - datetime.timedelta(minutes=5))
        .not_valid_after(_now() + datetime.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


async def _change_network(cluster: Cluster, given: Mapping[str, Any], neighbours: Neighbours) -> dict[str, Any]:
    config = cluster.record["resourcesVpcConfig"]
    merged = {**config, **{name: value for name, value in given.items() if value is not None}}
    if not merged["endpointPublicAccess"] and not merged["endpointPrivateAccess"]:
        raise _invalid("Private and public endpoint access cannot be false")
    if merged == config:
        raise _invalid("Cluster is already at the desired configuration with endpointPrivateAccess:"
                       f" {config['endpointPrivateAccess']}, endpointPublicAccess: {config['endpointPublicAccess']},"
                       " and Public Endpoint Restrictions")  # fmt: skip
    if given.get("subnetIds") or given.get("securityGroupIds"):
        await _network(merged, neighbours)
    cluster.record["resourcesVpcConfig"] = merged
    kind = "VpcConfigUpdate" if given.get("subnetIds") or given.get("securityGroupIds") else "EndpointAccessUpdate"
    return cluster.update(kind, {name[0].upper() + name[1:]: value for name, value in given.items()})


def _change_logging(cluster: Cluster, given: Mapping[str, Any]) -> dict[str, Any]:
    now = {kind for e in cluster.record["logging"]["clusterLogging"] if e["enabled"] for kind in e["types"]}
    wanted = set(now)
    for entry in given.get("clusterLogging") or []:
        kinds = set(entry.get("types") or [])
        if kinds - set(eks_facts.LOG_TYPES):
            raise _invalid(f"Invalid log types: {sorted(kinds - set(eks_facts.LOG_TYPES))}")
        wanted = wanted | kinds if entry.get("enabled") else wanted - kinds
    if wanted == now:
        raise _invalid("No changes needed for the logging config provided")
    cluster.record["logging"] = _logging(wanted)
    return cluster.update("LoggingUpdate", {"ClusterLogging": given.get("clusterLogging")})


def _change_access(cluster: Cluster, given: Mapping[str, Any]) -> dict[str, Any]:
    """ "You can't change from API … back" ("Change authentication mode to use access entries")."""
    order = ("CONFIG_MAP", "API_AND_CONFIG_MAP", "API")
    now, wanted = cluster.record["accessConfig"]["authenticationMode"], str(given.get("authenticationMode"))
    if wanted not in order:
        raise _invalid(f"Invalid authentication mode: {wanted}")
    if wanted == now:
        raise _bad_request(f"Authentication mode is already {wanted}.")
    if order.index(wanted) < order.index(now) or (now, wanted) == ("CONFIG_MAP", "API"):
        raise _bad_request(f"Unsupported authentication mode update from {now} to {wanted}")
    cluster.record["accessConfig"]["authenticationMode"] = wanted
    return cluster.update("AccessConfigUpdate", {"AuthenticationMode": wanted})


def _scaling(config: Mapping[str, Any]) -> None:
    low, high = int(config.get("minSize", 1)), int(config.get("maxSize", 2))
    desired = int(config.get("desiredSize", 2 if not config else low))
    if low > high:
        raise _invalid("Minimum capacity " + str(low) + " can't be greater than maximum size " + str(high))
    if high < 1:
        raise _invalid("maxSize must be at least 1")
    if desired < low:
        raise _invalid(f"Minimum capacity {low} can't be greater than desired size {desired}")
    if desired > high:
        raise _invalid(f"desired capacity {desired} can't be greater than max size {high}")


def _nodegroup_record(
    cluster: Cluster, name: str, version: str, params: Mapping[str, Any], neighbours: Neighbours
) -> dict[str, Any]:
    identifier = str(uuid.uuid4())
    template = params.get("launchTemplate")
    record = {
        "nodegroupName": name,
        "nodegroupArn": _arn(neighbours, f"nodegroup/{cluster.name}/{name}/{identifier}"),
        "clusterName": cluster.name,
        "version": version,
        "releaseVersion": params.get("releaseVersion") or _release(version),
        "createdAt": _now(),
        "modifiedAt": _now(),
        "status": "ACTIVE",
        "capacityType": params.get("capacityType") or "ON_DEMAND",
        "scalingConfig": {"minSize": 1, "maxSize": 2, "desiredSize": 2, **(params.get("scalingConfig") or {})},
        "instanceTypes": params.get("instanceTypes") or (None if template else ["t3.medium"]),
        "subnets": params.get("subnets"),
        "remoteAccess": params.get("remoteAccess"),
        "amiType": params.get("amiType") or "AL2023_x86_64_STANDARD",
        "nodeRole": params.get("nodeRole"),
        "labels": params.get("labels") or {},
        "taints": params.get("taints") or [],
        "resources": {"autoScalingGroups": [{"name": f"eks-{name}-{identifier}"}]},
        "diskSize": None if template else params.get("diskSize") or 20,
        "health": {"issues": []},
        "updateConfig": params.get("updateConfig") or {"maxUnavailable": 1},
        "nodeRepairConfig": params.get("nodeRepairConfig"),
        "launchTemplate": template,
        "tags": params.get("tags") or {},
    }
    return {key: value for key, value in record.items() if value is not None}


async def _node_entry(cluster: Cluster, role: str, neighbours: Neighbours) -> None:
    """Managed node groups get an access entry of type EC2_LINUX where the cluster has entries."""
    if cluster.record["accessConfig"]["authenticationMode"] == "CONFIG_MAP" or role in cluster.entries:
        return
    name = role.rpartition("/")[2]
    cluster.entries[role] = {
        "clusterName": cluster.name,
        "principalArn": role,
        "kubernetesGroups": ["system:nodes"],
        "accessEntryArn": _arn(
            neighbours, f"access-entry/{cluster.name}/role/{neighbours.account}/{name}/{uuid.uuid4()}"
        ),
        "createdAt": _now(),
        "modifiedAt": _now(),
        "tags": {},
        "username": "system:node:{{EC2PrivateDNSName}}",
        "type": "EC2_LINUX",
    }


_INSIGHT_DETAILS = ("recommendation", "additionalInfo", "resources", "categorySpecificSummary")


def _insights(cluster: Cluster) -> list[dict[str, Any]]:
    """Upgrade readiness for the next version ("Prepare for Kubernetes version upgrades with cluster insights").

    Node groups and add-ons are looked at; of the cluster's API no request is known, so no removed API is found.
    """
    now = str(cluster.record["version"])
    wanted = f"1.{_minor(now) + 1}"
    old = [g for g in cluster.nodegroups.values() if _minor(wanted) - _minor(g["version"]) > 3]
    behind = [g for g in cluster.nodegroups.values() if g not in old and g["version"] != now]
    ahead = [{"kubernetesResourceUri": f"nodegroup/{g['nodegroupName']}"} for g in (*old, *behind)]
    skew = "ERROR" if old else "WARNING" if behind else "PASSING"
    checks = (
        (f"Deprecated APIs removed in Kubernetes v{wanted}", "PASSING", [],
         "Update manifests and clients to the APIs that replace those removed."),
        ("Kubelet version skew", skew, ahead, "Upgrade the node groups to the version of the control plane."),
        ("EKS add-on version compatibility", "PASSING", [], "Upgrade add-ons to versions that the next one supports."),
        ("Cluster health issues", "PASSING", [], "Resolve the issues of the cluster's health."),
    )  # fmt: skip
    return [
        {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{cluster.record['arn']}/{name}")),
            "name": name,
            "category": "UPGRADE_READINESS",
            "kubernetesVersion": wanted,
            "lastRefreshTime": _now(),
            "lastTransitionTime": cluster.record["createdAt"],
            "description": f"Checks for {name[0].lower() + name[1:]}.",
            "insightStatus": {"status": status, "reason": f"{len(found)} resources need attention."},
            "recommendation": advice,
            "additionalInfo": {},
            "resources": [{"insightStatus": {"status": status}, **resource} for resource in found],
        }
        for name, status, found, advice in checks
    ]


def _build(cluster: Cluster, addon: str, wanted: Any) -> str:
    build = eks_facts.addon_build(addon, str(cluster.record["version"]))
    if wanted is None:
        return build
    known = {eks_facts.addon_build(addon, version) for version in eks_facts.VERSIONS}
    if str(wanted) not in known:
        raise _invalid("Addon version specified is not supported")
    return str(wanted)


SERVICE = Eks
