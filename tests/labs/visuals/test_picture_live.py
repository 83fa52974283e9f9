"""The picture of a denial that a live AWS endpoint made."""

from __future__ import annotations

import select
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from labs.errors import PermanentError
from labs.visuals import explain, policy_evaluation

ACCOUNT = "111122223333"
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "labs.aws.gateway", "--port", "0", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            readable, _, _ = select.select([process.stdout], [], [], 60)
            line = process.stdout.readline() if readable else ""
            assert line.startswith("ready http://"), f"the gateway did not become ready; it said {line!r}"
            yield line.split()[1]
        finally:
            process.terminate()
            process.wait(timeout=20)


def client(service, endpoint, key=ACCOUNT, secret="test"):
    return boto3.client(
        service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret
    )


@pytest.fixture(scope="module")
def denial(endpoint):
    """The last of two refusals of the user alice, who has no policy."""
    iam = client("iam", endpoint)
    iam.create_user(UserName="alice")
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    alice = client("s3", endpoint, key["AccessKeyId"], key["SecretAccessKey"])
    with pytest.raises(ClientError):
        alice.create_bucket(Bucket="shop")
    with pytest.raises(ClientError) as refused:
        alice.list_buckets()
    return refused.value


def test_the_error_is_explained_by_its_request_id(endpoint, denial):
    picture = explain(denial, endpoint=endpoint)
    assert picture.story["request"]["action"] == "s3:ListAllMyBuckets"
    assert picture.story["request"]["short"] == "alice"
    assert denial.response["Error"]["Message"] in picture.text


def test_without_arguments_the_accounts_last_denial_is_shown(endpoint, denial, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert policy_evaluation().story["request"]["action"] == "s3:ListAllMyBuckets"


def test_an_account_without_a_denial_is_told_to_make_one(endpoint):
    with pytest.raises(PermanentError, match="no denial recorded yet: make a call that is refused first"):
        policy_evaluation(endpoint=endpoint, account="444455556666")


def test_an_unknown_request_id_is_named(endpoint):
    with pytest.raises(PermanentError, match="no decision is recorded under request id never-made"):
        policy_evaluation(request_id="never-made", endpoint=endpoint)
