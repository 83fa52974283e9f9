"""The four S3 configurations that a bucket has many of, told apart by an id: inventory, metrics, analytics, tiering.

They are kept in the gateway's notes: no engine has them, and none of them acts on anything in a lab.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Params, ask

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

Answer = Callable[["Exchange", Params], Awaitable[Params]]

# kind in the operations' names → member that carries one configuration
_KINDS = {
    "Inventory": "InventoryConfiguration",
    "Metrics": "MetricsConfiguration",
    "Analytics": "AnalyticsConfiguration",
    "IntelligentTiering": "IntelligentTieringConfiguration",
}
_GREATEST = 1000  # configurations of one kind in a bucket


def operations() -> dict[str, Answer]:
    """Get, Put, List and Delete of the four kinds, by operation."""
    table: dict[str, Answer] = {}
    for kind, member in _KINDS.items():
        table[f"PutBucket{kind}Configuration"] = _put(kind, member)
        table[f"GetBucket{kind}Configuration"] = _get(kind, member)
        table[f"DeleteBucket{kind}Configuration"] = _delete(kind)
        table[f"ListBucket{kind}Configurations"] = _list(kind, f"{member}List")
    return table


async def _kept(exchange: Exchange, params: Params, kind: str) -> dict[str, Params]:
    """:raises AwsError: there is no such bucket"""
    bucket = str(params.get("Bucket", ""))
    await ask(exchange, "GetBucketLocation", Bucket=bucket)
    kept: dict[str, Params] = exchange.gateway.notes.setdefault(("s3-configurations", bucket, kind), {})
    return kept


def _missing() -> AwsError:
    return AwsError("NoSuchConfiguration", "The specified configuration does not exist.", 404)


def _put(kind: str, member: str) -> Answer:
    async def put(exchange: Exchange, params: Params) -> Params:
        kept = await _kept(exchange, params, kind)
        configuration = dict(params.get(member) or {})
        if configuration.get("Id") != params.get("Id"):
            raise AwsError("InvalidArgument", "The ID in the request does not match that of the configuration", 400)
        if len(kept) >= _GREATEST and params["Id"] not in kept:
            raise AwsError("TooManyConfigurations", "You have reached the limit of configurations", 400)
        kept[params["Id"]] = configuration
        return {}

    return put


def _get(kind: str, member: str) -> Answer:
    async def get(exchange: Exchange, params: Params) -> Params:
        configuration = (await _kept(exchange, params, kind)).get(str(params.get("Id")))
        if configuration is None:
            raise _missing()
        return {member: configuration}

    return get


def _delete(kind: str) -> Answer:
    async def delete(exchange: Exchange, params: Params) -> Params:
        if (await _kept(exchange, params, kind)).pop(str(params.get("Id")), None) is None:
            raise _missing()
        return {}

    return delete


def _list(kind: str, member: str) -> Answer:
    async def listed(exchange: Exchange, params: Params) -> Params:
        kept = await _kept(exchange, params, kind)
        return {member: [kept[name] for name in sorted(kept)], "IsTruncated": False}

    return listed
