"""a4-q1: from a timeline to the times of an incident."""

from graders.exercise import Exercise, Returns

SECONDS = {"type": ["number", "null"]}
MEASURED = {
    "type": "object",
    "properties": {"detect": {"type": "number", "minimum": 0}, "recover": {"type": "number", "exclusiveMinimum": 0}},
    "required": ["detect", "recover"],
    "additionalProperties": False,
}
EXERCISE = Exercise(
    id="a4-q1",
    points=6,
    summary="Compute time to detect, acknowledge and recover from a timeline, and record your own two drills.",
    answers={
        "times": Returns({
            "type": "object",
            "properties": {"detect": SECONDS, "acknowledge": SECONDS, "recover": SECONDS},
            "required": ["detect", "acknowledge", "recover"],
            "additionalProperties": False,
        }),
        "record": {
            "type": "object",
            "properties": {"by hand": MEASURED, "by runbook": MEASURED},
            "additionalProperties": False,
            "description": "a dict with the seconds of both drills",
        },
    },
)
