"""Which operations are answered, and by whom: measured by calling every one of them on a running gateway.

``python -m labs.aws.gateway.support`` writes ``docs/aws-support.md``; a test fails when that file is not what is
measured.  Every operation is called once, with the least parameters its model allows, as the root user of an account
that nobody uses.  "Answered" means that the endpoint knows the operation; whether it answers as AWS does is what the
scenarios under ``tests/labs/aws`` show.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labs.aws.models import service_model

# The services that the curriculum uses (CURRICULUM A-L), by botocore name.
SERVICES = [
    "accessanalyzer", "acm", "application-autoscaling", "autoscaling", "backup", "budgets", "ce", "cloudformation",
    "cloudtrail", "cloudwatch", "config", "dynamodb", "ec2", "ecr", "eks", "elbv2", "events", "fis", "guardduty",
    "iam", "kms", "lambda", "logs", "organizations", "pricing", "rds", "resourcegroupstaggingapi", "route53", "s3",
    "secretsmanager", "securityhub", "service-quotas", "sns", "sqs", "ssm", "stepfunctions", "sts", "xray",
]  # fmt: skip
DOCUMENT = Path(__file__).parents[3] / "docs" / "aws-support.md"
COMMAND = "python -m labs.aws.gateway.support"
PATIENCE = 60.0  # seconds for one call
ACCOUNT = "999999999999"
LONG = 40  # names; a longer list says what is there instead of what is not

_REFUSALS = ("is not available in this lab", "is not offered by this endpoint")
_WAITING = frozenset(["StartLiveTail", "SubscribeToShard", "InvokeWithResponseStream"])  # they stream until closed


@dataclass(frozen=True)
class Support:
    """One service: the engine behind it, and the operations by who answers them."""

    service: str
    engine: str
    by_engine: tuple[str, ...]
    by_gateway: tuple[str, ...]
    missing: tuple[str, ...]


def measure(endpoint: str, services: tuple[str, ...] | list[str] = SERVICES) -> list[Support]:
    """Call every operation of these services on the gateway at ``endpoint``."""
    return [_measure_one(endpoint, service) for service in services]


def _measure_one(endpoint: str, service: str) -> Support:
    from labs.aws.engines.routed import served_elsewhere
    from labs.aws.gateway import corrections
    from labs.aws.gateway.app import PROVIDERS

    table = corrections.of(service)
    own = {operation for name, operation in PROVIDERS if name == service}
    own |= set(table.instead) if table else set()
    client = _client(endpoint, service)
    known: dict[bool, list[str]] = {True: [], False: []}
    missing: list[str] = []
    for operation in sorted(service_model(service).operation_names):
        if operation in _WAITING or _answers(client, service, operation):
            known[operation in own or "*" in own].append(operation)
        else:
            missing.append(operation)
    engine = served_elsewhere("ministack").get(service, "ministack")
    return Support(service, engine, tuple(known[False]), tuple(known[True]), tuple(missing))


def _client(endpoint: str, service: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"total_max_attempts": 1},
        read_timeout=PATIENCE,
        parameter_validation=False,
        inject_host_prefix=False,
        s3={"addressing_style": "path"},
    )
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="test",
        config=config,
    )


def _answers(client: Any, service: str, operation: str) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    model = service_model(service).operation_model(operation)
    try:
        client._make_api_call(operation, _least(model.input_shape) if model.input_shape else {})
    except ClientError as error:
        return not any(text in (error.response["Error"].get("Message") or "") for text in _REFUSALS)
    except BotoCoreError:
        return True  # an answer that botocore cannot read, or a call that waits: the operation is there
    return True


def _least(shape: Any, depth: int = 0) -> Any:
    """The smallest value of a shape: required members only, first choices, one letter."""
    kind = shape.type_name
    if kind == "structure":
        return {name: _least(shape.members[name], depth + 1) for name in shape.required_members} if depth < 6 else {}
    if kind == "list":
        return [_least(shape.member, depth + 1)] if depth < 6 else []
    if kind == "map":
        return {}
    if kind == "string":
        return shape.enum[0] if shape.enum else "x" * max(3, int(shape.metadata.get("min", 0) or 0))
    if kind in ("integer", "long", "float", "double"):
        return max(1, int(shape.metadata.get("min", 0) or 0))
    if kind == "timestamp":
        return 1_790_000_000
    return {"boolean": False, "blob": b"x"}[kind]


# -- the document ------------------------------------------------------------------------------------------------------


def document(measured: list[Support]) -> str:
    """``docs/aws-support.md``."""
    lines = [
        "# What the AWS endpoint answers",
        "",
        "Measured, not promised: every operation of every service that the course uses was called once on the endpoint"
        " with its default engine. `gateway` means this repository's own code (`labs/aws/providers`,"
        " `labs/aws/gateway/corrections`). An operation that is not available is refused with an error of AWS's shape."
        " Other services are passed to MiniStack, or to moto where"
        " [`serving.toml`](../labs/aws/engines/serving.toml) says so. After a change, write this page anew with"
        f" `scripts/in-environment {COMMAND}`.",
        "",
        "| service | engine | by the engine | by the gateway | not available |",
        "|---|---|---|---|---|",
    ]
    for row in measured:
        engine = row.engine if row.by_engine else "–"
        counts = f"{len(row.by_engine)} | {len(row.by_gateway)} | {len(row.missing)}"
        lines.append(f"| [{row.service}](#{row.service}) | {engine} | {counts} |")
    for row in measured:
        lines += ["", f"## {row.service}", ""]
        lines += _details(row)
    return "\n".join(lines) + "\n"


def _details(row: Support) -> Iterator[str]:
    answered = len(row.by_engine) + len(row.by_gateway)
    if not answered:
        yield "Nothing of this service is available."
        return
    if row.by_gateway:
        yield f"By the gateway: {_names(row.by_gateway)}."
        yield ""
    if not row.missing:
        yield "Every other operation is answered by the engine." if row.by_engine else "That is every operation."
    elif len(row.missing) <= LONG or not row.by_engine:
        yield f"Not available: {_names(row.missing)}."
    else:
        yield f"By {row.engine}: {_names(row.by_engine)}."


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names)


@contextmanager
def scratch_gateway() -> Iterator[str]:
    """A gateway of its own with the default engine; its address."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "labs.aws.gateway", "--port", "0", "--home", home, "--engine", "ministack"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the gateway ended with status {process.wait(10)} before it was ready")
            yield line.split()[1]
        finally:
            process.terminate()
            process.wait(20)
            if process.stdout:
                process.stdout.close()


def main(arguments: list[str] | None = None) -> int:
    """Measure and write the document, or ``--json`` to the standard output."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Measures which AWS operations are answered.")
    parser.add_argument("--json", action="store_true", help="print what was measured instead of writing the page")
    options = parser.parse_args(arguments)
    with scratch_gateway() as endpoint:
        measured = measure(endpoint)
    if options.json:
        print(json.dumps({row.service: vars(row) for row in measured}, indent=1))
    else:
        DOCUMENT.write_text(document(measured), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
