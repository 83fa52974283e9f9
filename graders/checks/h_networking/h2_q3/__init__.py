"""h2-q3: two Ingresses with NGINX's annotations become HTTPRoutes."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="h2-q3",
    points=6,
    lab="h2",
    summary="Move a shop from Ingress NGINX's annotations to HTTPRoutes that behave the same.",
    answers={
        "routes": {"type": "array", "minItems": 1, "maxItems": 6, "items": {"type": "object"},
                   "description": "a list of HTTPRoutes as Python dicts"},
    },
    seconds=10,
)
