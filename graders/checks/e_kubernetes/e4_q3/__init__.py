"""e4-q3: three probes under load."""

from graders.checks.e_kubernetes.trials import PROBE
from graders.exercise import Exercise

KINDS = ("startupProbe", "livenessProbe", "readinessProbe")
EXERCISE = Exercise(
    id="e4-q3",
    points=6,
    lab="e4",
    summary="Give the workload all three probes, so that customers notice neither an outage nor a new pod.",
    answers={
        "probes": {
            "type": "object",
            "properties": dict.fromkeys(KINDS, PROBE),
            "required": list(KINDS),
            "additionalProperties": False,
            "description": f"a dict with {', '.join(KINDS)}",
        }
    },
    seconds=18,
)
