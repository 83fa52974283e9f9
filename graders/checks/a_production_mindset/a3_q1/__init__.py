"""a3-q1: the indicator from counters, and the budget from the indicator."""

from graders.exercise import Exercise, Returns

SHARE = {"type": ["number", "null"]}
COUNTED = {
    "type": "object",
    "properties": {"answered": {"type": "number"}, "failed": {"type": "number"}, "availability": SHARE, "fast": SHARE},
    "required": ["answered", "failed", "availability", "fast"],
    "additionalProperties": False,
}
BUDGET = {
    "type": "object",
    "properties": {"allowed": {"type": "number"}, "left": {"type": "number"}},
    "required": ["allowed", "left"],
    "additionalProperties": False,
}
EXERCISE = Exercise(
    id="a3-q1",
    points=6,
    summary="Compute availability and speed from scraped counters, and what is left of the error budget.",
    answers={"indicators": Returns(COUNTED), "budget": Returns(BUDGET)},
)
