"""Other pods, other calls, and a thief with the node role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b6_q4.pages import WIDE_HINT, hardened, reading
from graders.checks.b_iam_security.doors import Tried, call, judge
from graders.checks.b_iam_security.probes import refused
from graders.exercise import Finding
from labs.scenarios.b_iam_security.b6 import NODE_WORK, trust
from labs.scenarios.b_iam_security.cases import allow, document
from labs.scenarios.creation import ensure_role

TRUST_HINT = (
    "Any pod that is associated with the role gets it: let the trust policy look at the request tags with the "
    "namespace and the service account."
)
NODE_HINT = "The trust policy lets somebody besides Pod Identity in: its Principal must be that one service."
CLOSED = "AWS denies this call"


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        with hardened(answer, live) as (aws, site):
            yield from _findings(aws, site, answer)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)


def _findings(aws: Any, site: Any, answer: dict[str, Any]) -> Iterator[Finding]:
    values, role = site.values, site.values["pod_role"]
    page, bucket = f"{values['folder']}/new.json", values["bucket"]
    aws.client("s3").put_object(Bucket=bucket, Key=page, Body=b"[]")
    calls = [("s3", "delete_object", {"Bucket": bucket, "Key": page}), ("s3", "list_objects_v2", {"Bucket": bucket})]
    own = site.intrude("environment", keys=(page,), calls=calls, role=role)["environment"]
    others = {
        "a pod of another service account": {"service_account": "batch"},
        "a pod of another namespace": {"namespace": "lab"},
    }
    got = {name: site.intrude("environment", role=role, use=False, **pod)["environment"]["got"]
           for name, pod in others.items()}
    # the node may assume what trusts it, so that the role's trust alone decides
    ensure_role(aws, values["node_role"], trust("ec2.amazonaws.com", ["sts:AssumeRole"]),
                {"node": document(allow([*NODE_WORK, "sts:AssumeRole"]))})
    arn = f"arn:aws:iam::{aws.account}:role/{role}"
    assume = [("sts", "assume_role", {"RoleArn": arn, "RoleSessionName": "thief"})]
    thief = site.intrude("v2", keys=(), calls=assume, host_network=True)["v2"]
    deleted, listed = own.get("calls", ["not tried", "not tried"])
    yield from judge(
        [reading(f"the pages' pod reads {page}", 0.5, own, page, answer["trust_policy"])],
        [
            *(Tried(f"{name} is associated with the role", 0.375, said, said == "credentials", "no credentials",
                    TRUST_HINT) for name, said in got.items()),
            call("an intruder in the pages' pod deletes a file", 0.25, deleted, CLOSED, WIDE_HINT),
            call("an intruder in the pages' pod lists the bucket", 0.25, listed, CLOSED, WIDE_HINT),
            call("a thief with the node role assumes the role", 0.25, thief["calls"][0], CLOSED, NODE_HINT),
        ],
    )
