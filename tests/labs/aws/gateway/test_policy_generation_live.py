"""Policies generated from what really happened, asked through boto3."""

from __future__ import annotations

import datetime
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount
from tests.labs.aws.gateway.test_trails_live import bucket_policy, code_of

NOW = datetime.datetime.now(datetime.UTC)


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class Watched:
    """An account with a trail, the role that reads it, and a worker whose calls are analyzed."""

    def __init__(self, account: AwsAccount) -> None:
        self.account = account
        self.bucket = f"logs-{uuid.uuid4().hex[:12]}"
        self.iam, self.client = account.client("iam"), account.client("accessanalyzer")
        s3, self.trails = account.client("s3"), account.client("cloudtrail")
        s3.create_bucket(Bucket=self.bucket)
        s3.put_bucket_policy(Bucket=self.bucket, Policy=bucket_policy(account.account, self.bucket))
        self.trail = self.trails.create_trail(Name="audit", S3BucketName=self.bucket)["TrailARN"]
        self.trails.start_logging(Name="audit")
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole"}
        reader = {**trust, "Principal": {"Service": "access-analyzer.amazonaws.com"}}
        made = self.iam.create_role(RoleName="reader", AssumeRolePolicyDocument=document(reader))
        self.reader = made["Role"]["Arn"]
        self.let_read()
        self.iam.create_user(UserName="deployer")
        allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
        self.iam.put_user_policy(UserName="deployer", PolicyName="p", PolicyDocument=document(allowed))
        key = self.iam.create_access_key(UserName="deployer")["AccessKey"]
        trust = {**trust, "Principal": {"AWS": account.account}}
        made = self.iam.create_role(RoleName="worker", AssumeRolePolicyDocument=document(trust))
        self.worker = made["Role"]["Arn"]
        wide = {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}
        self.iam.put_role_policy(RoleName="worker", PolicyName="wide", PolicyDocument=document(wide))
        sts = account.client_as("sts", key["AccessKeyId"], key["SecretAccessKey"])
        got = sts.assume_role(RoleArn=self.worker, RoleSessionName="job")["Credentials"]
        self.secrets = (got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"])

    def let_read(self, *forbidden: str) -> None:
        """The reader's permissions of the page "Permissions required for service role", without some."""
        actions = {
            "cloudtrail:GetTrail",
            "iam:GenerateServiceLastAccessedDetails",
            "iam:GetServiceLastAccessedDetails",
            "s3:GetObject",
            "s3:ListBucket",
        }
        statement = {"Effect": "Allow", "Action": sorted(actions - set(forbidden)), "Resource": "*"}
        self.iam.put_role_policy(RoleName="reader", PolicyName="read", PolicyDocument=document(statement))

    def as_worker(self, service: str, **more: Any) -> Any:
        return self.account.client_as(service, *self.secrets, **more)

    def start(self, **changed: Any) -> str:
        """A job's id."""
        trail = {"cloudTrailArn": changed.pop("trail", self.trail), **changed.pop("regions", {"allRegions": True})}
        details = {"trails": [trail], "accessRole": self.reader, "startTime": NOW - datetime.timedelta(hours=1)}
        principal = {"principalArn": changed.pop("principal", self.worker)}
        token = changed.pop("token", uuid.uuid4().hex)
        details.update(changed)
        answer = self.client.start_policy_generation(
            policyGenerationDetails=principal, cloudTrailDetails=details, clientToken=token
        )
        return str(answer["jobId"])

    def result(self, job: str, **params: Any) -> dict[str, Any]:
        """The answer once the job has ended."""
        deadline = time.monotonic() + 20
        while True:
            answer: dict[str, Any] = self.client.get_generated_policy(jobId=job, **params)
            if answer["jobDetails"]["status"] != "IN_PROGRESS":
                return answer
            assert time.monotonic() < deadline, answer
            time.sleep(0.1)

    def actions(self, **changed: Any) -> set[str]:
        """The actions of a generated policy."""
        generated = self.result(self.start(**changed))["generatedPolicyResult"]["generatedPolicies"]
        statements = [one for policy in generated for one in json.loads(policy["policy"])["Statement"]]
        return {action for statement in statements for action in statement["Action"]}


@pytest.fixture
def watched(account: AwsAccount) -> Watched:
    return Watched(account)


def refused(call: Callable[..., Any], **params: Any) -> None:
    with pytest.raises(ClientError):
        call(**params)


def test_what_the_role_did_becomes_a_policy_and_the_blind_spots_stay_blind(watched: Watched) -> None:
    watched.account.client("iam").create_role(
        RoleName="target", AssumeRolePolicyDocument=document({"Effect": "Allow", "Action": "sts:AssumeRole",
                                                             "Principal": {"Service": "states.amazonaws.com"}})
    )  # fmt: skip
    sqs, s3, sns = (watched.as_worker(service) for service in ("sqs", "s3", "sns"))
    url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="m")  # a data event
    s3.list_buckets()
    s3.put_object(Bucket=watched.bucket, Key="x", Body=b"")  # a data event
    s3.get_bucket_encryption(Bucket=watched.bucket)
    refused(watched.as_worker("iam").list_users)  # refused, and an event like any other
    sns.create_topic(Name="t")
    watched.account.client("sns").list_topics()  # somebody else
    refused(
        watched.as_worker("stepfunctions").create_state_machine,
        name="m",
        definition="{}",
        roleArn=watched.worker.replace("worker", "target"),
    )
    assert watched.actions() == {
        "sqs:CreateQueue",
        "s3:ListAllMyBuckets",
        "s3:GetEncryptionConfiguration",
        "iam:ListUsers",
        "sns:CreateTopic",
        "states:CreateStateMachine",
    }


def test_the_answer_has_awss_shape(watched: Watched) -> None:
    watched.as_worker("sns").create_topic(Name="t")
    watched.as_worker("s3").list_buckets()
    job = watched.start()
    first = watched.client.get_generated_policy(jobId=job)
    assert first["jobDetails"]["status"] == "IN_PROGRESS"
    assert first["generatedPolicyResult"]["properties"] == {"principalArn": watched.worker}
    answer = watched.result(job, includeResourcePlaceholders=True)
    details, result = answer["jobDetails"], answer["generatedPolicyResult"]
    assert (details["jobId"], details["status"]) == (job, "SUCCEEDED")
    assert details["completedOn"] > details["startedOn"]
    assert result["properties"]["isComplete"]
    trail = {"cloudTrailArn": watched.trail, "allRegions": True, "regions": []}
    assert result["properties"]["cloudTrailProperties"]["trailProperties"] == [trail]
    (generated,) = result["generatedPolicies"]
    statements = json.loads(generated["policy"])["Statement"]
    assert [(one["Sid"], one["Action"], one["Resource"]) for one in statements] == [
        ("SupportedServiceSid0", ["s3:ListAllMyBuckets"], "*"),
        ("SupportedServiceSid1", ["sns:CreateTopic"], "arn:aws:sns:${Region}:${Account}:${TopicName}"),
    ]
    plain = json.loads(watched.result(job)["generatedPolicyResult"]["generatedPolicies"][0]["policy"])["Statement"]
    assert [(one["Action"], one["Resource"]) for one in plain] == [(["s3:ListAllMyBuckets", "sns:CreateTopic"], "*")]
    listed = watched.client.list_policy_generations(principalArn=watched.worker)["policyGenerations"]
    assert [one["jobId"] for one in listed] == [job]
    assert watched.client.list_policy_generations(principalArn=watched.reader)["policyGenerations"] == []


def test_only_what_the_trail_logged_counts(watched: Watched) -> None:
    watched.as_worker("sns").create_topic(Name="seen")
    watched.as_worker("sns", region="eu-west-1").list_topics()  # the trail logs one Region
    watched.trails.stop_logging(Name="audit")
    watched.as_worker("sqs").list_queues()
    watched.trails.start_logging(Name="audit")
    watched.as_worker("s3").list_buckets()
    assert watched.actions() == {"sns:CreateTopic", "s3:ListAllMyBuckets"}
    watched.trails.put_event_selectors(TrailName="audit", EventSelectors=[{"ReadWriteType": "WriteOnly"}])
    assert watched.actions() == {"sns:CreateTopic"}
    assert watched.actions(regions={"regions": ["eu-west-1"]}) == set()


@pytest.mark.parametrize("lacking", ["s3:GetObject", "cloudtrail:GetTrail", "iam:GetServiceLastAccessedDetails"])
def test_an_access_role_that_may_not_read_fails_the_job(watched: Watched, lacking: str) -> None:
    watched.let_read(lacking)
    error = watched.result(watched.start())["jobDetails"]
    assert (error["status"], error["jobError"]["code"]) == ("FAILED", "AUTHORIZATION_ERROR")


def test_an_access_role_that_trusts_somebody_else_and_a_missing_trail_fail_the_job(watched: Watched) -> None:
    answer = watched.result(watched.start(accessRole=watched.worker))
    assert answer["jobDetails"]["jobError"]["code"] == "AUTHORIZATION_ERROR"
    answer = watched.result(watched.start(trail=watched.trail.replace("audit", "gone")))
    assert answer["jobDetails"]["jobError"]["code"] == "RESOURCE_NOT_FOUND_ERROR"


@pytest.mark.parametrize(
    "changed",
    [
        {"principal": "arn:aws:iam::111122223333:role/elsewhere"},
        {"startTime": NOW + datetime.timedelta(days=1)},
        {"startTime": NOW - datetime.timedelta(days=91), "endTime": NOW},
        {"startTime": NOW, "endTime": NOW - datetime.timedelta(days=1)},
    ],
)
def test_requests_that_are_refused(watched: Watched, changed: dict[str, Any]) -> None:
    assert code_of(lambda: watched.start(**changed)) == "ValidationException"
    assert watched.client.list_policy_generations()["policyGenerations"] == []


def test_one_job_at_a_time_which_can_be_canceled_and_a_token_repeats_it(watched: Watched) -> None:
    job = watched.start(token="once")
    assert watched.start(token="once") == job
    assert code_of(lambda: watched.start(token="once", accessRole=watched.worker)) == "ConflictException"
    assert code_of(lambda: watched.start()) == "ServiceQuotaExceededException"
    watched.client.cancel_policy_generation(jobId=job)
    assert watched.client.get_generated_policy(jobId=job)["jobDetails"]["status"] == "CANCELED"
    assert code_of(watched.client.get_generated_policy, jobId="nothing") == "ValidationException"


def test_starting_needs_the_right_to_pass_the_access_role(watched: Watched) -> None:
    allowed = {"Effect": "Allow", "Action": "access-analyzer:*", "Resource": "*"}
    watched.iam.put_user_policy(UserName="deployer", PolicyName="p", PolicyDocument=document(allowed))
    key = watched.iam.create_access_key(UserName="deployer")["AccessKey"]
    watched.client = watched.account.client_as("accessanalyzer", key["AccessKeyId"], key["SecretAccessKey"])
    with pytest.raises(ClientError, match="iam:PassRole"):
        watched.start()
