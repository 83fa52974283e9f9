"""What EKS does inside a cluster for Pod Identity, for the Kubernetes of this machine: webhook and agent.

    POST /_eks/pods/HOST:PORT                     an AdmissionReview: a new pod whose service account has an association
                                                  gets a token and the variables that lead to the agent; HOST:PORT is
                                                  where pods of this cluster reach this endpoint
    GET  /_eks/ACCOUNT/CLUSTER/v1/credentials     the agent: a pod's token for the credentials of its role

Every EKS cluster of the learner's account that announced no issuer of its own counts as this Kubernetes, so an
association in any of them is found.  On AWS the agent works with the node's role and answers at 169.254.170.23; this
one is a part of the endpoint, so it needs no ``eks-auth`` permission (:mod:`labs.aws.pod_agent` is one that does).

Pages: "Learn how EKS Pod Identity grants pods access to AWS services" (Amazon EKS User Guide), "Dynamic Admission
Control" (Kubernetes documentation).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.events import event
from labs.aws.issuer import POD_IDENTITY_AUDIENCE
from labs.aws.pod_agent import credentials, refusal
from labs.aws.providers import pod_identity
from labs.aws.serving import answer as send_answer

if TYPE_CHECKING:
    from labs.aws.engines import Send
    from labs.aws.gateway.app import Exchange

PREFIX = b"/_eks/"
VOLUME = "eks-pod-identity-token"
FOLDER = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
SECONDS = 86_400
"""How long a projected token is good."""
FULL_URI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
WEB_IDENTITY = "aws-iam-token"
_WEB_IDENTITY_NAMES = ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")
_WEBHOOK = re.compile(r"/_eks/pods/(?P<endpoint>[0-9A-Za-z.-]+:[0-9]{1,5})")
_AGENT = re.compile(r"/_eks/(?P<account>[0-9]{12})/(?P<cluster>[0-9A-Za-z][A-Za-z0-9_-]{0,99})/v1/credentials")


def is_for(exchange: Exchange) -> bool:
    """Whether a request comes from a cluster, or from a pod that looks for credentials."""
    return exchange.path.startswith(PREFIX)


async def answer(exchange: Exchange, send: Send) -> None:
    """Answer it."""
    path = exchange.path.decode("latin-1")
    webhook, agent = _WEBHOOK.fullmatch(path), _AGENT.fullmatch(path)
    if webhook and exchange.method == "POST":
        await _review(exchange, send, f"http://{webhook['endpoint']}")
    elif agent is None:
        await send_answer(send, 404, "404 page not found\n")
    elif exchange.method != "GET":
        await send_answer(send, 405, "Method Not Allowed\n")
    else:
        await _credentials(exchange, send, agent["account"], agent["cluster"])


# --- the agent ----------------------------------------------------------------------------------------------------


async def _credentials(exchange: Exchange, send: Send, account: str, cluster: str) -> None:
    token = dict(exchange.headers).get(b"authorization", b"").decode("latin-1")
    if not token:
        await send_answer(send, 400, "Service account token cannot be empty\n")
        return
    given, error = None, None
    try:
        given = await pod_identity.trade(exchange, account, cluster, token)
    except AwsError as refused:
        error = refused
    _record(exchange, account, cluster, given, error)
    if given is not None:
        await send_answer(send, 200, credentials(given))
    elif error is not None:
        await send_answer(send, error.status, refusal(exchange.request_id, error.code, error.message, error.status))


def _record(
    exchange: Exchange, account: str, cluster: str, given: Mapping[str, Any] | None, error: AwsError | None
) -> None:
    """The trail's event of AssumeRoleForPodIdentity; the agent has no principal of its own here."""
    record = event(
        credential=None, service="eks-auth", operation="AssumeRoleForPodIdentity",
        params={"clusterName": cluster, "token": "HIDDEN_DUE_TO_SECURITY_REASONS"}, region=exchange.region,
        account=account, source_ip=exchange.arrival.source_ip, user_agent="eks-pod-identity-agent",
        request_id=exchange.request_id, now=exchange.now, result=given,
        error=(error.code, error.message) if error else None,
        identity={"type": "AWSService", "invokedBy": pod_identity.SERVICE},
    )  # fmt: skip
    exchange.gateway.trail.add(json.loads(json.dumps(record, default=str)), exchange.now.timestamp())


# --- the webhook --------------------------------------------------------------------------------------------------


async def _review(exchange: Exchange, send: Send, endpoint: str) -> None:
    """Answer an AdmissionReview; a pod of no association is allowed as it is."""
    try:
        review = json.loads(await exchange.body.read())
        asked = review["request"]
        pod, namespace, identifier = asked["object"], str(asked["namespace"]), str(asked["uid"])
        account_name = str(pod["spec"].get("serviceAccountName") or "default")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        await send_answer(send, 400, f"An AdmissionReview of a pod was expected ({type(error).__name__}: {error})\n")
        return
    response: dict[str, Any] = {"uid": identifier, "allowed": True}
    where = await _cluster_of(exchange, namespace, account_name)
    if where is not None:
        operations = changes(pod, f"{endpoint}/_eks/{where[0]}/{where[1]}/v1/credentials", exchange.region)
        if operations:
            patch = base64.b64encode(json.dumps(operations).encode()).decode()
            response |= {"patchType": "JSONPatch", "patch": patch}
    await send_answer(
        send, 200, {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
    )


async def _cluster_of(exchange: Exchange, namespace: str, service_account: str) -> tuple[str, str] | None:
    """Account and name of the EKS cluster that has an association for a service account."""
    learner = exchange.gateway.learner
    if not learner:
        return None
    account = str(learner["account"])
    keys = exchange.gateway.issuer_keys
    here = keys.of_cluster(account, "")
    for name in (await exchange.engine("eks", "ListClusters", account=account))["clusters"]:
        same = keys.of_cluster(account, name) == here
        if same and await pod_identity.associated(exchange, account, name, namespace, service_account):
            return account, str(name)
    return None


def changes(pod: Mapping[str, Any], uri: str, region: str) -> list[dict[str, Any]]:
    """The JSON Patch (RFC 6902) that EKS's webhook makes for Pod Identity; none for a pod that has it already.

    A container that sets the agent's address itself is left alone.  What the service account's annotation brought
    (web identity) is taken out again: EKS's webhook does one of both, and looks for an association first.
    """
    spec = pod["spec"]
    if any(volume["name"] == VOLUME for volume in spec.get("volumes") or []):
        return []
    added = {
        FULL_URI: uri, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{FOLDER}/{VOLUME}",
        "AWS_STS_REGIONAL_ENDPOINTS": "regional", "AWS_DEFAULT_REGION": region, "AWS_REGION": region,
    }  # fmt: skip
    mount = {"name": VOLUME, "mountPath": FOLDER, "readOnly": True}
    made = _without_web_identity(pod)
    if made:
        spec = json.loads(json.dumps(spec))
        for change in made:
            spec[change["path"].split("/")[2]] = change["value"]
    before = len(made)
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or []):
            known = {each["name"] for each in container.get("env") or []}
            if FULL_URI in known:
                continue
            env = [{"name": name, "value": value} for name, value in added.items() if name not in known]
            made += _append(f"/spec/{kind}/{index}/env", container.get("env"), env)
            made += _append(f"/spec/{kind}/{index}/volumeMounts", container.get("volumeMounts"), [mount])
    if len(made) == before:
        return []
    source = {"audience": POD_IDENTITY_AUDIENCE, "expirationSeconds": SECONDS, "path": VOLUME}
    volume = {"name": VOLUME, "projected": {"sources": [{"serviceAccountToken": source}]}}
    return made + _append("/spec/volumes", spec.get("volumes"), [volume])


def _without_web_identity(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Volumes and containers anew, without the token for STS and what points to it; nothing where it is not there."""
    spec = pod["spec"]
    if not any(volume["name"] == WEB_IDENTITY for volume in spec.get("volumes") or []):
        return []
    made = [_replaced("volumes", [volume for volume in spec["volumes"] if volume["name"] != WEB_IDENTITY])]
    for kind in ("initContainers", "containers"):
        containers = []
        for container in spec.get(kind) or []:
            mounts = container.get("volumeMounts") or []
            if any(mount["name"] == WEB_IDENTITY for mount in mounts):
                env = [each for each in container.get("env") or [] if each["name"] not in _WEB_IDENTITY_NAMES]
                kept = [mount for mount in mounts if mount["name"] != WEB_IDENTITY]
                container = {**container, "env": env, "volumeMounts": kept}
            containers.append(container)
        if containers:
            made.append(_replaced(kind, containers))
    return made


def _replaced(name: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": f"/spec/{name}", "value": value}       # "add" replaces a member that is there


def _append(path: str, known: Any, values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not known:
        return [{"op": "add", "path": path, "value": values}]
    return [{"op": "add", "path": f"{path}/-", "value": value} for value in values]
