"""The deploy role of lab b3 with the learner's documents, its job, and what a thief would try with it."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from graders.checks.b_iam_security.probes import Probe, account_of
from labs.errors import TemporaryError
from labs.scenarios.b_iam_security.b3 import clients, create_canary, session_of, steps, use_only
from labs.scenarios.b_iam_security.cases import allow, document

GENERATION_SECONDS = 20.0

HINTS = {
    "finds the queue": "sqs:GetQueueUrl acts on a queue; its ARN has the account and the queue's name.",
    "lists functions": 'lambda:ListFunctions knows no resource: only "Resource": "*" fits it.',
    "lists builds": (
        "ListObjects needs the action s3:ListBucket, on the bucket's own ARN. With a condition on s3:prefix, compare "
        "its pattern with the prefix that the job asks for."
    ),
    "reads the build": "s3:GetObject acts on objects: the bucket's ARN, a slash, and a key or pattern.",
    "creates the canary": (
        "Read AWS's message: it names lambda:CreateFunction, or iam:PassRole on the role that the function gets. Both "
        "are needed; only the first leaves an event."
    ),
    "invokes the canary": "The event is called Invoke, the action lambda:InvokeFunction.",
    "deletes the canary": "lambda:DeleteFunction acts on the function's ARN.",
    "writes the report": "s3:PutObject on the folder of the reports.",
    "tells the queue": "sqs:SendMessage on the queue's ARN.",
    "removes last month's report": (
        "The monthly step was not in the trail, since no month ended. The table of the job has it: s3:DeleteObject."
    ),
}
PASS_HINT = "iam:PassRole must name the one role that the canary runs as; with any other the function gets its rights."
SERVICE_HINT = (
    "The role may be handed to any service: a condition with the key iam:PassedToService limits that to Lambda."
)
FOLDER_HINT = "The statement about objects reaches beyond the folder: end its Resource with the folder's own prefix."
WRITE_HINT = "Reading and writing belong to different folders: two statements, not one."
LIST_HINT = "s3:ListBucket shows every name in the bucket. Its condition key s3:prefix limits that to a folder."
OTHER_HINT = "The Resource covers more than the job's own: write out its ARN."


class Job:
    """The role with exactly these inline policies.

    :raises botocore.exceptions.ClientError: AWS refuses a document
    """

    def __init__(self, policies: Mapping[str, Any], live: Any) -> None:
        self.aws, self.values = account_of(live)
        use_only(self.aws, self.values, policies)
        self.client = clients(self.aws, session_of(self.aws, self.values, "deploy"))

    def work(self, points: Mapping[str, float], default: float) -> list[Probe]:
        """A probe for each step of the night."""
        night = steps(self.aws, self.values, self.client)
        return [Probe(f"the job {name}", step, points.get(name, default), HINTS[name]) for name, step in night.items()]

    def monthly(self, points: float) -> Probe:
        """The step at the end of a month."""
        name, key = "removes last month's report", f"{self.values['reports']}/2026-10.txt"
        call = partial(self.client("s3").delete_object, Bucket=self.values["bucket"], Key=key)
        return Probe(f"the job {name}", call, points, HINTS[name])

    def reads(self, name: str, bucket: str, key: str, points: float, hint: str) -> Probe:
        """An attack that reads an object."""
        call = partial(self.client("s3").get_object, Bucket=self.values[bucket], Key=key)
        return Probe(name, call, points, hint)

    def overwrites_the_build(self, points: float) -> Probe:
        """The attack on everybody who installs the next build."""
        key = f"{self.values['builds']}/{self.values['build']}"
        call = partial(self.client("s3").put_object, Bucket=self.values["bucket"], Key=key, Body=b"evil")
        return Probe("a thief replaces the build", call, points, WRITE_HINT)

    def deletes_the_build(self, points: float) -> Probe:
        """The attack on the shop's ability to deploy."""
        key = f"{self.values['builds']}/{self.values['build']}"
        call = partial(self.client("s3").delete_object, Bucket=self.values["bucket"], Key=key)
        return Probe("a thief deletes the build", call, points, WRITE_HINT)

    def lists(self, points: float) -> Probe:
        """Names outside the builds' folder."""
        call = partial(self.client("s3").list_objects_v2, Bucket=self.values["bucket"], Prefix="keys/")
        return Probe("a thief lists the keys' folder", call, points, LIST_HINT)

    def passes_owner(self, points: float) -> Probe:
        """Privilege escalation: a function that runs as an administrator."""
        call = partial(create_canary, self.client("lambda"), self.values, "owner")
        return Probe("a thief gives the canary the owner's role", call, points, PASS_HINT)

    def passes_to_another_service(self, points: float) -> Probe:
        """The same role for a state machine, once somebody has allowed the role to create those."""
        self.aws.client("iam").put_role_policy(
            RoleName=self.values["deployer"],
            PolicyName="later",
            PolicyDocument=json.dumps(document(allow("states:CreateStateMachine"))),
        )
        call = partial(
            self.client("stepfunctions").create_state_machine,
            name=f"steal-{self.values['suffix']}",
            definition='{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}',
            roleArn=self.values["runtime_arn"],
        )
        return Probe("a thief hands the canary's role to Step Functions", call, points, SERVICE_HINT)

    def on_checkout(self, name: str, operation: str, points: float, hint: str, **more: Any) -> Probe:
        """An attack on the live checkout function."""
        call = partial(getattr(self.client("lambda"), operation), FunctionName=self.values["checkout"], **more)
        return Probe(name, call, points, hint)

    def sends_an_order(self, points: float) -> Probe:
        """A message to the other queue."""
        url = self.aws.client("sqs").get_queue_url(QueueName=self.values["orders"])["QueueUrl"]
        call = partial(self.client("sqs").send_message, QueueUrl=url, MessageBody="1001")
        return Probe("a thief sends an order", call, points, OTHER_HINT)


def generated(live: Any) -> dict[str, Any]:
    """The policy that Access Analyzer generates for the role from the events of the lab's start: a night, and Nina.

    :raises TemporaryError: it was not ready in ``GENERATION_SECONDS``
    """
    aws, values = account_of(live)
    client = aws.client("accessanalyzer")
    job = client.start_policy_generation(
        policyGenerationDetails={"principalArn": values["deployer_arn"]},
        cloudTrailDetails={
            "trails": [{"cloudTrailArn": values["trail_arn"], "allRegions": True}],
            "accessRole": values["reader_arn"],
            "startTime": datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1),
        },
    )["jobId"]
    deadline = time.monotonic() + GENERATION_SECONDS
    while (answer := client.get_generated_policy(jobId=job))["jobDetails"]["status"] == "IN_PROGRESS":
        if time.monotonic() > deadline:
            raise TemporaryError(f"the policy was not generated in {GENERATION_SECONDS:.0f} s: {answer['jobDetails']}")
        time.sleep(0.05)
    policy: dict[str, Any] = json.loads(answer["generatedPolicyResult"]["generatedPolicies"][0]["policy"])
    return policy
