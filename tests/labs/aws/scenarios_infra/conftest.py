"""One gateway for all scenarios of a session; each scenario is an administrator's of an account of its own."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount
from tests.labs.aws.gateway.conftest import RunningGateway

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


@dataclass
class Cloud:
    """An account as one of its IAM users sees it: ``cloud.ec2`` is that user's boto3 client."""

    account: AwsAccount
    root: AwsAccount
    clients: dict[str, Any] = field(default_factory=dict)

    @property
    def number(self) -> str:
        return self.account.account

    @property
    def region(self) -> str:
        return self.account.region

    def client(self, service: str, region: str | None = None) -> Any:
        key = f"{service}@{region}"
        if key not in self.clients:
            self.clients[key] = self.account.client(service, region)
        return self.clients[key]

    def __getattr__(self, service: str) -> Any:
        if service.startswith("_"):
            raise AttributeError(service)
        return self.client(service.replace("_", "-"))

    def arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.number}:{rest}"

    def role(self, name: str, service: str) -> str:
        """ARN of a new role that ``service`` may assume."""
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
        return str(role["Role"]["Arn"])

    def user(self, *statements: dict[str, Any]) -> Cloud:
        """The same account as a new user sees it whom only these statements allow anything."""
        name = f"user-{random.randrange(10**9)}"
        iam = self.root.client("iam")
        iam.create_user(UserName=name)
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=document)
        return Cloud(_with_key(self.root, name), self.root)

    def network(self, zones: str = "ab") -> tuple[str, list[str]]:
        """A VPC with a subnet in each zone: its id, and the subnets'."""
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(
                VpcId=vpc, CidrBlock=f"10.20.{number}.0/24", AvailabilityZone=f"{self.region}{zone}"
            )["Subnet"]["SubnetId"]
            for number, zone in enumerate(zones)
        ]
        return vpc, subnets

    def image(self) -> str:
        """An image that instances can be started from."""
        if "image" not in self.clients:
            images = self.client("ec2").describe_images(Owners=["amazon"])["Images"]
            self.clients["image"] = images[0]["ImageId"]
        return str(self.clients["image"])


def _with_key(root: AwsAccount, user: str) -> AwsAccount:
    key = root.client("iam").create_access_key(UserName=user)["AccessKey"]
    return AwsAccount(root.endpoint, root.account, key["AccessKeyId"], key["SecretAccessKey"], root.region)


@pytest.fixture(scope="session")
def infra_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    running = RunningGateway(tmp_path_factory.mktemp("infra"))
    yield running
    running.stop()


@pytest.fixture
def cloud(infra_gateway: RunningGateway) -> Cloud:
    """A fresh account, as its administrator (an IAM user)."""
    root = infra_gateway.account(str(random.randrange(10**11, 10**12)))
    iam = root.client("iam")
    iam.create_user(UserName="admin")
    iam.attach_user_policy(UserName="admin", PolicyArn=ADMINISTRATOR)
    return Cloud(_with_key(root, "admin"), root)


@pytest.fixture
def refused() -> Callable[..., str]:
    """``refused("Code", call, **params)``: the call fails with this code (or one of these); returns the message."""

    def check(code: str | tuple[str, ...], call: Callable[..., Any], **params: Any) -> str:
        with pytest.raises(ClientError) as caught:
            call(**params)
        error = caught.value.response["Error"]
        assert error["Code"] in ((code,) if isinstance(code, str) else code), error
        status = caught.value.response["ResponseMetadata"]["HTTPStatusCode"]
        assert 400 <= status < 500, f"{status} {error}"
        return str(error["Message"])

    return check


@pytest.fixture
def quick() -> dict[str, int]:
    """A waiter's configuration for resources that are ready in moments."""
    return {"Delay": 1, "MaxAttempts": 20}
