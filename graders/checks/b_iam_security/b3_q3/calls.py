"""What only the whole policy can do wrong: it keeps what somebody else did with the role."""

from __future__ import annotations

from functools import partial

from graders.checks.b_iam_security.b3_jobs import Job
from graders.checks.b_iam_security.probes import Probe
from labs.scenarios.b_iam_security.b3 import create_canary

CHECKOUT_HINT = (
    "This action is in the generated policy because Nina used it, or the Resource covers every function. The job does "
    "neither: read the session's name in the events."
)
BORROWED_HINT = "This action is in the generated policy because somebody else used it under the job's role."
NAME_HINT = "The job creates one function, with one name: write out its ARN."
TRAIL_HINT = "An Allow covers all services. Name the actions of the job."


def borrowed(job: Job, points: float) -> list[Probe]:
    """Nina's calls, which are not the job's."""
    iam, s3 = job.client("iam"), job.client("s3")
    return [
        Probe("a thief lists the users", iam.list_users, points, BORROWED_HINT),
        Probe("a thief lists all buckets", s3.list_buckets, points, BORROWED_HINT),
    ]


def stops_the_trail(job: Job, points: float) -> Probe:
    """The last event of a careful thief."""
    call = partial(job.client("cloudtrail").stop_logging, Name=job.values["trail"])
    return Probe("a thief stops the trail", call, points, TRAIL_HINT)


def creates_another(job: Job, points: float) -> Probe:
    """A function that nobody looks for."""
    values = {**job.values, "miner": f"miner-{job.values['suffix']}"}
    call = partial(create_canary, job.client("lambda"), values, name="miner")
    return Probe("a thief creates another function", call, points, NAME_HINT)
