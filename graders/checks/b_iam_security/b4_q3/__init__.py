"""b4-q3: the one event that opened the bucket."""

from graders.exercise import Exercise

ATTRIBUTES = [
    "EventId",
    "EventName",
    "ReadOnly",
    "Username",
    "ResourceType",
    "ResourceName",
    "EventSource",
    "AccessKeyId",
]

EXERCISE = Exercise(
    id="b4-q3",
    points=4,
    lab="b4",
    summary="Find the event that opened the bucket: one lookup attribute, and what its record must say.",
    answers={
        "lookup": {
            "type": "object",
            "description": 'a dict such as {"AttributeKey": "EventName", "AttributeValue": "RunInstances"}',
            "required": ["AttributeKey", "AttributeValue"],
            "properties": {
                "AttributeKey": {"enum": ATTRIBUTES, "description": f"one of {', '.join(ATTRIBUTES)}"},
                "AttributeValue": {"type": "string", "minLength": 1},
            },
            "additionalProperties": False,
        },
        "match": {
            "type": "object",
            "minProperties": 1,
            "description": 'a dict such as {"eventName": "RunInstances", "errorCode": None}',
            "additionalProperties": {"type": ["string", "boolean", "null"]},
        },
    },
)
