"""Settings of an ECR registry: scanning, replication, its policy, pull-through cache rules.

They are kept and shown; nothing is replicated, and nothing is pulled from another registry.  Page of each: its
operation in the Amazon ECR API Reference.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Instead, Params, ask

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

REPLICATION_RULES = 10


def _settings(exchange: Exchange) -> dict[str, Any]:
    place = ("ecr", "registry", exchange.account, exchange.region)
    found: dict[str, Any] = exchange.gateway.notes.setdefault(place, {})
    return found


def _invalid(text: str) -> AwsError:
    return AwsError("InvalidParameterException", text, 400)


async def _put_scanning(exchange: Exchange, params: Params) -> Params:
    chosen = {"scanType": params.get("scanType") or "BASIC", "rules": params.get("rules") or []}
    for rule in chosen["rules"]:
        if chosen["scanType"] == "BASIC" and rule.get("scanFrequency") == "CONTINUOUS_SCAN":
            raise _invalid("CONTINUOUS_SCAN is only available with the scan type ENHANCED.")
    _settings(exchange)["scanning"] = chosen
    return {"registryScanningConfiguration": chosen}


async def _scanning(exchange: Exchange, params: Params) -> Params:
    chosen = _settings(exchange).get("scanning") or {"scanType": "BASIC", "rules": []}
    return {"registryId": exchange.account, "scanningConfiguration": chosen}


async def _put_replication(exchange: Exchange, params: Params) -> Params:
    chosen = params.get("replicationConfiguration") or {}
    rules = chosen.get("rules") or []
    if len(rules) > REPLICATION_RULES:
        raise _invalid(f"A replication configuration has at most {REPLICATION_RULES} rules.")
    for place in (place for rule in rules for place in rule.get("destinations") or []):
        if (place.get("region"), place.get("registryId")) == (exchange.region, exchange.account):
            raise _invalid("A registry cannot be replicated to itself.")
    _settings(exchange)["replication"] = chosen
    return {"replicationConfiguration": chosen}


async def _registry(exchange: Exchange, params: Params) -> Params:
    chosen = _settings(exchange).get("replication") or {"rules": []}
    return {"registryId": exchange.account, "replicationConfiguration": chosen}


async def _put_policy(exchange: Exchange, params: Params) -> Params:
    _settings(exchange)["policy"] = params.get("policyText")
    return {"registryId": exchange.account, "policyText": params.get("policyText")}


async def _policy(exchange: Exchange, params: Params) -> Params:
    text = _settings(exchange).get("policy")
    if not text:
        raise AwsError("RegistryPolicyNotFoundException", f"Registry policy does not exist in the registry with id"
                       f" '{exchange.account}'", 400)  # fmt: skip
    return {"registryId": exchange.account, "policyText": text}


async def _delete_policy(exchange: Exchange, params: Params) -> Params:
    answer = await _policy(exchange, params)
    del _settings(exchange)["policy"]
    return answer


def _cached(exchange: Exchange) -> dict[str, Params]:
    found: dict[str, Params] = _settings(exchange).setdefault("cache", {})
    return found


async def _create_cache(exchange: Exchange, params: Params) -> Params:
    prefix, url = str(params.get("ecrRepositoryPrefix")), str(params.get("upstreamRegistryUrl"))
    if not re.fullmatch(r"[a-z0-9]+(?:[._-][a-z0-9]+)*(?:/[a-z0-9._-]+)*", prefix):
        raise _invalid(f"Invalid parameter at 'ecrRepositoryPrefix': {prefix}")
    if prefix in _cached(exchange):
        text = f"A pull through cache rule with the repository prefix '{prefix}' already exists."
        raise AwsError("PullThroughCacheRuleAlreadyExistsException", text, 400)
    open_to_all = ("public.ecr.aws", "registry.k8s.io", "quay.io")
    if url not in open_to_all and not params.get("credentialArn"):
        raise _invalid(f"The upstream registry {url} needs a credentialArn.")
    names = ("ecrRepositoryPrefix", "upstreamRegistryUrl", "upstreamRegistry", "credentialArn")
    kept = {name: params[name] for name in names if params.get(name)}
    _cached(exchange)[prefix] = {**kept, "createdAt": exchange.now, "registryId": exchange.account}
    return _cached(exchange)[prefix]


def _not_found(prefix: Any) -> AwsError:
    text = f"The pull through cache rule with the repository prefix '{prefix}' does not exist."
    return AwsError("PullThroughCacheRuleNotFoundException", text, 400)


async def _caches(exchange: Exchange, params: Params) -> Params:
    wanted = params.get("ecrRepositoryPrefixes")
    for prefix in wanted or []:
        if prefix not in _cached(exchange):
            raise _not_found(prefix)
    return {"pullThroughCacheRules": [_cached(exchange)[prefix] for prefix in wanted or _cached(exchange)]}


async def _delete_cache(exchange: Exchange, params: Params) -> Params:
    found = _cached(exchange).pop(str(params.get("ecrRepositoryPrefix")), None)
    if found is None:
        raise _not_found(params.get("ecrRepositoryPrefix"))
    return found


async def _frequencies(exchange: Exchange, params: Params) -> Params:
    """How each repository is scanned."""
    shown = []
    for name in params.get("repositoryNames") or []:
        (repository,) = (await ask(exchange, "DescribeRepositories", repositoryNames=[name]))["repositories"]
        on_push = bool((repository.get("imageScanningConfiguration") or {}).get("scanOnPush"))
        shown.append({"repositoryArn": repository["repositoryArn"], "repositoryName": name, "scanOnPush": on_push,
                      "scanFrequency": "SCAN_ON_PUSH" if on_push else "MANUAL", "appliedScanFilters": []})  # fmt: skip
    return {"scanningConfigurations": shown, "failures": []}


INSTEAD: dict[str, Instead] = {
    "PutRegistryScanningConfiguration": _put_scanning,
    "GetRegistryScanningConfiguration": _scanning,
    "BatchGetRepositoryScanningConfiguration": _frequencies,
    "PutReplicationConfiguration": _put_replication,
    "DescribeRegistry": _registry,
    "PutRegistryPolicy": _put_policy,
    "GetRegistryPolicy": _policy,
    "DeleteRegistryPolicy": _delete_policy,
    "CreatePullThroughCacheRule": _create_cache,
    "DescribePullThroughCacheRules": _caches,
    "DeletePullThroughCacheRule": _delete_cache,
}
