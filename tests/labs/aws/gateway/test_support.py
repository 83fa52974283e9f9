"""The page on what is answered says what is measured."""

from __future__ import annotations

import pytest

from labs.aws.engines.routed import misread
from labs.aws.gateway import support
from labs.aws.models import service_model


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_support_page_is_what_the_gateway_answers() -> None:
    with support.scratch_gateway() as endpoint:
        measured = support.measure(endpoint)
    written = support.DOCUMENT.read_text(encoding="utf-8")
    assert written == support.document(measured), f"write it anew: scripts/in-environment {support.COMMAND}"


def test_a_few_services_are_as_the_page_says(gateway: object) -> None:
    written = support.DOCUMENT.read_text(encoding="utf-8")
    for row in support.measure(gateway.endpoint, ["kms", "sqs", "ce"]):  # type: ignore[attr-defined]
        line = f"{len(row.by_engine)} | {len(row.by_gateway)} | {len(row.missing)} |"
        assert f"| [{row.service}](#{row.service}) | {row.engine} | {line}\n" in written, support.COMMAND
        assert all(name in written for name in (*row.by_gateway, *row.missing))


def test_operations_that_would_be_misread_exist_and_are_refused(gateway: object) -> None:
    refused = misread("ministack", "s3")
    assert refused < set(service_model("s3").operation_names)
    (row,) = support.measure(gateway.endpoint, ["s3"])  # type: ignore[attr-defined]
    assert set(row.missing) == refused
