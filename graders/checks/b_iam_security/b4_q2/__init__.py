"""b4-q2: an archive rule for what is agreed, and for nothing else."""

from graders.exercise import Exercise

VALUES = {"type": "array", "items": {"type": "string"}, "minItems": 1}
CRITERION = {
    "type": "object",
    "minProperties": 1,
    "properties": {"eq": VALUES, "neq": VALUES, "contains": VALUES, "exists": {"type": "boolean"}},
    "additionalProperties": False,
}

EXERCISE = Exercise(
    id="b4-q2",
    points=4,
    lab="b4",
    summary="Write the filter of an archive rule that archives the agreed access and leaves everything else active.",
    answers={
        "archive_filter": {
            "type": "object",
            "minProperties": 1,
            "description": 'a filter such as {"resourceType": {"eq": ["AWS::S3::Bucket"]}}',
            "additionalProperties": CRITERION,
        }
    },
)
