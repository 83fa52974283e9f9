"""EKS: whoever creates a cluster is its administrator ("Grant IAM users access to Kubernetes with EKS access entries").

The engine acts as the account's root user and cannot know who asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.aws.gateway.corrections import Corrections, Params, ask

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

ADMINISTRATOR = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


async def _created(exchange: Exchange, params: Params, result: Params) -> None:
    access = (result.get("cluster") or {}).get("accessConfig") or {}
    mode = access.get("authenticationMode")
    if mode == "CONFIG_MAP" or not access.get("bootstrapClusterCreatorAdminPermissions", True):
        return
    assert exchange.credential is not None
    principal = exchange.credential.principal
    arn = principal.role_arn or principal.arn
    where = {"clusterName": params["name"], "principalArn": arn}
    await ask(exchange, "CreateAccessEntry", **where)
    await ask(exchange, "AssociateAccessPolicy", **where, policyArn=ADMINISTRATOR, accessScope={"type": "cluster"})


CORRECTIONS = Corrections(after={"CreateCluster": _created})
