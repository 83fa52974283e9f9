"""The EKS Pod Identity Agent of one node: pods ask it for credentials, it asks EKS with the node's own.

SDKs come here by ``AWS_CONTAINER_CREDENTIALS_FULL_URI`` and ``AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE``, which EKS
sets in every pod whose service account has an association; the file holds a projected service-account token for the
audience ``pods.eks.amazonaws.com``.  On AWS the agent answers at 169.254.170.23, here on loopback.  Left out: the
agent keeps no credentials, so a changed association counts at the next question.

Pages: "Learn how EKS Pod Identity grants pods access to AWS services" (Amazon EKS User Guide), "Container credential
provider" (AWS SDKs and Tools Reference Guide).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from labs.aws.serving import answer

PATH = "/v1/credentials"


class PodIdentityAgent:
    """An ASGI application.

    :param eks_auth: a boto3 ``eks-auth`` client with the node role's credentials
    :param cluster: name of the cluster that the node belongs to
    """

    def __init__(self, eks_auth: Any, cluster: str) -> None:
        self._eks_auth, self._cluster = eks_auth, cluster

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        token = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        if scope["path"] != PATH:
            await answer(send, 404, "404 page not found\n")
        elif scope["method"] != "GET":
            await answer(send, 405, "Method Not Allowed\n")
        elif not token:
            await answer(send, 400, "Service account token cannot be empty\n")
        else:
            status, body = await asyncio.to_thread(self._credentials, token)
            await answer(send, status, body)

    def _credentials(self, token: str) -> tuple[int, Any]:
        """Status and body: the SDKs' JSON, or EKS's refusal as the agent passes it on."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            given = self._eks_auth.assume_role_for_pod_identity(clusterName=self._cluster, token=token)
        except ClientError as error:
            said, meta = error.response["Error"], error.response["ResponseMetadata"]
            status = meta["HTTPStatusCode"]
            return status, refusal(meta.get("RequestId", ""), said["Code"], said["Message"], status)
        except BotoCoreError as error:
            return 500, f"({type(error).__name__}): {error}, fault: server\n"
        return 200, credentials(given)


def credentials(given: Mapping[str, Any]) -> dict[str, str]:
    """AssumeRoleForPodIdentity's answer as SDKs want it from a container's endpoint."""
    keys = given["credentials"]
    return {
        "AccessKeyId": keys["accessKeyId"],
        "SecretAccessKey": keys["secretAccessKey"],
        "Token": keys["sessionToken"],
        "AccountId": given["assumedRoleUser"]["arn"].split(":")[4],
        "Expiration": keys["expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def refusal(request_id: str, code: str, message: str, status: int) -> str:
    """EKS's error in the agent's words."""
    return f"[{request_id}]: ({code}): {message}, fault: {'client' if status < 500 else 'server'}\n"
