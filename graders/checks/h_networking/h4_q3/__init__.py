"""h4-q3: a failover that customers can bear, and a move that they do not notice."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="h4-q3",
    points=6,
    lab="h4",
    seconds=12,
    summary="Choose health check, records and waiting time so that a failover is in time and a move loses nothing.",
    answers={
        "health_check": {
            "type": "object",
            "required": ["Type"],
            "properties": {
                "Type": {"enum": ["HTTP", "TCP"]},
                "ResourcePath": {"type": "string", "maxLength": 100},
                "RequestInterval": {"enum": [10, 30]},
                "FailureThreshold": {"type": "integer", "minimum": 1, "maximum": 10},
            },
            "additionalProperties": False,
            "description": "Type, ResourcePath, RequestInterval and FailureThreshold of a HealthCheckConfig",
        },
        "records": {
            "type": "array",
            "minItems": 2,
            "maxItems": 2,
            "items": {"type": "object", "required": ["TTL", "ResourceRecords"]},
            "description": "two record sets, without Name and Type",
        },
        "drain_seconds": {"type": "integer", "minimum": 0, "maximum": 3600},
    },
)
