"""Lab b6: a pod that somebody else runs code in, on a node set up the old way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from labs.cluster.drivers.processes import Pod
from labs.cluster.identity import issuer
from labs.errors import PermanentError
from labs.scenarios.b_iam_security.cases import allow, document
from labs.scenarios.b_iam_security.cluster_pods import ClusterPods, learners_cluster
from labs.scenarios.b_iam_security.nodes import Node, ensure_instance, remove_node
from labs.scenarios.base import Lab, Session, Values, digest, pick, shuffled
from labs.scenarios.creation import ensure_bucket, ensure_role
from labs.scenarios.removal import remove_buckets, remove_identities
from labs.services import state

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount

INTRUDER = Path(__file__).with_name("intruder.py").read_text(encoding="utf-8")
SECRET = "customers/cards.csv"
FOLDERS = ["menu", "offers", "prices", "recipes"]
NAMESPACES = ["shop", "store", "front"]
ACCOUNTS = ["web", "catalogue", "pages"]
NODE_WORK = ["ec2:DescribeInstances", "ec2:DescribeSubnets", "ecr:GetAuthorizationToken",
             "eks-auth:AssumeRoleForPodIdentity"]
"""What this lab's kubelet and Pod Identity agent do with the node role."""
NODE_CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("ec2", "describe_instances", {}), ("ec2", "describe_subnets", {}), ("ecr", "get_authorization_token", {})]
HARDENED = {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}


class B6(Lab):
    """A bucket with a folder for the shop's pages and one for nobody, and a node role that reads both."""

    id: ClassVar[str] = "b6"
    title: ClassVar[str] = "How a compromised pod reaches AWS, and which door stops it"
    needs: ClassVar[tuple[str, ...]] = ("aws",)
    minutes: ClassVar[int] = 70

    def values(self, seed: bytes) -> Values:
        """``pod_role`` is a name for the learner's own role; ``cases`` are the attempts of exercise 1."""
        suffix = digest(seed, "suffix")[:8]
        return {
            "suffix": suffix,
            "bucket": f"shop-files-{suffix}",
            "folder": pick(seed, "folder", FOLDERS),
            "cluster": f"shop-{suffix}",
            "node_role": f"node-{suffix}",
            "pod_role": f"pages-{suffix}",
            "namespace": pick(seed, "namespace", NAMESPACES),
            "service_account": pick(seed, "service account", ACCOUNTS),
            "cases": choose(seed),
        }

    def prepare(self, aws: AwsAccount, values: Values) -> None:
        ensure_bucket(aws, values["bucket"], {f"{values['folder']}/list.json": "[]\n", SECRET: "4111 1111 1111 1111\n"})
        ensure_role(aws, values["node_role"], trust("ec2.amazonaws.com", ["sts:AssumeRole"]),
                    {"node": wide_policy(values)})
        ensure_instance(aws, values["node_role"])

    def observe(self, aws: AwsAccount, values: Values) -> dict[str, Any]:
        """What each step of the attack gets from a pod, on a node set up the old way."""
        with site(aws, values) as there:  # jailed: a notebook's node may answer the cluster's pods meanwhile
            return {step: seen["got"] for step, seen in there.intrude("v1", "v2").items()}

    def reset(self, aws: AwsAccount, values: Values) -> list[str]:
        kubernetes = learners(aws)
        removed = kubernetes.remove() if kubernetes else []
        removed += remove_node(aws, values["node_role"], values["cluster"])
        return removed + remove_identities(aws, values["suffix"]) + remove_buckets(aws, values["suffix"])

    def solution(self, aws: AwsAccount, values: Values) -> None:
        """The node role does the node's work only, the pages have a role of their own; options belong to the node."""
        ensure_role(aws, values["node_role"], trust("ec2.amazonaws.com", ["sts:AssumeRole"]),
                    {"node": document(allow(NODE_WORK))})
        ensure_role(aws, values["pod_role"], pod_trust(values), {"pages": pages_policy(values)})

    def site(self, session: Session) -> Site:
        """The node with its pods, for a notebook; close it at the end."""
        there = site(session.aws, session.values, kubernetes := learners(session.aws))
        print("Pods run on your cluster." if kubernetes else "No cluster is up: pods run as jailed processes.")
        return there

    def create_pod_role(self, session: Session, trust_policy: dict[str, Any], policy: dict[str, Any]) -> None:
        """The role ``pod_role`` with exactly these two documents; raises botocore's ClientError as AWS refuses them."""
        ensure_role(session.aws, session.values["pod_role"], trust_policy, {"pages": policy})


class Site:
    """One node, set up the old way, and pods on it; a context manager."""

    def __init__(self, node: Node, values: Values) -> None:
        self.node, self.values = node, values

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop what listens on the node."""
        self.node.close()

    @property
    def instance(self) -> str:
        """Id of the node's EC2 instance."""
        return self.node.instance

    def pod(self, name: str = "pages-1", *, role: str = "", **more: Any) -> Pod:
        """The pod of the shop's pages.

        :param role: associate its service account with this role first
        :param more: fields of ``Pod``, e.g. ``host_network=True``
        """
        usual = {"namespace": self.values["namespace"], "service_account": self.values["service_account"]}
        pod = Pod(name, **(usual | more))
        return self.node.associate(pod, role) if role else pod

    def intrude(self, *steps: str, keys: tuple[str, ...] | None = None, calls: Any = (), use: bool = True,
                **pod: Any) -> dict[str, dict[str, Any]]:
        """What ``intruder.py`` gets in a pod, step by step.

        :param keys: objects to read with what it finds (the customers' data by default)
        :param use: False stops at the credentials; ``pod`` are fields of ``Pod``
        :raises PermanentError: the program did not come to its end
        """
        keys = (SECRET,) if keys is None else keys
        order = {"steps": steps, "bucket": self.values["bucket"], "keys": keys, "calls": list(calls), "use": use}
        environment = {"INTRUDER": json.dumps(order), **pod.pop("environment", {})}
        result = self.node.run(self.pod(environment=environment, **pod), INTRUDER)
        if result.status:
            raise PermanentError(f"the pod ended with status {result.status}: {result.stderr[-500:].decode()}")
        return dict(json.loads(result.stdout))

    def run(self, source: str, **pod: Any) -> None:
        """Run a program in a pod and print what it printed."""
        result = self.node.run(self.pod(**pod), source)
        print((result.stdout + result.stderr[-800:]).decode(), end="")


def site(aws: AwsAccount, values: Values, kubernetes: ClusterPods | None = None, **options: Any) -> Site:
    """The lab's node, running; ``options`` over the old way's.  Raises as ``Node`` does.

    :param kubernetes: where its pods run.  A grader leaves it out: in an attempt's own account jailed processes get the
        same answers as pods, and need no cluster
    """
    node = Node(aws, values["node_role"], cluster=values["cluster"], kubernetes=kubernetes, **options)
    return Site(node, values)


def learners(aws: AwsAccount) -> ClusterPods | None:
    """The learner's cluster, where it is up and ``aws`` is the account beside it."""
    return learners_cluster(aws, issuer.url_of(state.home()), "b6")


def trust(service: str, actions: list[str], **more: Any) -> dict[str, Any]:
    """A trust policy for an AWS service."""
    return document({"Effect": "Allow", "Principal": {"Service": service}, "Action": actions, **more})


def wide_policy(values: Values) -> dict[str, Any]:
    """What the node role starts with: whole services, and all the files, because the pages needed some of them."""
    bucket = f"arn:aws:s3:::{values['bucket']}"
    return document(allow(["ec2:*", "ecr:*", "eks-auth:*"]), allow("s3:*", [bucket, f"{bucket}/*"]))


def pod_trust(values: Values) -> dict[str, Any]:
    """Trust for one service account of one namespace, through EKS Pod Identity."""
    tags = {"aws:RequestTag/kubernetes-namespace": values["namespace"],
            "aws:RequestTag/kubernetes-service-account": values["service_account"]}
    return trust("pods.eks.amazonaws.com", ["sts:AssumeRole", "sts:TagSession"], Condition={"StringEquals": tags})


def pages_policy(values: Values) -> dict[str, Any]:
    """Reading the folder of the pages."""
    return document(allow("s3:GetObject", f"arn:aws:s3:::{values['bucket']}/{values['folder']}/*"))


def choose(seed: bytes) -> list[Mapping[str, Any]]:
    """Eight attempts at the metadata service, each kind of outcome among the first four and the last four."""
    one = {"version": 1, "tokens": "optional"}, {"version": 1, "tokens": "required"}
    groups = [
        [{**one[0], "network": "pod", "hop_limit": 1}, {**one[0], "network": "host", "hop_limit": 1}],
        [{**one[1], "network": "host", "hop_limit": 2}, {**one[1], "network": "pod", "hop_limit": 2}],
        [{"version": 2, "tokens": tokens, "network": "pod", "hop_limit": 1} for tokens in ("required", "optional")],
        [{"version": 2, "tokens": "required", "network": "host", "hop_limit": 1},
         {"version": 2, "tokens": "required", "network": "pod", "hop_limit": 2}],
    ]
    halves: list[list[Mapping[str, Any]]] = [[], []]
    for number, group in enumerate(groups):
        for half, case in zip(halves, shuffled(seed, f"group {number}", group), strict=True):
            half.append(case)
    ordered = [case for number, half in enumerate(halves) for case in shuffled(seed, f"half {number}", half)]
    return [{"id": f"case-{number}", **case} for number, case in enumerate(ordered, start=1)]
