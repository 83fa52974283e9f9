"""What is asked of the resolvers of an attempt, and what was expected."""

from __future__ import annotations

from botocore.exceptions import ClientError, ParamValidationError

from graders.exercise import Finding

REFUSALS = {
    "InvalidChangeBatch": "AWS names the change and what is wrong. To delete a record, give it exactly as it is.",
    "ParamValidationError": "Compare the shape with what list_resource_record_sets shows.",
    "LastVPCAssociation": "A private zone keeps at least one VPC.",
}
NOT_COUNTED = "not counted yet: see the first finding that failed"


def refused(error: ClientError | ParamValidationError, points: float) -> Finding:
    """AWS does not take a change."""
    said = error.response.get("Error", {}) if isinstance(error, ClientError) else {}
    code = str(said.get("Code", type(error).__name__))
    hint = REFUSALS.get(code, "Read AWS's message, and list the zone's records.")
    return Finding("AWS accepts the answer", points, False, f"{code}: {said.get('Message', error)}",
                   "changes that Route 53 makes", hint)
