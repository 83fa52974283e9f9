"""DynamoDB: point-in-time recovery only where it is on (Amazon DynamoDB API Reference)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, found

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange


async def _restore(exchange: Exchange, params: Params) -> None:
    name = params.get("SourceTableName") or str(params.get("SourceTableArn", "")).rpartition("/")[2]
    answer = await found(exchange, "DescribeContinuousBackups", TableName=name)
    state = (answer or {}).get("ContinuousBackupsDescription", {}).get("PointInTimeRecoveryDescription", {})
    if answer is not None and state.get("PointInTimeRecoveryStatus") != "ENABLED":
        raise AwsError(
            "PointInTimeRecoveryUnavailableException",
            f"Point in time recovery is not enabled for table '{name}'",
            400,
        )


CORRECTIONS = Corrections(before={"RestoreTableToPointInTime": _restore})
