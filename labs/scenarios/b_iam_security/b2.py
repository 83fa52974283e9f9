"""Lab b2: the shop's pods and its CI job, from access keys to roles.

One cluster with its issuer, GitHub's issuer, a node with instance metadata and a Pod Identity Agent: all of them answer
on loopback while this process lives, and are announced to the AWS endpoint each time somebody needs them, so that it
does not matter which process prepared the lab.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from labs.aws import jwt
from labs.aws.issuer import AUDIENCE, POD_IDENTITY_AUDIENCE, ClusterIssuer, GitHubIssuer, Issuer, subject_of
from labs.aws.metadata import InstanceMetadata
from labs.aws.pod_agent import PATH, PodIdentityAgent
from labs.aws.serving import Serving
from labs.cluster.identity.issuer import identifier
from labs.errors import PermanentError
from labs.scenarios.b_iam_security.cases import allow, document, operator_arn
from labs.scenarios.b_iam_security.cluster_pods import ClusterPods, learners_cluster
from labs.scenarios.b_iam_security.pods import run_pod
from labs.scenarios.base import Fault, Lab, Values, digest, pick
from labs.scenarios.creation import (
    access_key,
    administrator,
    ensure_bucket,
    ensure_role,
    ensure_user,
    role_session,
    subnets,
)
from labs.scenarios.outcome import attempt
from labs.scenarios.removal import already_gone, remove_buckets, remove_identities

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount

NAMESPACES = ["shop", "market", "store", "kiosk"]
WORKLOADS = ["orders", "invoices", "parcels"]
NEIGHBOURS = ["reviews", "search", "wishes"]
OWNERS = ["harbour-shop", "linden-retail", "north-market"]
INTERNAL = "internal-api"  # an audience of tokens that are meant for a service of the shop, not for AWS
IDENTITY_KINDS = ("keys", "web identity", "pod identity")

PROGRAM = """
import os, boto3
HIDDEN = "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"
from botocore.exceptions import ClientError
print("environment:", *sorted(name for name in os.environ if name.startswith("AWS_") and name not in HIDDEN))
print("I am", boto3.client("sts").get_caller_identity()["Arn"])
bucket, key = os.environ["BUCKET"], os.environ["KEY"]
try:
    print("read", len(boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()), "bytes of", key)
except ClientError as error:
    print(error)
"""


class B2(Lab):
    """Two workloads with access keys, the identities that they could use instead, and a stolen session."""

    id: ClassVar[str] = "b2"
    title: ClassVar[str] = "Roles instead of access keys"
    needs: ClassVar[tuple[str, ...]] = ("aws",)
    minutes: ClassVar[int] = 80

    def values(self, seed: bytes) -> Values:
        """Names of one learner; ``app`` and ``neighbour`` are service accounts in ``namespace``."""
        suffix = digest(seed, "suffix b2")[:8]
        namespace = pick(seed, "namespace", NAMESPACES)
        app, owner = pick(seed, "app", WORKLOADS), pick(seed, "owner", OWNERS)
        repository = f"{owner}/{app}"
        cluster_id = identifier(seed)
        return {
            "suffix": suffix,
            "namespace": namespace,
            "other_namespace": pick(seed, "other namespace", [name for name in NAMESPACES if name != namespace]),
            "app": app,
            "neighbour": pick(seed, "neighbour", NEIGHBOURS),
            "bucket": f"{namespace}-data-{suffix}",
            "key": f"{app}/today.csv",
            "cluster": f"{namespace}-{suffix}",
            "issuer": f"oidc.eks.us-east-1.amazonaws.com/id/{cluster_id}",
            "old_cluster_id": digest(seed, "old cluster")[:32].upper(),
            "cluster_id": cluster_id,
            "repository": repository,
            "subject_prefix": subject_of(repository),
            "fork": f"{pick(seed, 'fork', ['m4llory', 'quietfox', 'zerodayz'])}/{app}",
            "app_role": f"{app}-{suffix}",
            "shared_role": f"shared-{suffix}",
            "ci_role": f"publish-{suffix}",
            "node_role": f"node-{suffix}",
            "operator": f"operator-{suffix}",
            "app_bot": f"{app}-bot-{suffix}",
            "ci_bot": f"publish-bot-{suffix}",
            "former": f"{pick(seed, 'former', ['jo', 'sam', 'kim'])}-{suffix}",
            "now": "${now}",
        }

    def prepare(self, aws: AwsAccount, values: Values) -> None:
        for name in (values["app_role"], values["shared_role"], values["ci_role"]):
            _stolen.pop((aws.endpoint, aws.account, name), None)
        rows = {f"{values[name]}/today.csv": "id,total\n1001,19.90\n" for name in ("app", "neighbour")}
        ensure_bucket(aws, values["bucket"], rows)
        running = _running(aws, values)
        for issuer in running.issuers:
            _ensure_provider(aws, issuer.url, [AUDIENCE, INTERNAL])
        data = f"arn:aws:s3:::{values['bucket']}"
        for name in ("app_bot", "ci_bot", "former"):
            ensure_user(aws, values[name], {"work": document(allow(["s3:GetObject", "s3:PutObject"], f"{data}/*"))})
            if not administrator(aws, "iam").list_access_keys(UserName=values[name])["AccessKeyMetadata"]:
                access_key(aws, values[name])
        ensure_user(aws, values["operator"], {"assume": document(allow(["sts:AssumeRole", "sts:TagSession"]))})
        _roles(aws, values, data)
        _cluster(aws, values)

    def observe(self, aws: AwsAccount, values: Values) -> dict[str, Any]:
        """Access keys in the account, and what the pod may do with each identity, as words."""
        iam = administrator(aws, "iam")
        users = [user["UserName"] for page in iam.get_paginator("list_users").paginate() for user in page["Users"]]
        mine = [name for name in users if name.endswith(values["suffix"]) and name != values["operator"]]
        keys = sum(len(iam.list_access_keys(UserName=name)["AccessKeyMetadata"]) for name in mine)
        return {
            "access keys of the bots and the one who left": keys,
            "the pod takes the role": str(attempt(lambda: web_identity(aws, values, "app_role"))),
            "the CI job takes the role": str(attempt(lambda: ci_identity(aws, values))),
            "a fork's job takes the role": str(attempt(lambda: ci_identity(aws, values, values["fork"]))),
        }

    def reset(self, aws: AwsAccount, values: Values) -> list[str]:
        _stop(aws)
        real = learners_cluster(aws, f"https://{values['issuer']}")
        iam, ec2, eks = (administrator(aws, service) for service in ("iam", "ec2", "eks"))
        removed: list[str] = real.remove() if real else []
        for page in ec2.get_paginator("describe_instances").paginate():
            for instance in (each for reservation in page["Reservations"] for each in reservation["Instances"]):
                if _is_node(instance, values) and instance["State"]["Name"] not in ("terminated", "shutting-down"):
                    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
                    removed.append(f"instance {instance['InstanceId']}")
        if values["cluster"] in eks.list_clusters()["clusters"]:
            found = eks.list_pod_identity_associations(clusterName=values["cluster"])["associations"]
            for association in found:
                eks.delete_pod_identity_association(
                    clusterName=values["cluster"], associationId=association["associationId"]
                )
            eks.delete_cluster(name=values["cluster"])
            removed.append(f"cluster {values['cluster']}")
        with already_gone():
            iam.remove_role_from_instance_profile(InstanceProfileName=values["node_role"], RoleName=values["node_role"])
        with already_gone():
            iam.delete_instance_profile(InstanceProfileName=values["node_role"])
            removed.append(f"instance profile {values['node_role']}")
        ours = {issuer.removeprefix("https://") for issuer in _issuer_urls(values)}
        for provider in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
            if provider["Arn"].partition(":oidc-provider/")[2] in ours:
                iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider["Arn"])
                removed.append(f"OIDC provider {provider['Arn'].partition(':oidc-provider/')[2]}")
        return removed + remove_identities(aws, values["suffix"]) + remove_buckets(aws, values["suffix"])

    def solution(self, aws: AwsAccount, values: Values) -> None:
        iam = administrator(aws, "iam")
        for role, trust in (("app_role", app_trust(values)), ("ci_role", ci_trust(values))):
            iam.update_assume_role_policy(RoleName=values[role], PolicyDocument=json.dumps(trust))
        for name in ("app_bot", "ci_bot", "former"):
            for key in iam.list_access_keys(UserName=values[name])["AccessKeyMetadata"]:
                iam.delete_access_key(UserName=values[name], AccessKeyId=key["AccessKeyId"])

    def credentials(self, aws: AwsAccount, values: Values, who: str) -> dict[str, str]:
        """``operator``, ``app_bot``, ``ci_bot``, ``former``: users; ``pod``, ``job``: sessions; ``thief``: a copy."""
        if who in ("operator", "app_bot", "ci_bot", "former"):
            return access_key(aws, values[who])
        if who == "pod":
            return keys_of(web_identity(aws, values, "app_role"))
        if who == "job":
            return keys_of(ci_identity(aws, values))
        if who == "thief":
            stolen = _stolen.get((aws.endpoint, aws.account, values["app_role"]))
            if stolen is None:
                raise PermanentError("Nothing was stolen yet.", 'Run session.break_("stolen-session") first.')
            return stolen
        raise PermanentError(f"lab b2 has nobody called {who!r}", "It has operator, the bots, former, pod, job, thief.")

    def run(self, aws: AwsAccount, values: Values, program: str, **options: Any) -> Any:
        """``pod``: what the app printed; ``token``, ``job token``: a JWT; ``claims``: what one says; ``keys``: a table.

        :raises PermanentError: no such program
        """
        if program not in _PROGRAMS:
            raise PermanentError(f"lab b2 has no program {program!r}", f"It has: {', '.join(_PROGRAMS)}.")
        return _PROGRAMS[program](aws, values, **options)

    faults: ClassVar[Mapping[str, Fault]] = MappingProxyType(
        {"stolen-session": lambda aws, values: _theft(aws, values)}
    )


# --- identities ---------------------------------------------------------------------------------------------------


def app_trust(values: Values) -> dict[str, Any]:
    """Who may be the app: its own service account, with a token that was made for AWS."""
    issuer = values["issuer"]
    subject = f"system:serviceaccount:{values['namespace']}:{values['app']}"
    return _web_trust(values, issuer, {f"{issuer}:sub": subject, f"{issuer}:aud": AUDIENCE})


def ci_trust(values: Values) -> dict[str, Any]:
    """Who may publish: the repository's main branch, whatever happens elsewhere on GitHub."""
    host = "token.actions.githubusercontent.com"
    subject = f"{values['subject_prefix']}:ref:refs/heads/main"
    return _web_trust(values, host, {f"{host}:sub": subject, f"{host}:aud": AUDIENCE})


def web_identity(
    aws: AwsAccount, values: Values, role: str, name: str = "", *, namespace: str = "", old: bool = False, **more: Any
) -> dict[str, Any]:
    """AssumeRoleWithWebIdentity's answer for a pod's token.

    :param role: which role, by its name in ``values``
    :param name: service account; the app's unless given
    :param old: a pod of the other cluster
    :param more: of the token, e.g. ``audience`` or ``pod``
    """
    running = _running(aws, values)
    issuer = running.old_cluster if old else running.cluster
    account = name or values["app"]
    more = {"pod": f"{account}-0", **more}
    token = issuer.service_account_token(namespace or values["namespace"], account, **more)
    return assume_with(aws, values[role], token, account)


def ci_identity(aws: AwsAccount, values: Values, repository: str = "", **more: Any) -> dict[str, Any]:
    """AssumeRoleWithWebIdentity's answer for a CI job of a repository, the shop's unless given."""
    token = _running(aws, values).github.job_token(repository or values["repository"], **more)
    return assume_with(aws, values["ci_role"], token, "ci")


def pod_identity(aws: AwsAccount, values: Values, name: str = "") -> dict[str, Any]:
    """AssumeRoleForPodIdentity's answer for a pod, its credentials in STS's form."""
    token = pod_token(aws, values, name, POD_IDENTITY_AUDIENCE)
    answer = administrator(aws, "eks-auth").assume_role_for_pod_identity(clusterName=values["cluster"], token=token)
    keys = answer["credentials"]
    names = {"AccessKeyId": "accessKeyId", "SecretAccessKey": "secretAccessKey", "SessionToken": "sessionToken"}
    return {**answer, "Credentials": {name: keys[member] for name, member in names.items()}}


def assume_with(aws: AwsAccount, role: str, token: str, session_name: str) -> dict[str, Any]:
    """The unsigned call; only the token speaks."""
    arn = f"arn:aws:iam::{aws.account}:role/{role}"
    answer: dict[str, Any] = administrator(aws, "sts").assume_role_with_web_identity(
        RoleArn=arn, RoleSessionName=session_name, WebIdentityToken=token
    )
    return answer


def keys_of(answer: Mapping[str, Any]) -> dict[str, str]:
    """Keyword arguments of ``AwsAccount.client_as`` from any AssumeRole answer."""
    keys = answer["Credentials"]
    return {
        "access_key_id": keys["AccessKeyId"],
        "secret_access_key": keys["SecretAccessKey"],
        "session_token": keys["SessionToken"],
    }


def associate(aws: AwsAccount, values: Values, policy: Mapping[str, Any] | None = None) -> None:
    """The app's service account gets the shared role by Pod Identity, narrowed by a session policy if one is given."""
    eks = administrator(aws, "eks")
    who = {"clusterName": values["cluster"], "namespace": values["namespace"], "serviceAccount": values["app"]}
    for found in eks.list_pod_identity_associations(**who)["associations"]:
        eks.delete_pod_identity_association(clusterName=values["cluster"], associationId=found["associationId"])
    role = f"arn:aws:iam::{aws.account}:role/{values['shared_role']}"
    more = {"policy": json.dumps(policy), "disableSessionTags": True} if policy else {}
    eks.create_pod_identity_association(**who, roleArn=role, **more)


def pod_token(aws: AwsAccount, values: Values, name: str = "", audience: str = AUDIENCE) -> str:
    """What the kubelet projects into a pod of a service account."""
    account = name or values["app"]
    issuer = _running(aws, values).cluster
    return issuer.service_account_token(values["namespace"], account, pod=f"{account}-0", audience=audience)


def steal(aws: AwsAccount, values: Values) -> dict[str, str]:
    """Somebody copies the credentials of a session of the app's role, which the operator opened."""
    trust = administrator(aws, "iam").get_role(RoleName=values["app_role"])["Role"]["AssumeRolePolicyDocument"]
    _let(aws, values["app_role"], document(_operator_statement(values)))
    keys = role_session(aws, access_key(aws, values["operator"]), values["app_role"], "debug")
    _let(aws, values["app_role"], trust)
    _stolen[aws.endpoint, aws.account, values["app_role"]] = keys
    return keys


def _theft(aws: AwsAccount, values: Values) -> None:
    steal(aws, values)


_stolen: dict[tuple[str, str, str], dict[str, str]] = {}


def _let(aws: AwsAccount, role: str, trust: Mapping[str, Any]) -> None:
    administrator(aws, "iam").update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trust))


def _operator_statement(values: Values) -> dict[str, Any]:
    actions = ["sts:AssumeRole", "sts:TagSession"]
    return {"Effect": "Allow", "Principal": {"AWS": operator_arn(values)}, "Action": actions}


def _web_trust(values: Values, issuer: str, equals: Mapping[str, str]) -> dict[str, Any]:
    provider = f"arn:aws:iam::{values['account']}:oidc-provider/{issuer}"
    return document({
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": dict(equals)},
    })  # fmt: skip


# --- what prepare makes -------------------------------------------------------------------------------------------


def _roles(aws: AwsAccount, values: Values, data: str) -> None:
    own = f"{data}/{values['app']}/*"
    listing = allow("s3:ListBucket", data)
    tagged = allow("s3:GetObject", f"{data}/${{aws:PrincipalTag/folder}}/*")
    closed = document(_operator_statement(values))
    work = document(allow(["s3:GetObject", "s3:PutObject"], own), listing, tagged)
    ensure_role(aws, values["app_role"], closed, {"work": work})
    ensure_role(aws, values["ci_role"], closed, {"work": document(allow("s3:PutObject", own))})
    service = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}}
    pods = document({**service, "Action": ["sts:AssumeRole", "sts:TagSession"]})
    ensure_role(aws, values["shared_role"], pods, {"work": document(allow("s3:*", [data, f"{data}/*"]))})
    instances = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    agent = document(allow("eks-auth:AssumeRoleForPodIdentity"))
    ensure_role(aws, values["node_role"], document(instances), {"agent": agent})


def _cluster(aws: AwsAccount, values: Values) -> None:
    """The cluster and the app's association with the shared role."""
    eks = administrator(aws, "eks")
    if values["cluster"] not in eks.list_clusters()["clusters"]:
        role = f"arn:aws:iam::{aws.account}:role/{values['node_role']}"
        eks.create_cluster(name=values["cluster"], roleArn=role, resourcesVpcConfig={"subnetIds": subnets(aws)})
    associate(aws, values)


def _ensure_node(aws: AwsAccount, values: Values) -> str:
    """The cluster's node, with its instance profile; its instance id.  Made when a pod first needs the node's agent."""
    iam, ec2, name = administrator(aws, "iam"), administrator(aws, "ec2"), values["node_role"]
    if not iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"]:
        with already_gone():
            iam.delete_instance_profile(InstanceProfileName=name)
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    found = _node(aws, values)
    if found:
        return found
    made = ec2.run_instances(
        ImageId="ami-12345678", InstanceType="t3.medium", MinCount=1, MaxCount=1,
        IamInstanceProfile={"Name": name},
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}],
    )  # fmt: skip
    return str(made["Instances"][0]["InstanceId"])


def _node(aws: AwsAccount, values: Values) -> str:
    """The running node's instance id, "" when there is none."""
    found = administrator(aws, "ec2").describe_instances(
        Filters=[{"Name": "instance-state-name", "Values": ["running"]}]
    )
    instances = [each for reservation in found["Reservations"] for each in reservation["Instances"]]
    return next((each["InstanceId"] for each in instances if _is_node(each, values)), "")


def _is_node(instance: Mapping[str, Any], values: Values) -> bool:
    return {"Key": "Name", "Value": values["node_role"]} in instance.get("Tags", [])


def _ensure_provider(aws: AwsAccount, url: str, audiences: list[str]) -> None:
    iam = administrator(aws, "iam")
    arn = f"arn:aws:iam::{aws.account}:oidc-provider/{url.removeprefix('https://')}"
    known = [item["Arn"] for item in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    if arn not in known:
        iam.create_open_id_connect_provider(Url=url, ClientIDList=audiences)
        return
    there = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"]
    for audience in set(audiences) - set(there):
        iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID=audience)
    for audience in set(there) - set(audiences):
        iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID=audience)


# --- what runs beside AWS -----------------------------------------------------------------------------------------


@dataclass
class _Running:
    """The issuers of one account's lab and, once a pod asked for it, its node's agent."""

    cluster: ClusterIssuer | ClusterPods
    old_cluster: ClusterIssuer
    github: GitHubIssuer
    agent: Serving | None = None
    others: list[Serving] = field(default_factory=list)

    @property
    def issuers(self) -> tuple[Issuer | ClusterPods, ...]:
        return self.cluster, self.old_cluster, self.github

    def stop(self) -> None:
        for issuer in self.issuers:
            issuer.stop()
        for service in (*([self.agent] if self.agent else []), *self.others):
            service.stop()


_all: OrderedDict[tuple[str, str], _Running] = OrderedDict()
MOST_RUNNING = 4  # accounts at a time; a grader sees many


def _running(aws: AwsAccount, values: Values) -> _Running:
    """The account's issuers, started if they are not, and announced to its endpoint."""
    key = (aws.endpoint, aws.account)
    found, url = _all.get(key), f"https://{values['issuer']}"
    real = learners_cluster(aws, url)
    if found is None or found.cluster.url != url or isinstance(found.cluster, ClusterPods) != (real is not None):
        _stop(aws)
        cluster = real or ClusterIssuer(values["cluster_id"])
        found = _Running(cluster, ClusterIssuer(values["old_cluster_id"]), GitHubIssuer())
        for issuer in found.issuers:
            issuer.start()
        _all[key] = found
        while len(_all) > MOST_RUNNING:
            _all.popitem(last=False)[1].stop()
    _all.move_to_end(key)
    found.cluster.announce(aws.endpoint, aws.account, values["cluster"])
    found.old_cluster.announce(aws.endpoint, aws.account)
    found.github.announce(aws.endpoint, aws.account)
    return found


def _stop(aws: AwsAccount) -> None:
    running = _all.pop((aws.endpoint, aws.account), None)
    if running is not None:
        running.stop()


def _issuer_urls(values: Values) -> list[str]:
    clusters = [ClusterIssuer.url_of(values[name]) for name in ("cluster_id", "old_cluster_id")]
    return [*clusters, "https://token.actions.githubusercontent.com"]


def _agent(aws: AwsAccount, values: Values) -> str:
    """Where the node's Pod Identity Agent answers; it works with the node's role, from instance metadata."""
    from botocore.credentials import InstanceMetadataProvider
    from botocore.utils import InstanceMetadataFetcher

    running = _running(aws, values)
    if running.agent is None or not _node(aws, values):
        metadata = Serving(
            InstanceMetadata(aws.endpoint, aws.account, _ensure_node(aws, values)).through(hops=1)
        ).start()
        running.others.append(metadata)
        fetcher = InstanceMetadataFetcher(
            timeout=5, num_attempts=3, config={"ec2_metadata_service_endpoint": metadata.url}
        )
        found = InstanceMetadataProvider(iam_role_fetcher=fetcher).load()
        if found is None:
            raise PermanentError("The node has no role credentials.", "Run session.prepare().")
        keys = found.get_frozen_credentials()
        eks_auth = aws.client_as("eks-auth", keys.access_key, keys.secret_key, keys.token)
        running.agent = Serving(PodIdentityAgent(eks_auth, values["cluster"])).start()
    return running.agent.url


# --- programs -----------------------------------------------------------------------------------------------------


def _pod(aws: AwsAccount, values: Values, identity: str = "keys", app: str = "") -> str:
    """Run the app in a pod that has its identity in one of three ways."""
    name = app or values["app"]
    cluster = _running(aws, values).cluster
    if isinstance(cluster, ClusterPods):
        return _real_pod(aws, values, cluster, identity, name).strip()
    environment = {
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_DEFAULT_REGION": aws.region,
        "BUCKET": values["bucket"],
        "KEY": values["key"],
    }
    files: dict[str, str] = {}
    if identity == "keys":
        keys = access_key(aws, values["app_bot"])
        environment["AWS_ACCESS_KEY_ID"] = keys["access_key_id"]
        environment["AWS_SECRET_ACCESS_KEY"] = keys["secret_access_key"]
    elif identity == "web identity":
        environment["AWS_ROLE_ARN"] = f"arn:aws:iam::{aws.account}:role/{values['app_role']}"
        environment["AWS_ROLE_SESSION_NAME"] = name
        environment["AWS_WEB_IDENTITY_TOKEN_FILE"] = "{files}/token"
        files["token"] = pod_token(aws, values, name)
    elif identity == "pod identity":
        environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = _agent(aws, values) + PATH
        environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "{files}/eks-pod-identity-token"
        files["eks-pod-identity-token"] = pod_token(aws, values, name, POD_IDENTITY_AUDIENCE)
    else:
        raise PermanentError(f"a pod has no identity {identity!r}", f"Choose one of: {', '.join(IDENTITY_KINDS)}.")
    return run_pod(PROGRAM, environment, files).strip()


def _real_pod(aws: AwsAccount, values: Values, cluster: ClusterPods, identity: str, name: str) -> str:
    """The same in a pod of the learner's cluster, which is given its identity as EKS does."""
    environment = {"AWS_DEFAULT_REGION": aws.region, "BUCKET": values["bucket"], "KEY": values["key"]}
    namespace = values["namespace"]
    if identity == "keys":
        keys = access_key(aws, values["app_bot"])
        environment["AWS_ACCESS_KEY_ID"] = keys["access_key_id"]
        environment["AWS_SECRET_ACCESS_KEY"] = keys["secret_access_key"]
        return cluster.run(namespace, "default", PROGRAM, environment)
    if identity == "web identity":
        role = f"arn:aws:iam::{aws.account}:role/{values['app_role']}"
        environment["AWS_ROLE_SESSION_NAME"] = name
        with _dissociated(aws, values, name):       # EKS prefers an association to an annotation
            return cluster.run(namespace, name, PROGRAM, environment, role=role, wanted="aws-iam-token")
    if identity == "pod identity":
        return cluster.run(namespace, name, PROGRAM, environment, wanted="eks-pod-identity-token")
    raise PermanentError(f"a pod has no identity {identity!r}", f"Choose one of: {', '.join(IDENTITY_KINDS)}.")


@contextmanager
def _dissociated(aws: AwsAccount, values: Values, name: str) -> Iterator[None]:
    """Without the association of a service account, which is there again afterwards."""
    eks, cluster = administrator(aws, "eks"), values["cluster"]
    who = {"clusterName": cluster, "namespace": values["namespace"], "serviceAccount": name}
    kept = []
    for each in eks.list_pod_identity_associations(**who)["associations"]:
        one = {"clusterName": cluster, "associationId": each["associationId"]}
        kept.append(eks.describe_pod_identity_association(**one)["association"])
        eks.delete_pod_identity_association(**one)
    try:
        yield
    finally:
        for each in kept:
            again = {key: each[key] for key in ("roleArn", "policy", "disableSessionTags", "targetRoleArn", "tags")
                     if each.get(key)}
            eks.create_pod_identity_association(**who, **again)


def _token(aws: AwsAccount, values: Values, app: str = "", audience: str = AUDIENCE) -> str:
    return pod_token(aws, values, app, audience)


def _job_token(aws: AwsAccount, values: Values, repository: str = "", **more: Any) -> str:
    return _running(aws, values).github.job_token(repository or values["repository"], **more)


def _claims(aws: AwsAccount, values: Values, token: str = "") -> dict[str, Any]:
    """What a token says, unverified: anybody who holds one can read it."""
    return dict(jwt.parse(token).claims)


def _keys(aws: AwsAccount, values: Values) -> list[dict[str, str]]:
    """Every access key of the lab's people and bots, with the last management event that the trail has of it."""
    iam, trail = administrator(aws, "iam"), administrator(aws, "cloudtrail")
    rows = []
    for user in (values[name] for name in ("app_bot", "ci_bot", "former")):
        for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
            who = [{"AttributeKey": "AccessKeyId", "AttributeValue": key["AccessKeyId"]}]
            events = trail.lookup_events(LookupAttributes=who, MaxResults=1)["Events"]
            last = f"{events[0]['EventName']} at {events[0]['EventTime']:%H:%M:%S}" if events else "never used"
            rows.append({"user": user, "key": key["AccessKeyId"], "status": key["Status"], "last": last})
    return rows


def _job(aws: AwsAccount, values: Values) -> str:
    """The CI job as it is today: it publishes with an access key."""
    keys = access_key(aws, values["ci_bot"])
    who = aws.client_as("sts", **keys).get_caller_identity()["Arn"]
    aws.client_as("s3", **keys).put_object(Bucket=values["bucket"], Key=values["key"], Body=b"id,total\n1001,19.90\n")
    return f"I am {who}\nwrote {values['key']}"


_PROGRAMS: Mapping[str, Callable[..., Any]] = {
    "pod": _pod,
    "job": _job,
    "token": _token,
    "job token": _job_token,
    "claims": _claims,
    "keys": _keys,
}


def moment(seconds: float | None = None) -> str:
    """A point in time as policies write it, whole seconds, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
