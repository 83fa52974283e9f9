"""The operator, on kopf: watches Ingresses of the class, and what they name, and reconciles group by group.

kopf lists and watches, and keeps indexes of the objects, which are complete before the first reconciliation; nothing of
kopf's is written into an Ingress.  A group that fails is tried again, later each time; all are looked at again every
half minute, so that what somebody changed by hand comes back.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import kopf
from botocore.exceptions import BotoCoreError, ClientError

from labs.cluster.alb.annotations import ModelError
from labs.cluster.alb.deploy import Account
from labs.cluster.alb.model import Cluster, build
from labs.cluster.alb.naming import GroupId, ours
from labs.cluster.nodes.api import Refused
from labs.cluster.space import Cluster as Connection
from labs.errors import TemporaryError

log = logging.getLogger(__name__)
Object = Mapping[str, Any]
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}"
MERGE = "application/merge-patch+json"
SOON = 0.05
"""Seconds that further news of a group are waited for."""
FIRST_RETRY, LAST_RETRY = 1.0, 60.0
RESYNC = 30.0
COMPONENT = "ingress"
"""Who the events are from, as with the real controller."""


class Operator:
    """One controller.

    :param connection: to the API server
    :param account: makes the hold on AWS anew
    :param restore: brings back what the account must have for it, where somebody may do that here
    """

    def __init__(self, connection: Connection, name: str, account: Callable[[], Account],
                 restore: Callable[[], None] = lambda: None) -> None:
        self._connection, self._name, self._make, self._restore = connection, name, account, restore
        self._account: Account | None = None
        self._indexes: Mapping[str, Any] = {}
        self._due: dict[GroupId, asyncio.TimerHandle] = {}
        self._queue: asyncio.Queue[GroupId] = asyncio.Queue()
        self._failed: dict[GroupId, int] = {}
        self._told: dict[str, tuple[str, str, int]] = {}
        self._nodes: dict[str, Any] = {}
        self.registry = self._registered()

    # -- watching ------------------------------------------------------------------------------------------------------

    def _registered(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(kopf.login_with_kubeconfig)

        @kopf.on.startup(registry=registry)
        async def configured(settings: kopf.OperatorSettings, **_: Any) -> None:
            settings.posting.enabled = False
            settings.networking.request_timeout = 30

        for resource, key in (("services", _key), ("endpointslices", _of_service), ("ingresses", _key),
                              ("nodes", _key)):
            kopf.index(resource, id=resource, registry=registry)(_indexing(key))
            kopf.on.event(resource, id=f"{resource}-changed", registry=registry)(self._changing(resource))
        return registry

    def _changing(self, resource: str) -> Callable[..., Any]:
        async def changed(body: Object, **known: Any) -> None:       # kopf runs others on threads
            self._indexes = known
            for group in self._touched(resource, body):
                self.soon(group)

        return changed

    def _touched(self, resource: str, body: Object) -> Iterable[GroupId]:
        """The groups that an object may matter to."""
        if resource == "ingresses":
            return _groups_of(body)
        if resource == "nodes":
            name, now = body["metadata"]["name"], (body["spec"].get("providerID"), _conditions(body))
            if self._nodes.get(name) == now:
                return ()
            self._nodes[name] = now
            return {group for each in self._ingresses() for group in _groups_of(each)}
        namespace, name = _of_service(body) if resource == "endpointslices" else _key(body)
        return {group for each in self._ingresses() if each["metadata"]["namespace"] == namespace
                and name in json.dumps([each["spec"], each["metadata"].get("annotations")])
                for group in _groups_of(each)}

    def _ingresses(self) -> list[Object]:
        return [each for found in self._indexes["ingresses"].values() for each in found]

    # -- reconciling ---------------------------------------------------------------------------------------------------

    def soon(self, group: GroupId, seconds: float = SOON) -> None:
        """Reconcile a group before long."""
        if group in self._due:
            self._due[group].cancel()
        self._due[group] = asyncio.get_running_loop().call_later(seconds, self._queue.put_nowait, group)

    async def work(self) -> None:
        """Reconcile what is due, without end."""
        while True:
            try:
                group = await asyncio.wait_for(self._queue.get(), RESYNC)
            except TimeoutError:
                for each in {one for found in self._ingresses() if self._indexes for one in _groups_of(found)}:
                    self._queue.put_nowait(each)
                continue
            self._due.pop(group, None)
            ingresses = [each for each in self._ingresses() if group in _groups_of(each)]
            cluster = self._cluster()
            if await asyncio.to_thread(self._reconciled, group, ingresses, cluster):
                self._failed.pop(group, None)
            else:
                count = self._failed[group] = self._failed.get(group, 0) + 1
                self.soon(group, min(FIRST_RETRY * 2 ** (count - 1), LAST_RETRY))

    def _cluster(self) -> Cluster:
        def all_of(index: str) -> Mapping[Any, list[Object]]:
            return {key: list(found) for key, found in self._indexes[index].items()}

        services = {key: found[-1] for key, found in all_of("services").items()}
        return Cluster(self._name, services, all_of("endpointslices"),
                       [found[-1] for found in all_of("nodes").values()])

    def _reconciled(self, group: GroupId, ingresses: list[Object], cluster: Cluster) -> bool:
        """Whether it went well; runs on a thread."""
        active = [each for each in ingresses if ours(each) and GroupId.of(each) == group
                  and not each["metadata"].get("deletionTimestamp")]
        leaving = [each for each in ingresses if each not in active]
        try:
            self._bring_about(group, active, leaving, cluster)
        except ModelError as error:
            self._tell(active, "Warning", "FailedBuildModel", f"Failed build model due to {error}")
        except (ClientError, BotoCoreError) as error:
            self._tell(active or leaving, "Warning", "FailedDeployModel", f"Failed deploy model due to {error}")
            self._account = None
            self._restored()
        except (Refused, TemporaryError) as error:
            log.warning("%s: %s", group, error)
        else:
            self._tell(active, "Normal", "SuccessfullyReconciled", "Successfully reconciled")
            return True
        return False

    def _restored(self) -> None:
        try:
            self._restore()
        except (ClientError, BotoCoreError, TemporaryError) as error:
            log.warning("the account cannot be prepared: %s", error)

    def _bring_about(self, group: GroupId, active: list[Object], leaving: list[Object], cluster: Cluster) -> None:
        if active:
            for each in active:
                self._finalize(each, group, True)
            stack = build(group, active, cluster)
            hostname = self._aws().deploy(stack)
            for each in active:
                self._show(each, [{"hostname": hostname}])
        elif leaving:
            self._aws().remove(group)
        for each in leaving:
            if not each["metadata"].get("deletionTimestamp"):
                self._show(each, [])
            self._finalize(each, group, False)

    def _aws(self) -> Account:
        self._account = self._account or self._make()
        return self._account

    # -- telling -------------------------------------------------------------------------------------------------------

    def _finalize(self, ingress: Object, group: GroupId, wanted: bool) -> None:
        there = list(ingress["metadata"].get("finalizers") or ())
        if (group.finalizer in there) == wanted:
            return
        kept = [*there, group.finalizer] if wanted else [each for each in there if each != group.finalizer]
        self._patch(ingress, "", {"metadata": {"finalizers": kept}})

    def _show(self, ingress: Object, places: list[Object]) -> None:
        there = ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        if [each.get("hostname") for each in there] != [each["hostname"] for each in places]:
            self._patch(ingress, "/status", {"status": {"loadBalancer": {"ingress": places}}})

    def _patch(self, ingress: Object, sub: str, patch: Object) -> None:
        path = INGRESSES.format(**ingress["metadata"]) + sub
        try:
            self._connection.call("PATCH", path, dict(patch), MERGE)
        except Refused as error:
            if error.status != 404:     # it has gone
                raise

    def _tell(self, ingresses: list[Object], kind: str, reason: str, message: str) -> None:
        """An event of each Ingress, unless it is the last one again."""
        log.log(logging.INFO if kind == "Normal" else logging.WARNING, "%s %s", reason, message)
        for each in ingresses:
            meta = each["metadata"]
            news = (reason, message, meta.get("generation", 0))
            if self._told.get(meta["uid"]) == news:
                continue
            self._told[meta["uid"]] = news
            try:
                self._connection.call("POST", f"/api/v1/namespaces/{meta['namespace']}/events",
                                      event(each, kind, reason, message))
            except (Refused, TemporaryError) as error:
                log.warning("no event of %s: %s", meta["name"], error)


def event(ingress: Object, kind: str, reason: str, message: str) -> Object:
    """An Event (v1) of an Ingress, now."""
    meta, now = ingress["metadata"], datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")[:-6] + "Z"
    return {
        "apiVersion": "v1", "kind": "Event", "type": kind, "reason": reason, "message": message[:1024], "count": 1,
        "metadata": {"generateName": f"{meta['name']}.", "namespace": meta["namespace"]},
        "involvedObject": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": meta["name"],
                           "namespace": meta["namespace"], "uid": meta["uid"],
                           "resourceVersion": meta["resourceVersion"]},
        "source": {"component": COMPONENT}, "reportingComponent": COMPONENT,
        "firstTimestamp": now, "lastTimestamp": now}


def _groups_of(ingress: Object) -> set[GroupId]:
    """The group that it is in, and those whose finalizer it still has."""
    found = {GroupId.of(ingress)} if ours(ingress) else set()
    for each in ingress["metadata"].get("finalizers") or ():
        if each == GroupId("-", "-").finalizer:
            found.add(GroupId(ingress["metadata"]["namespace"], ingress["metadata"]["name"]))
        elif each.startswith("group.ingress.k8s.aws/"):
            found.add(GroupId("", each.partition("/")[2]))
    return found


def _key(body: Object) -> tuple[str, str]:
    return body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _of_service(body: Object) -> tuple[str, str]:
    labels = body["metadata"].get("labels") or {}
    return body["metadata"]["namespace"], labels.get("kubernetes.io/service-name", "")


def _conditions(node: Object) -> list[tuple[str, str]]:
    return [(each["type"], each["status"]) for each in (node.get("status") or {}).get("conditions") or ()
            if each["type"] == "Ready"]


def _indexing(key: Callable[[Object], tuple[str, str]]) -> Callable[..., Any]:
    async def indexed(body: Object, **_: Any) -> dict[tuple[str, str], Object]:
        return {key(body): json.loads(json.dumps(dict(body)))}

    return indexed
