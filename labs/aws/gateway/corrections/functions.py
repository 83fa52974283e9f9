"""Lambda: runtimes that exist, policies without a statement (AWS Lambda API Reference)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params
from labs.aws.models import service_model

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange


async def _create(exchange: Exchange, params: Params) -> None:
    known = service_model("lambda").shape_for("Runtime").enum
    runtime = params.get("Runtime")
    if runtime and runtime not in known:
        raise AwsError(
            "InvalidParameterValueException",
            f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set:"
            f" [{', '.join(known)}] or be a valid ARN",
            400,
        )


async def _got_policy(exchange: Exchange, params: Params, result: Params) -> None:
    """A policy whose last statement was removed is gone."""
    if not json.loads(result.get("Policy") or "{}").get("Statement"):
        raise AwsError("ResourceNotFoundException", "The resource you requested does not exist.", 404)


CORRECTIONS = Corrections(
    before={"CreateFunction": _create, "UpdateFunctionConfiguration": _create}, after={"GetPolicy": _got_policy}
)
