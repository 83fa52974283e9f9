"""A node of an EKS cluster, as far as AWS knows it, and the pods that run on it: jailed processes, or a cluster's pods.

The instance, its profile and its metadata options live in EC2, the cluster and its associations in EKS; the metadata
service and the Pod Identity agent are those of ``labs.aws``, on loopback.  The agent works with the node role's
credentials, which it fetches from the metadata service, as on a real node.  Where the learner's own Kubernetes takes
the jail's place, all of its nodes are this instance: the metadata service answers their pods at its own address, and
Pod Identity is the endpoint's, with tokens of the API server.
"""

from __future__ import annotations

import json
import os
import urllib.request
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from labs.aws.issuer import POD_IDENTITY_AUDIENCE, ClusterIssuer
from labs.aws.metadata import InstanceMetadata
from labs.aws.pod_agent import PodIdentityAgent
from labs.aws.serving import Serving
from labs.cluster.drivers.processes import Network, Pod, Processes
from labs.cluster.network.plane import METADATA_FILE
from labs.errors import PermanentError, TemporaryError
from labs.jail import Result
from labs.scenarios.b_iam_security.cases import document
from labs.scenarios.b_iam_security.cluster_pods import ClusterPods
from labs.scenarios.base import digest
from labs.scenarios.creation import EXISTS, administrator, ensure_role, subnets
from labs.scenarios.removal import already_gone
from labs.services import state

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount

Listener = TypeVar("Listener", Serving, ClusterIssuer)
OLD = {"HttpTokens": "optional", "HttpPutResponseHopLimit": 2, "HttpEndpoint": "enabled"}
"""How nodes were often set up before IMDSv2 became the default: version 1 answers, and pods are near enough."""
TAG = "lab-node"
VOLUME, PROJECTED = "eks-pod-identity-token", "projected by the cluster"
"""The volume that EKS adds to an associated pod, and what stands for a token that is in there."""


class Node:
    """A running node; a context manager.  Its instance stays in EC2 until :func:`remove_node`.

    :param role: name of the role of its instance profile, which must exist
    :param kubernetes: where its pods run, jailed processes when None
    :param options: metadata options over OLD
    :raises PermanentError: the endpoint has no listener for pods
    :raises TemporaryError: the endpoint does not answer
    :raises botocore.exceptions.ClientError: AWS refuses an option
    """

    def __init__(self, aws: AwsAccount, role: str, *, cluster: str, kubernetes: ClusterPods | None = None,
                 **options: Any) -> None:
        self.aws, self.role, self.cluster, self.kubernetes = aws, role, cluster, kubernetes
        pods = _pods_endpoint(aws)
        self.instance = ensure_instance(aws, role)
        self.modify(**(OLD | options))
        self._running, self._listening = ExitStack(), list[Serving | ClusterIssuer]()
        metadata = InstanceMetadata(aws.endpoint, aws.account, self.instance)
        near, far = (self._begun(Serving(metadata.through(hops))).url for hops in (1, 2))
        self._network = Network(pods, (near, far))
        if kubernetes is not None:
            self._announce(near, far)

    def _announce(self, near: str, far: str) -> None:
        """Tell the cluster's network where the metadata service of its nodes listens, until the node is closed."""
        file = state.home() / "kubernetes" / METADATA_FILE
        ports = {"near": urlsplit(near).port, "far": urlsplit(far).port, "pid": os.getpid()}
        state.write_private(file, json.dumps(ports))
        self._running.callback(file.unlink, missing_ok=True)

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the metadata service and the agent."""
        for each in self._listening:  # all at once, then wait
            each.leave()
        self._running.close()

    def _begun(self, listener: Listener) -> Listener:
        self._listening.append(listener)
        self._running.enter_context(listener)
        return listener

    def modify(self, **options: Any) -> dict[str, Any]:
        """``ModifyInstanceMetadataOptions``; returns the options; raises botocore's ClientError as AWS refuses."""
        answer = administrator(self.aws, "ec2").modify_instance_metadata_options(InstanceId=self.instance, **options)
        return dict(answer["InstanceMetadataOptions"])

    def run(self, pod: Pod, source: str) -> Result:
        """Run a Python program in a pod, to its end."""
        if self.kubernetes is not None:
            return self._run_there(pod, source, self.kubernetes)
        network = replace(self._network, agent=self._agent) if pod.token else self._network
        return Processes(network).run(pod, source)

    def _run_there(self, pod: Pod, source: str, kubernetes: ClusterPods) -> Result:
        """The same in a pod of the cluster, whose log has both of its streams."""
        told = {"AWS_DEFAULT_REGION": self.aws.region, "AWS_METADATA_SERVICE_TIMEOUT": "5", **pod.environment}
        phase, said = kubernetes.ended(pod.namespace, pod.service_account, source, told,
                                       wanted=VOLUME if pod.token else "", host_network=pod.host_network)
        failed = phase == "Failed"
        streams = {"stderr" if failed else "stdout": said.encode()}
        return Result(int(failed), None, "cluster", (), **streams)

    def associate(self, pod: Pod, role: str) -> Pod:
        """Associate the pod's service account with a role, and project a token into the pod."""
        name = {"clusterName": self.cluster, "namespace": pod.namespace, "serviceAccount": pod.service_account}
        ensure_cluster(self.aws, self.cluster)
        eks = administrator(self.aws, "eks")
        arn = f"arn:aws:iam::{self.aws.account}:role/{role}"
        try:
            eks.create_pod_identity_association(**name, roleArn=arn)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUseException":
                raise
            (found,) = eks.list_pod_identity_associations(**name)["associations"]
            eks.update_pod_identity_association(
                clusterName=self.cluster, associationId=found["associationId"], roleArn=arn
            )
        if self.kubernetes is not None:
            self.kubernetes.announce(self.aws.endpoint, self.aws.account, self.cluster)
            return replace(pod, token=PROJECTED)
        token = self._issuer.service_account_token(
            pod.namespace, pod.service_account, pod=pod.name, audience=POD_IDENTITY_AUDIENCE
        )
        return replace(pod, token=token)

    @cached_property
    def _issuer(self) -> ClusterIssuer:
        """The token issuer of a cluster that exists in EKS."""
        issuer = self._begun(ClusterIssuer(digest(self.cluster.encode(), "issuer")[:32]))
        issuer.announce(self.aws.endpoint, self.aws.account, self.cluster)
        return issuer

    @cached_property
    def _agent(self) -> str:
        """URL of the node's Pod Identity agent."""
        return self._begun(Serving(PodIdentityAgent(self._eks_auth(), self.cluster))).url

    def _eks_auth(self) -> Any:
        """The agent's client, with what the metadata service gives a process of the node."""
        from botocore.utils import InstanceMetadataFetcher

        fetcher = InstanceMetadataFetcher(
            timeout=5, num_attempts=1, base_url=self._network.metadata[0],
            config={"ec2_metadata_service_endpoint": self._network.metadata[0]},
        )  # fmt: skip
        found = fetcher.retrieve_iam_role_credentials() or {"access_key": "none", "secret_key": "none", "token": "none"}
        return self.aws.client_as("eks-auth", found["access_key"], found["secret_key"], found["token"])


def _pods_endpoint(aws: AwsAccount) -> str:
    try:
        with urllib.request.urlopen(f"{aws.endpoint}/_lab/health", timeout=5) as answer:
            pods = str(json.loads(answer.read())["listeners"].get("pods", ""))
    except OSError as error:
        raise TemporaryError(f"the AWS endpoint does not answer: {error}") from error
    if not pods:
        raise PermanentError("The AWS endpoint has no listener for pods.", "Start it with `lab up aws`.")
    return pods


def ensure_instance(aws: AwsAccount, role: str) -> str:
    """Id of the running instance with this role's profile (both named after the role), made where it is not there."""
    ec2, iam = administrator(aws, "ec2"), administrator(aws, "iam")
    for call, params in (
        (iam.create_instance_profile, {"InstanceProfileName": role}),
        (iam.add_role_to_instance_profile, {"InstanceProfileName": role, "RoleName": role}),
    ):
        try:
            call(**params)
        except ClientError as error:
            if error.response["Error"]["Code"] not in EXISTS | {"LimitExceeded"}:
                raise
    known = _instances(aws, role)
    if known:
        return known[0]
    made = ec2.run_instances(
        ImageId="ami-12345678", MinCount=1, MaxCount=1, InstanceType="t3.large", IamInstanceProfile={"Name": role},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": TAG, "Value": role}]}],
    )  # fmt: skip
    return str(made["Instances"][0]["InstanceId"])


def _instances(aws: AwsAccount, role: str) -> list[str]:
    """Ids of the instances that were made for a role and are not terminated."""
    wanted = [
        {"Name": f"tag:{TAG}", "Values": [role]},
        {"Name": "instance-state-name", "Values": ["pending", "running", "stopped"]},
    ]
    found = administrator(aws, "ec2").describe_instances(Filters=wanted)
    return [each["InstanceId"] for group in found["Reservations"] for each in group["Instances"]]


def ensure_cluster(aws: AwsAccount, name: str) -> None:
    """An EKS cluster of this name, with a role of the same name."""
    trusting = {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ensure_role(aws, name, document(trusting))
    wanted = {"name": name, "roleArn": f"arn:aws:iam::{aws.account}:role/{name}"}
    try:
        administrator(aws, "eks").create_cluster(**wanted, resourcesVpcConfig={"subnetIds": subnets(aws)})
    except ClientError as error:
        if error.response["Error"]["Code"] not in EXISTS | {"ResourceInUseException"}:
            raise


def remove_node(aws: AwsAccount, role: str, cluster: str) -> list[str]:
    """Terminate the instances, remove the profile and the cluster with its associations; a line for each thing."""
    removed = []
    for instance in _instances(aws, role):
        administrator(aws, "ec2").terminate_instances(InstanceIds=[instance])
        removed.append(f"instance {instance}")
    iam, eks = administrator(aws, "iam"), administrator(aws, "eks")
    with already_gone():
        iam.remove_role_from_instance_profile(InstanceProfileName=role, RoleName=role)
    with already_gone():
        iam.delete_instance_profile(InstanceProfileName=role)
        removed.append(f"instance profile {role}")
    with suppress(eks.exceptions.ResourceNotFoundException):
        for each in eks.list_pod_identity_associations(clusterName=cluster)["associations"]:
            eks.delete_pod_identity_association(clusterName=cluster, associationId=each["associationId"])
        eks.delete_cluster(name=cluster)
        removed.append(f"cluster {cluster}")
    return removed
