"""CloudFormation resources of services that another engine serves: made through that engine's API.

MiniStack's own handlers would put a VPC into MiniStack's EC2, where nobody sees it.  ``cloudformation_kinds`` says how
each type is made; here stands how a type's handler runs: on a worker thread, since it waits for calls that the event
loop answers.  A stack is also refused when it makes IAM resources without the capability, or has no resources.

Pages: "AWS resource and property types reference"; CreateStack, "Capabilities" (AWS CloudFormation API Reference).
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from labs.aws.engines.additions.cloudformation_actions import TYPES, needed
from labs.aws.engines.additions.cloudformation_kinds import KINDS, Kind, Made, Props, configure_bucket
from labs.aws.engines.additions.reach import REACH
from labs.aws.engines.client import EngineError
from labs.aws.models import operation_model

_PATIENCE = 60.0  # seconds that one call may take
_BUCKET = "AWS::S3::Bucket"


class Api:
    """Calls from a worker thread, in the account and region of the stack."""

    def __init__(self, account: str, region: str) -> None:
        self.account, self.region = account, region

    def ask(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """:raises ValueError: the service refused, in the words that a stack event shows"""
        assert REACH.client is not None
        assert REACH.loop is not None
        assert threading.current_thread() is not threading.main_thread(), "the event loop would wait for itself"
        call = REACH.client.call(service, operation, account=self.account, region=self.region, **params)
        try:
            return asyncio.run_coroutine_threadsafe(call, REACH.loop).result(_PATIENCE)
        except EngineError as error:
            raise ValueError(
                f"{error.message} (Service: {service}, Status Code: {error.status}, Error Code: {error.code})"
            ) from error

    def fit(self, service: str, operation: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those properties that an operation has under the same name, as its model wants them."""
        return dict(fitted(operation_model(service, operation).input_shape, given))


def fitted(shape: Any, value: Any) -> Any:
    """A template's value (in which a number may be text, and names begin with a capital) as a parameter."""
    if shape.type_name == "structure" and isinstance(value, Mapping):
        members = {name.lower(): name for name in shape.members}
        known = {members[key.lower()]: item for key, item in value.items() if key.lower() in members}
        return {name: fitted(shape.members[name], item) for name, item in known.items() if item is not None}
    if shape.type_name == "list":
        items = value if isinstance(value, list) else [value]
        return [fitted(shape.member, item) for item in items]
    if shape.type_name == "map" and isinstance(value, Mapping):
        return {str(key): fitted(shape.value, item) for key, item in value.items()}
    if shape.type_name == "boolean":
        return str(value).lower() == "true"
    if shape.type_name in ("integer", "long"):
        return int(value)
    if shape.type_name in ("float", "double"):
        return float(value)
    if shape.type_name == "string":
        return json.dumps(value) if isinstance(value, Mapping | list) else _text(value)
    return value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def install(module: Any) -> None:
    """Put the handlers into MiniStack's CloudFormation, unless MiniStack serves alone."""
    if REACH.client is None:
        return
    from ministack.core.responses import get_account_id, get_region

    provisioners, stacks = module.provisioners, module.stacks

    def api() -> Api:
        return Api(get_account_id(), get_region())

    module.provisioners._CUSTOM_NAME_REPLACEMENT = {
        name: rule for name, rule in provisioners._CUSTOM_NAME_REPLACEMENT.items() if name not in KINDS
    }
    for name, kind in KINDS.items():
        provisioners._RESOURCE_HANDLERS[name] = _handlers(name, kind, api, provisioners)
        if kind.tags:
            provisioners._STACK_TAG_PROPERTY[name] = (kind.tags, "list")
    _extend_buckets(provisioners, api)
    ours, before = {*KINDS, *TYPES}, stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda resource_type: resource_type in ours or before(resource_type)
    stacks._provision_resource = _allowed(provisioners, api)
    module.handlers._capabilities_enforced = lambda: True
    for part in (module.handlers, module.changesets):
        part.validate_template_support = _with_resources(part.validate_template_support)


def _allowed(provisioners: Any, api: Callable[[], Api]) -> Callable[..., Made]:
    """Make a resource if the stack's caller, or its role, may; MiniStack shows a refusal as the reason of a failure."""
    provision = provisioners._provision_resource

    def make(resource_type: str, logical_id: str, props: Props, stack_name: str) -> Made:
        where = api()
        decide = REACH.deciders.get((where.account, where.region, stack_name))
        if decide and resource_type in TYPES and REACH.loop:
            default = provisioners._physical_name(stack_name, logical_id)
            asked = needed(resource_type, props, default, where.account, where.region)
            problem = asyncio.run_coroutine_threadsafe(_word(decide, asked), REACH.loop).result(_PATIENCE)
            if problem:
                raise ValueError(f"{problem} (Status Code: 403, Error Code: AccessDenied)")
        made: Made = provision(resource_type, logical_id, props, stack_name)
        return made

    return make


async def _word(decide: Callable[[str, str], Awaitable[str]], asked: tuple[str, str]) -> str:
    return await decide(*asked)


def _with_resources(validate: Callable[..., None]) -> Callable[..., None]:
    """MiniStack's check of a template, which lets one pass that makes nothing."""

    def check(template: Any, *given: Any, **named: Any) -> None:
        if not template.get("Resources"):
            raise ValueError("Template format error: At least one Resources member must be defined.")
        validate(template, *given, **named)

    return check


def _extend_buckets(provisioners: Any, api: Callable[[], Api]) -> None:
    """Properties of a bucket that MiniStack's own handler leaves out, put through S3's API."""
    handler = provisioners._RESOURCE_HANDLERS[_BUCKET]
    create, update = handler["create"], handler["update"]
    provisioners._STACK_TAG_PROPERTY[_BUCKET] = ("Tags", "list")

    def created(logical_id: str, props: Props, stack_name: str) -> Made:
        made: Made = create(logical_id, props, stack_name)
        configure_bucket(api(), made[0], props)
        return made

    def updated(physical_id: str, old: Props, new: Props, stack_name: str) -> Made:
        made: Made = update(physical_id, old, new, stack_name)
        configure_bucket(api(), made[0], new)
        return made

    provisioners._RESOURCE_HANDLERS[_BUCKET] = {**handler, "create": created, "update": updated}


def _handlers(name: str, kind: Kind, api: Callable[[], Api], provisioners: Any) -> dict[str, Any]:
    """What MiniStack asks of a type; a change that is not made in place makes the resource anew."""
    kept: set[str] = set()  # ids whose DeletionPolicy is Snapshot
    known: dict[tuple[str, str, str], dict[str, Any]] = {}  # attributes, of which an update tells the changed ones

    def noted(made: Made) -> Made:
        where = api()
        attributes = known.setdefault((where.account, where.region, made[0]), {})
        attributes.update(made[1])
        return made[0], dict(attributes)

    def create(logical_id: str, props: Props, stack_name: str) -> Made:
        default = provisioners._physical_name(stack_name, logical_id, max_len=kind.longest)
        return noted(kind.create(api(), props, default))

    def update(physical_id: str, old: Props, new: Props, stack_name: str, logical_id: str) -> Made:
        changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
        if kind.update and changed <= kind.mutable:
            return noted(kind.update(api(), physical_id, old, new))
        made: Made = provisioners._replace_resource(name, physical_id, old, new, stack_name, logical_id)
        return made

    def delete(physical_id: str, props: Props) -> None:
        more = {"snapshot": True} if physical_id in kept else {}
        kept.discard(physical_id)
        try:
            kind.delete(api(), physical_id, {**props, **more})
        except ValueError as error:
            if "notfound" not in str(error).lower().replace(" ", "").replace("_", ""):
                raise

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete,
            "snapshot": lambda physical_id, props: kept.add(physical_id)}  # fmt: skip
