"""AWS's verdicts for whole situations, asked live: policies are attached through the API, then the call is made."""

from __future__ import annotations

import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

CASES = json.loads(Path(__file__).with_name("iam_cases.json").read_text())
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403"}


class Situation:
    """One case, set up in two fresh accounts."""

    def __init__(self, gateway: Any, case: dict[str, Any]) -> None:
        self.case = case
        self.u = f"{random.randrange(16**8):08x}"
        self.gateway = gateway
        self.caller = gateway.account(str(random.randrange(10**11, 10**12)))
        self.owner = gateway.account(str(random.randrange(10**11, 10**12))) if case.get("xacct") else self.caller
        self.user = f"u{self.u}"
        self.region = case.get("region", "us-east-1")
        self.names = {"u": self.u, "P": self.caller.account, "X": self.owner.account, "B": f"arn:aws:s3:::b-{self.u}"}
        self.keys: dict[str, str | None] = {}

    def fill(self, value: Any) -> Any:
        """Replace the placeholders of the case."""
        text = json.dumps(value)
        for name, replacement in self.names.items():
            text = text.replace("{" + name + "}", replacement)
        return json.loads(text)

    def prepare(self) -> None:
        self.make_principal()
        self.make_resource()
        self.attach_policies()
        self.attach_organization_policies()

    # -- who ---------------------------------------------------------------------------------------------------------

    def make_principal(self) -> None:
        iam = self.caller.client("iam")
        kind = self.case.get("ptype", "user")
        account = self.caller.account
        self.names["PR"] = {
            "role": f"arn:aws:sts::{account}:assumed-role/r{self.u}/s{self.u}",
            "root": f"arn:aws:iam::{account}:root",
            "fed": f"arn:aws:sts::{account}:federated-user/f{self.u}",
        }.get(kind, f"arn:aws:iam::{account}:user/{self.user}")
        if kind == "role":
            trust = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
            iam.create_role(RoleName=f"r{self.u}", AssumeRolePolicyDocument=document(trust))
        if kind != "root":
            iam.create_user(UserName=self.user)
            key = iam.create_access_key(UserName=self.user)["AccessKey"]
            self.keys = {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}
        else:
            self.keys = {"access_key_id": account, "secret_access_key": "test"}

    def sessions(self) -> None:
        """Exchange the user's keys for the session that the case asks for."""
        kind = self.case.get("ptype", "user")
        session = {"Policy": json.dumps(self.fill(self.case["session"]))} if "session" in self.case else {}
        sts = self.caller.client_as("sts", **self.keys)
        if kind == "role":
            tags = [{"Key": k, "Value": v} for k, v in self.case.get("stags", {}).items()]
            # The test's own user may assume the role; what is tested is the role.
            helper = self.caller.client("iam")
            assume = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": "*"}
            helper.put_user_policy(UserName=self.user, PolicyName="assume", PolicyDocument=document(assume))
            role = f"arn:aws:iam::{self.caller.account}:role/r{self.u}"
            extra = {"Tags": tags} if tags else {}
            got = sts.assume_role(RoleArn=role, RoleSessionName=f"s{self.u}", **session, **extra)["Credentials"]
        elif kind == "fed":
            got = sts.get_federation_token(Name=f"f{self.u}", **session)["Credentials"]
        elif kind == "nomfa":
            got = sts.get_session_token()["Credentials"]
        else:
            return
        self.keys = {
            "access_key_id": got["AccessKeyId"],
            "secret_access_key": got["SecretAccessKey"],
            "session_token": got["SessionToken"],
        }

    # -- what --------------------------------------------------------------------------------------------------------

    def make_resource(self) -> None:
        make = {
            "s3obj": self.make_bucket,
            "s3bucket": self.make_bucket,
            "sqs": self.make_queue,
            "kms": self.make_key,
            "secret": self.make_secret,
            "ec2": self.make_instance,
            "role": self.make_role,
            "passrole": self.make_role,
        }.get(self.case["res"])
        if make:
            make()
        if self.case.get("ssekey"):
            self.make_key()

    def make_bucket(self) -> None:
        s3 = self.owner.client("s3")
        s3.create_bucket(Bucket=f"b-{self.u}")
        s3.put_object(Bucket=f"b-{self.u}", Key=self.case.get("key", "k"), Body=b"x")
        if "rpol" in self.case:
            s3.put_bucket_policy(Bucket=f"b-{self.u}", Policy=json.dumps(self.fill(self.case["rpol"])))

    def make_queue(self) -> None:
        sqs = self.owner.client("sqs", region=self.region)
        self.queue = sqs.create_queue(QueueName=f"q-{self.u}")["QueueUrl"]
        self.names["Q"] = f"arn:aws:sqs:{self.region}:{self.owner.account}:q-{self.u}"
        if "rpol" in self.case:
            sqs.set_queue_attributes(
                QueueUrl=self.queue, Attributes={"Policy": json.dumps(self.fill(self.case["rpol"]))}
            )

    def make_key(self) -> None:
        kms = self.owner.client("kms")
        self.names["K"] = kms.create_key()["KeyMetadata"]["Arn"]
        if "rpol" in self.case and self.case["res"] == "kms":
            policy = json.dumps(self.fill(self.case["rpol"]))
            kms.put_key_policy(
                KeyId=self.names["K"], PolicyName="default", Policy=policy, BypassPolicyLockoutSafetyCheck=True
            )
        if "grant" in self.case:
            kms.create_grant(KeyId=self.names["K"], GranteePrincipal=self.names["PR"], Operations=self.case["grant"])

    def make_secret(self) -> None:
        tags = [{"Key": k, "Value": v} for k, v in self.case.get("rtags", {}).items()]
        secrets = self.owner.client("secretsmanager")
        self.names["S"] = secrets.create_secret(Name=f"s-{self.u}", SecretString="x", Tags=tags)["ARN"]
        if "rpol" in self.case:
            secrets.put_resource_policy(
                SecretId=self.names["S"], ResourcePolicy=json.dumps(self.fill(self.case["rpol"]))
            )

    def make_instance(self) -> None:
        ec2 = self.owner.client("ec2")
        tags = [{"Key": k, "Value": v} for k, v in self.case.get("rtags", {}).items()]
        made = ec2.run_instances(
            ImageId="ami-12345678",
            InstanceType="t3.micro",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )
        self.instance = made["Instances"][0]["InstanceId"]
        self.names["I"] = f"arn:aws:ec2:us-east-1:{self.owner.account}:instance/{self.instance}"

    def make_role(self) -> None:
        self.names["R"] = f"arn:aws:iam::{self.owner.account}:role/t{self.u}"
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        policy = json.dumps(self.fill(self.case["rpol"])) if "rpol" in self.case else document(trust)
        self.owner.client("iam").create_role(RoleName=f"t{self.u}", AssumeRolePolicyDocument=policy)

    # -- policies ----------------------------------------------------------------------------------------------------

    def attach_policies(self) -> None:
        iam = self.caller.client("iam")
        role = self.case.get("ptype") == "role"
        if self.case.get("ptype") == "root":
            return
        who = {"RoleName": f"r{self.u}"} if role else {"UserName": self.user}
        put = iam.put_role_policy if role else iam.put_user_policy
        for number, policy in enumerate(self.case.get("ident", [])):
            put(PolicyName=f"p{number}", PolicyDocument=json.dumps(self.fill(policy)), **who)
        for arn in self.case.get("managed", []):
            (iam.attach_role_policy if role else iam.attach_user_policy)(PolicyArn=arn, **who)
        if "boundary" in self.case:
            made = iam.create_policy(
                PolicyName=f"b{self.u}", PolicyDocument=json.dumps(self.fill(self.case["boundary"]))
            )
            limit = iam.put_role_permissions_boundary if role else iam.put_user_permissions_boundary
            limit(PermissionsBoundary=made["Policy"]["Arn"], **who)

    def attach_organization_policies(self) -> None:
        organizations = self.gateway.account("000000000000").client("organizations")
        root = organizations.list_roots()["Roots"][0]
        for name, kind, target in (
            ("scp", "SERVICE_CONTROL_POLICY", self.caller.account),
            ("rcp", "RESOURCE_CONTROL_POLICY", self.owner.account),
        ):
            if name not in self.case:
                continue
            if kind not in [entry["Type"] for entry in root["PolicyTypes"]]:
                organizations.enable_policy_type(RootId=root["Id"], PolicyType=kind)
            for number, policy in enumerate(self.case[name]):
                made = organizations.create_policy(
                    Name=f"{name}{self.u}{number}", Type=kind, Description="", Content=json.dumps(self.fill(policy))
                )
                organizations.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=target)
            if name == "scp":
                organizations.detach_policy(PolicyId="p-FullAWSAccess", TargetId=target)

    # -- the call ----------------------------------------------------------------------------------------------------

    def call(self) -> None:
        case, region = self.case, self.region

        def client(service: str) -> Any:
            return self.caller.client_as(service, region=region, **self.keys)

        bucket, key = f"b-{self.u}", case.get("key", "k")
        sse = {"ServerSideEncryption": case["sse"]} if "sse" in case else {}
        if case.get("ssekey"):
            sse["SSEKMSKeyId"] = self.names["K"]
        action = case["action"]
        if action == "s3:GetObject":
            client("s3").get_object(Bucket=bucket, Key=key)
        elif action == "s3:PutObject":
            client("s3").put_object(Bucket=bucket, Key=key, Body=b"y", **sse)
        elif action == "s3:ListBucket":
            client("s3").list_objects_v2(Bucket=bucket, Prefix=case.get("prefix", ""))
        elif action == "iam:CreateUser":
            client("iam").create_user(UserName=f"new{self.u}")
        elif action == "sqs:SendMessage":
            client("sqs").send_message(QueueUrl=self.queue, MessageBody="m")
        elif action == "sqs:CreateQueue":
            client("sqs").create_queue(QueueName=f"n-{self.u}", tags=case.get("reqtags", {}))
        elif action == "kms:Encrypt":
            context = {"EncryptionContext": case["ec"]} if "ec" in case else {}
            client("kms").encrypt(KeyId=self.names["K"], Plaintext=b"x", **context)
        elif action == "secretsmanager:GetSecretValue":
            client("secretsmanager").get_secret_value(SecretId=self.names["S"])
        elif action == "ec2:StopInstances":
            client("ec2").stop_instances(InstanceIds=[self.instance])
        elif action == "ec2:RunInstances":
            client("ec2").run_instances(ImageId="ami-12345678", InstanceType=case["itype"], MinCount=1, MaxCount=1)
        elif action == "iam:PassRole":
            client("lambda").create_function(
                FunctionName=f"f{self.u}",
                Runtime="python3.12",
                Handler="a.b",
                Role=self.names["R"],
                Code={"ZipFile": archive()},
            )
        elif action == "sts:AssumeRole":
            self.assume(client("sts"))
        else:
            pytest.fail(f"this test does not know how to call {action}")

    def assume(self, sts: Any) -> None:
        extra: dict[str, str] = {"ExternalId": self.case["extid"]} if "extid" in self.case else {}
        if self.case.get("mfa_call"):
            iam = self.caller.client("iam")
            serial = iam.create_virtual_mfa_device(VirtualMFADeviceName=self.user)["VirtualMFADevice"]["SerialNumber"]
            iam.enable_mfa_device(
                UserName=self.user, SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321"
            )
            extra |= {"SerialNumber": serial, "TokenCode": "123456"}
        sts.assume_role(RoleArn=self.names["R"], RoleSessionName="session", **extra)


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.py", "def b(event, context): return 1")
    return buffer.getvalue()


@pytest.mark.parametrize("case", CASES, ids=[f"{case['id']}-{case['desc']}" for case in CASES])
def test_verdict_is_that_of_aws(gateway: Any, case: dict[str, Any]) -> None:
    situation = Situation(gateway, case)
    situation.prepare()
    situation.sessions()
    try:
        situation.call()
        verdict, seen = "ALLOW", "the call succeeded"
    except ClientError as error:
        code = error.response["Error"]["Code"]
        verdict, seen = ("DENY", str(error)) if code in DENIED else (f"ERROR {code}", str(error))
    assert verdict == case["expect"], seen
