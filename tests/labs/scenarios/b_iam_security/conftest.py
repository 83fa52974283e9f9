"""A gateway for the labs of one file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.labs.gateways import running


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a gateway in a process of its own, with an empty engine."""
    with running(tmp_path_factory.mktemp("gateway")) as url:
        yield url
