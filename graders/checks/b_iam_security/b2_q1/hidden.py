"""Another namespace, another cluster, another audience, another issuer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b2_q1.calls import AUDIENCE_HINT, NAME_HINT, SUBJECT_HINT, App
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding
from labs.scenarios.b_iam_security.b2 import INTERNAL


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        app = App(answer["trust_policy"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    values = app.values
    github = app.aws, values
    name = values["app"]
    yield from judge(
        work=[Probe(f"another pod of service account {name} takes the role", app.takes(pod="second"), 0.2, NAME_HINT)],
        attacks=[
            Probe(
                f"service account {name} of namespace {values['other_namespace']} takes the role",
                app.takes(namespace=values["other_namespace"]),
                0.4,
                SUBJECT_HINT,
            ),
            Probe(
                f"service account {name}-2 takes the role",
                app.takes(f"{name}-2"),
                0.3,
                SUBJECT_HINT,
            ),
            Probe(
                "the same service account of the old cluster takes the role",
                app.takes(old=True),
                0.4,
                "Each cluster has an issuer of its own: name one provider, and its keys.",
            ),
            Probe(
                "the app's token for the shop's own API opens the role",
                app.takes(audience=INTERNAL),
                0.5,
                AUDIENCE_HINT,
            ),
            Probe(
                "a CI job takes the pod's role",
                app.with_token(_job(*github)),
                0.2,
                "Name the cluster's provider only.",
            ),
        ],
    )


def _job(aws: Any, values: dict[str, Any]) -> str:
    from labs.scenarios.b_iam_security.b2 import B2

    token: str = B2().run(aws, values, "job token")
    return token
