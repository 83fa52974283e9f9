"""What moto loads of EC2's data: only what is asked for, and then just what it would have had."""

import json
import subprocess
import sys

import pytest

PLAIN = """
import json
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS as offerings
print(json.dumps([{name: sorted(regions) for name, regions in offerings.items()}, offerings["availability-zone"]["eu-west-1"]]))
"""  # noqa: E501
FRUGAL = """
import json
from labs.aws import models
from labs.aws.engines import frugal
frugal.install()
frugal.install()
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS as offerings
from moto.core.utils import get_service_model
frugal.forget()
frugal.forget()
zones = offerings["availability-zone"]
assert not zones and zones.get("eu-moon-1", []) == []
try:
    zones["eu-moon-1"]
except KeyError:
    pass
else:
    raise AssertionError("a region that is not there")
zones.get("eu-west-1")
assert list(zones) == ["eu-west-1"] and zones["eu-west-1"] is zones.get("eu-west-1")
theirs, ours = get_service_model("ec2"), models.service_model("ec2")
assert theirs.shape_for("AuthFailure").metadata["error"]["httpStatusCode"] == 401
assert "AuthFailure" not in ours.shape_names
assert theirs._service_description["operations"] is ours._service_description["operations"]
print(json.dumps([{name: sorted(one._regions) for name, one in offerings.items()}, zones["eu-west-1"]]))
"""


def printed(program: str) -> object:
    command = [sys.executable, "-W", "ignore", "-c", program]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)


@pytest.mark.timeout(240)
def test_offerings_are_read_by_region_and_are_motos_own():
    assert printed(FRUGAL) == printed(PLAIN)
