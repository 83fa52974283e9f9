"""e5-q3: how long it took, by a rule that can be defended."""

from graders.exercise import Exercise, Returns

NUMBER = {"type": ["number", "null"]}
EXERCISE = Exercise(
    id="e5-q3",
    points=4,
    lab="e5",
    summary="Compute mean time to detect and to repair from a list of incidents, and record your own.",
    answers={
        "repair_times": Returns(
            {
                "type": "object",
                "properties": {"mttd": NUMBER, "mttr": NUMBER, "open": {"type": "integer"}},
                "required": ["mttd", "mttr", "open"],
                "additionalProperties": False,
            }
        ),
        "record": {
            "type": "object",
            "additionalProperties": {"type": "number", "exclusiveMinimum": 0, "maximum": 86400},
            "description": "a dict: workload to the seconds that its repair took you",
        },
    },
)
