"""Sequences of calls as the curriculum makes them, through boto3, as an administrator who is an IAM user."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount
from tests.labs.aws.gateway.conftest import RunningGateway, gateway, start_gateway

__all__ = ["gateway", "start_gateway"]


@pytest.fixture
def root(gateway: RunningGateway) -> AwsAccount:
    """A fresh account's root user."""
    return gateway.account(str(random.randrange(10**11, 10**12)))


@pytest.fixture
def admin(root: AwsAccount) -> AwsAccount:
    """The same account's IAM user ``admin``, with the policy AdministratorAccess."""
    iam = root.client("iam")
    iam.create_user(UserName="admin")
    iam.attach_user_policy(UserName="admin", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    key = iam.create_access_key(UserName="admin")["AccessKey"]
    return AwsAccount(root.endpoint, root.account, key["AccessKeyId"], key["SecretAccessKey"])


@pytest.fixture
def unique() -> str:
    """A name that nobody else uses."""
    return "n" + uuid.uuid4().hex[:16]


def refusal(call: Callable[..., Any], /, **params: Any) -> str:
    """The code of the error that a call is refused with."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])
