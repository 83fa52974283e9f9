"""The same network where the host has no seccomp notification: the start-up shim for Python, a proxy for others."""

import pytest

from tests.labs.cluster.network.test_network import *  # noqa: F403 (its tests and fixtures)

pytestmark = [pytest.mark.timeout(240), pytest.mark.long]
NODES = 2
NETWORK = "shim"
