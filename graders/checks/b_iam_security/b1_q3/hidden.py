"""Another backup, other callers, other keys, other actions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b1_q3.calls import HINTS, Vault
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding
from labs.scenarios.b_iam_security.cases import document, operator_arn
from labs.scenarios.creation import access_key, ensure_role


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        vault = Vault(answer["bucket_policy"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    aws, values, restore = vault.aws, vault.values, vault.values["restore"]
    aws.client("s3").put_object(Bucket=vault.name, Key="nightly/stock.json", Body=b"{}")
    trust = document({"Effect": "Allow", "Principal": {"AWS": operator_arn(values)}, "Action": "sts:AssumeRole"})
    ensure_role(aws, values["app_role"], trust)
    alice = aws.client_as("s3", **access_key(aws, values["alice"]))
    other_role = vault.session(restore, role="app_role")
    whole = "The Principal is wider than one session: an account or * lets others in."
    yield from judge(
        work=[
            Probe(
                f"session {restore} reads nightly/stock.json",
                vault.read(vault.restore, "nightly/stock.json"),
                0.5,
                hints=HINTS,
            )
        ],
        attacks=[
            Probe(
                f"session {restore} reads keys/master.txt",
                vault.read(vault.restore, "keys/master.txt"),
                0.5,
                "The Resource covers the whole bucket: end it with the folder that holds the backups.",
            ),
            Probe(
                f"session {restore} overwrites nightly/orders.json",
                lambda: vault.restore.put_object(Bucket=vault.name, Key="nightly/orders.json", Body=b"{}"),
                0.4,
                "Reading is asked for: name that one action.",
            ),
            Probe("alice reads nightly/orders.json", vault.read(alice), 0.3, whole),
            Probe(f"a session {restore} of another role reads it", vault.read(other_role), 0.3, whole),
        ],
    )
