"""EKS Pod Identity: associations of service accounts with roles, and the credentials they stand for.

The engine stores the associations; this checks what AWS checks before (role, session policy) and answers
``eks-auth:AssumeRoleForPodIdentity``, which on AWS only the node's Pod Identity Agent calls
(:mod:`labs.aws.pod_agent`).  A cluster's tokens are verified with the keys of the issuer that was announced for it.
The texts of the eks-auth errors are ours except where quoted.

Pages: "Learn how EKS Pod Identity grants pods access to AWS services", "Grant Pods access to AWS resources based on
tags" (its list of session tags), "Create IAM role with trust policy required by EKS Pod Identity", "Access AWS
Resources using EKS Pod Identity Target IAM Roles" (Amazon EKS User Guide); "CreatePodIdentityAssociation" (EKS API
Reference, with ``policy`` since 2026-03) and "AssumeRoleForPodIdentity" (EKS Auth API Reference).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from labs.aws import jwt
from labs.aws.gateway import service_roles
from labs.aws.gateway.calls import AwsError, ServiceCall
from labs.aws.gateway.context import Arrival
from labs.aws.gateway.credentials import Credential
from labs.aws.iam import MalformedPolicy, validate_policy
from labs.aws.issuer import POD_IDENTITY_AUDIENCE
from labs.aws.providers import sts
from labs.aws.providers.web_identity import check_signature, check_times

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

SERVICE = "pods.eks.amazonaws.com"
SESSION_SECONDS = 6 * 3600
CHAINED_SECONDS = 3600
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/\S+")


async def create(exchange: Exchange) -> dict[str, Any]:
    """CreatePodIdentityAssociation.

    :raises AwsError: InvalidParameterException, and the engine's errors (ResourceInUseException …)
    """
    params = _params(exchange)
    await _check(exchange, params, bool(params.get("disableSessionTags")))
    return _bare(await exchange.engine("eks", "CreatePodIdentityAssociation", **params))


async def update(exchange: Exchange) -> dict[str, Any]:
    """UpdatePodIdentityAssociation.

    :raises AwsError: InvalidParameterException, and the engine's errors (ResourceNotFoundException …)
    """
    params = _params(exchange)
    known = await _association(exchange, params["clusterName"], params["associationId"])
    untagged = bool(params.get("disableSessionTags", known.get("disableSessionTags")))
    merged = {**params, "policy": params.get("policy", known.get("policy"))}
    await _check(exchange, merged, untagged)
    return _bare(await exchange.engine("eks", "UpdatePodIdentityAssociation", **params))


async def describe_cluster(exchange: Exchange) -> dict[str, Any]:
    """DescribeCluster, with the issuer that really signs the cluster's tokens."""
    params = _params(exchange)
    result = _bare(await exchange.engine("eks", "DescribeCluster", **params))
    issuer = exchange.gateway.issuer_keys.of_cluster(exchange.account, params["name"])
    if issuer and "cluster" in result:
        result["cluster"]["identity"] = {"oidc": {"issuer": issuer}}
    return result


async def assume_role_for_pod(exchange: Exchange) -> dict[str, Any]:
    """AssumeRoleForPodIdentity: who the pod is, what its service account may have.

    :raises AwsError: InvalidTokenException, ExpiredTokenException, AccessDeniedException, ResourceNotFoundException
    """
    params = _params(exchange)
    return await trade(exchange, exchange.caller_account, params["clusterName"], params["token"])


async def trade(exchange: Exchange, account: str, cluster: str, token: str) -> dict[str, Any]:
    """A pod's token for credentials, whoever asks.

    :param account: owner of the cluster
    :raises AwsError: as :func:`assume_role_for_pod`
    """
    claims = await _pod(exchange, account, cluster, token)
    about = claims["kubernetes.io"]
    namespace, service_account = about["namespace"], about["serviceaccount"]["name"]
    identifier = await associated(exchange, account, cluster, namespace, service_account)
    if not identifier:
        message = f"No association found for service account {service_account} in namespace {namespace}."
        raise AwsError("ResourceNotFoundException", message, 404)
    association = await _association(exchange, cluster, identifier, account)
    session = await _session(exchange, account, association, cluster, about)
    assert session.expires is not None
    return {
        "subject": {"namespace": namespace, "serviceAccount": service_account},
        "audience": POD_IDENTITY_AUDIENCE,
        "podIdentityAssociation": {name: association[name] for name in ("associationArn", "associationId")},
        "assumedRoleUser": {"arn": session.principal.arn, "assumeRoleId": session.principal.user_id},
        "credentials": {
            "accessKeyId": session.access_key_id,
            "secretAccessKey": session.secret,
            "sessionToken": session.session_token,
            "expiration": session.expires,
        },
    }


async def associated(exchange: Exchange, account: str, cluster: str, namespace: str, service_account: str) -> str:
    """Id of the association of a service account, "" for none.

    :raises AwsError: ResourceNotFoundException, no such cluster
    """
    found = await exchange.engine(
        "eks", "ListPodIdentityAssociations", account=account, clusterName=cluster, namespace=namespace,
        serviceAccount=service_account,
    )  # fmt: skip
    summary = next(iter(found.get("associations", ())), {})
    return str(summary.get("associationId", ""))


async def _pod(exchange: Exchange, account: str, cluster: str, text: str) -> Mapping[str, Any]:
    """The verified claims of a pod's token."""
    issuer = exchange.gateway.issuer_keys.of_cluster(account, cluster)
    if not issuer:
        raise AwsError("ResourceNotFoundException", f"No cluster found for name: {cluster}.", 404)
    try:
        token = jwt.parse(text)
        if token.claims.get("iss") != issuer:
            raise _invalid_token("The token was not issued by this cluster.")
        check_times(token.claims, exchange.now)
        await check_signature(token, account, issuer, exchange.gateway.issuer_keys)
    except jwt.NotAToken as error:
        raise _invalid_token("The token is not a JWT.") from error
    except AwsError as error:
        if error.code in ("InvalidIdentityToken", "IDPRejectedClaim"):
            raise _invalid_token(error.message) from error
        if error.code == "IDPCommunicationError":
            raise AwsError("ServiceUnavailableException", error.message, 503) from error
        raise
    audience = token.claims.get("aud")
    if POD_IDENTITY_AUDIENCE not in ([audience] if isinstance(audience, str) else audience or ()):
        raise _invalid_token(f"The token's audience is not {POD_IDENTITY_AUDIENCE}.")
    about = token.claims.get("kubernetes.io")
    if (
        not isinstance(about, Mapping)
        or not isinstance(about.get("namespace"), str)
        or not all(
            isinstance(about.get(part), Mapping) and isinstance(about[part].get("name"), str)
            for part in ("pod", "serviceaccount")
        )
    ):
        raise _invalid_token("The token is not bound to a pod.")
    return token.claims


async def _session(
    exchange: Exchange, account: str, association: Mapping[str, Any], cluster: str, about: Mapping[str, Any]
) -> Credential:
    region = exchange.region
    cluster_arn = f"arn:aws:eks:{region}:{account}:cluster/{cluster}"
    pod, target = about["pod"], association.get("targetRoleArn")
    tags = {
        "eks-cluster-arn": cluster_arn,
        "eks-cluster-name": cluster,
        "kubernetes-namespace": about["namespace"],
        "kubernetes-service-account": about["serviceaccount"]["name"],
        "kubernetes-pod-name": pod["name"],
        "kubernetes-pod-uid": str(pod.get("uid", "")),
    }
    policy = association.get("policy") or ""
    errand = service_roles.Errand(
        service=SERVICE,
        role_arn=association["roleArn"],
        session_name=_session_name(cluster, pod["name"]),
        account=account,
        region=region,
        source_arn=cluster_arn,
        duration=SESSION_SECONDS,
        tags={} if association.get("disableSessionTags") else tags,
        policy="" if target else policy,
    )
    try:
        base = await service_roles.assume(exchange.gateway, errand)
        if target:
            return await _chained(exchange, base, association, errand.session_name, policy)
    except AwsError as error:
        if error.code != "AccessDenied":
            raise
        message = "Unauthorized Exception! EKS does not have permissions to assume the associated role."
        raise AwsError("AccessDeniedException", message, 400) from error
    return base


async def _chained(
    exchange: Exchange, base: Credential, association: Mapping[str, Any], session_name: str, policy: str
) -> Credential:
    """The target role, assumed by the association's role, which has to be allowed to."""
    gateway = exchange.gateway
    params: dict[str, Any] = {
        "RoleArn": association["targetRoleArn"],
        "RoleSessionName": session_name,
        "ExternalId": association["externalId"],
        "DurationSeconds": CHAINED_SECONDS,
        **({"Policy": policy} if policy else {}),
    }
    call = ServiceCall("sts", "AssumeRole", params, "query", exchange.region)
    arrival = Arrival(source_ip=SERVICE, user_agent=SERVICE, secure=True)
    decisions, _ = await gateway.authorizer.decide(call, base, arrival, exchange.now, {})
    if not decisions[-1].allowed:
        raise AwsError("AccessDenied", "The association's role may not assume the target role.", 403)
    ctx = service_roles.ServiceContext(gateway, exchange.region)
    answer = await sts.handle(call, base, ctx)
    keys = answer["Credentials"]
    minted = gateway.credentials.open(keys["AccessKeyId"], keys["SessionToken"], exchange.now)
    assert minted is not None
    return minted


def _session_name(cluster: str, pod: str) -> str:
    """``eks-CLUSTER-POD-UUID`` in at most 64 characters, as EKS names the sessions it opens."""
    identifier = str(uuid.uuid4())
    room = 64 - len(identifier) - len("eks---")
    cluster = cluster[: max(1, room - len(pod))] if len(cluster) + len(pod) > room else cluster
    return re.sub(r"[^\w+=,.@-]", "-", f"eks-{cluster}-{pod[: room - len(cluster)]}-{identifier}")


async def _association(exchange: Exchange, cluster: str, identifier: str, account: str = "") -> dict[str, Any]:
    answer = await exchange.engine(
        "eks", "DescribePodIdentityAssociation", account=account, clusterName=cluster, associationId=identifier
    )
    association: dict[str, Any] = answer["association"]
    return association


async def _check(exchange: Exchange, params: Mapping[str, Any], untagged: bool) -> None:
    """What EKS looks at before it keeps an association.

    :raises AwsError: InvalidParameterException
    """
    for name in ("roleArn", "targetRoleArn"):
        if params.get(name) and _ROLE.fullmatch(params[name]) is None:
            raise _invalid_parameter(f"{params[name]} is not the ARN of a role.")
    if params.get("roleArn"):
        account, role = sts.role_of(params["roleArn"])
        if account != exchange.caller_account:
            raise _invalid_parameter("The role must be in the cluster's account; use targetRoleArn for another one.")
        try:
            await exchange.engine("iam", "GetRole", RoleName=role)
        except AwsError as error:
            raise _invalid_parameter("Role provided in the request does not exist.") from error
    if params.get("policy"):
        if not untagged:
            raise _invalid_parameter("When a policy is specified, disableSessionTags must be set to true.")
        try:
            validate_policy(params["policy"], "session")
        except MalformedPolicy as error:
            raise _invalid_parameter(f"The policy is not valid: {error.message}") from error


def _params(exchange: Exchange) -> dict[str, Any]:
    assert exchange.call is not None
    return {name: value for name, value in exchange.call.params.items() if value is not None}


def _bare(result: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "ResponseMetadata"}


def _invalid_token(message: str) -> AwsError:
    return AwsError("InvalidTokenException", message, 400)


def _invalid_parameter(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message, 400)
