"""One IAM case as data, made real through boto3: principals, resources and policies, then the call that it is about.

The fields of a case: ``ident``, ``managed``, ``in_group`` (a group's inline policies), ``boundary``, ``session`` and
``session_arns`` (managed session policies) belong to the caller, whose kind is ``ptype``; ``rpol`` to the resource
``res``; ``scp``, ``rcp`` (on ``scp_on``, ``rcp_on``) and ``ou`` to the organisation; ``vpce`` to a VPC endpoint.
``setup`` lists calls of the ``owner``'s or ``caller``'s administrator.  ``call`` is the call that is judged, where the
``action`` alone does not say it.  Words in braces are filled in, see ``Situation.names``.
"""

from __future__ import annotations

import functools
import io
import json
import random
import zipfile
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount

DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403"}
MANAGEMENT = "000000000000"
TRUST_LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


class Administered:
    """An account whose administrator's clients are made once: making one takes longer than most calls."""

    def __init__(self, gateway: Any, number: str) -> None:
        account = gateway.account(number)
        self.endpoint, self.account, self.client_as = account.endpoint, number, account.client_as
        self.client = functools.cache(account.client)


@functools.cache
def shared_account(gateway: Any, role: str) -> Administered:
    """The account that all cases without organisation policies use as their ``caller`` or ``owner``."""
    return Administered(gateway, str(random.randrange(10**11, 10**12)))


@functools.cache
def shared_bucket(owner: Administered) -> str:
    """A bucket with the object ``k``, for cases that give the bucket nothing of their own."""
    name, s3 = f"b-{random.randrange(16**8):08x}", owner.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    return name


class Situation:
    """One case.  Its names are fresh; its accounts too if it attaches policies to them."""

    def __init__(self, gateway: Any, case: dict[str, Any]) -> None:
        self.case = case
        self.u = f"{random.randrange(16**8):08x}"
        self.gateway = gateway
        self.caller = self.account("caller")
        self.owner = self.account("owner") if case.get("xacct") else self.caller
        self.user = f"u{self.u}"
        self.region = case.get("region", "us-east-1")
        self.names = {
            "u": self.u, "U": self.user, "P": self.caller.account, "X": self.owner.account,
            "b": f"b-{self.u}", "B": f"arn:aws:s3:::b-{self.u}",
        }  # fmt: skip
        self.keys: dict[str, str | None] = {}

    def account(self, role: str) -> Administered:
        """The account of the caller or of the resource's owner."""
        if role == "caller" and self.case.get("ptype") == "mgmt":
            return Administered(self.gateway, MANAGEMENT)
        if {"scp", "rcp", "ou"} & set(self.case):
            return Administered(self.gateway, str(random.randrange(10**11, 10**12)))
        return shared_account(self.gateway, role)

    def fill(self, value: Any) -> Any:
        """Replace the placeholders of the case."""
        text = json.dumps(value)
        for name, replacement in self.names.items():
            text = text.replace("{" + name + "}", replacement)
        return json.loads(text)

    def text(self, policy: Any) -> str:
        """A policy document of the case, as text."""
        return json.dumps(self.fill(policy))

    def prepare(self) -> None:
        if "{ORG}" in json.dumps(self.case):
            root = self.gateway.account(MANAGEMENT).client("organizations").list_roots()["Roots"][0]
            self.names |= {"ORG": root["Arn"].split("/")[1], "ROOT": root["Id"]}
        self.make_principal()
        self.make_resource()
        self.attach_policies()
        self.attach_organization_policies()
        self.make_endpoint()
        for who, service, operation, params in self.case.get("setup", []):
            account = self.owner if who == "owner" else self.caller
            getattr(account.client(service, region=self.region), operation)(**self.fill(params))

    def verdict(self) -> tuple[str, str, str]:
        """``ALLOW``, ``DENY`` or ``ERROR code``; the error's code; and what was seen."""
        try:
            self.sessions()
            self.call()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            return ("DENY" if code in DENIED else f"ERROR {code}"), code, error.response["Error"].get("Message", "")
        return "ALLOW", "", "the call succeeded"

    # -- who ---------------------------------------------------------------------------------------------------------

    def make_principal(self) -> None:
        iam = self.caller.client("iam")
        kind = self.case.get("ptype", "user")
        account, path = self.caller.account, self.case.get("path", "/")
        self.names["ME"] = f"arn:aws:iam::{account}:user{path}{self.user}"
        self.names["PR"] = {
            "role": f"arn:aws:sts::{account}:assumed-role/r{self.u}/s{self.u}",
            "root": f"arn:aws:iam::{account}:root",
            "fed": f"arn:aws:sts::{account}:federated-user/f{self.u}",
        }.get(kind, self.names["ME"])
        tags = [{"Key": k, "Value": v} for k, v in self.case.get("ptags", {}).items()]
        if kind == "role":
            trust = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
            trust["Action"].append("sts:SetSourceIdentity")
            made = iam.create_role(
                RoleName=f"r{self.u}", Path=path, AssumeRolePolicyDocument=document(trust), Tags=tags
            )["Role"]
            self.names |= {"ROLE": made["Arn"], "ROLEID": made["RoleId"]}
        if kind != "root":
            made = iam.create_user(UserName=self.user, Path=path, Tags=tags)["User"]
            self.names["USERID"] = made["UserId"]
            key = iam.create_access_key(UserName=self.user)["AccessKey"]
            self.keys = {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}
        else:
            self.keys = {"access_key_id": account if account != MANAGEMENT else "test", "secret_access_key": "test"}

    def sessions(self) -> None:
        """Exchange the user's keys for the session that the case asks for."""
        kind = self.case.get("ptype", "user")
        session = {"Policy": self.text(self.case["session"])} if "session" in self.case else {}
        if "session_arns" in self.case:
            session["PolicyArns"] = [{"arn": arn} for arn in self.managed("sp", self.case["session_arns"])]
        sts = self.caller.client_as("sts", **self.keys)
        if kind == "role":
            # The test's own user may assume the role; what is tested is the role.
            helper = self.caller.client("iam")
            assume = {"Effect": "Allow", "Action": ["sts:*"], "Resource": "*"}
            helper.put_user_policy(UserName=self.user, PolicyName="assume", PolicyDocument=document(assume))
            extra: dict[str, Any] = {}
            if self.case.get("stags"):
                extra["Tags"] = [{"Key": k, "Value": v} for k, v in self.case["stags"].items()]
            if self.case.get("source_identity"):
                extra["SourceIdentity"] = self.case["source_identity"]
            answer = sts.assume_role(RoleArn=self.names["ROLE"], RoleSessionName=f"s{self.u}", **session, **extra)
        elif kind == "fed":
            answer = sts.get_federation_token(Name=f"f{self.u}", **session)
        elif kind == "nomfa":
            answer = sts.get_session_token()
        elif kind == "mfa":
            answer = sts.get_session_token(**self.mfa_code())
        else:
            return
        got = answer["Credentials"]
        self.keys = {
            "access_key_id": got["AccessKeyId"],
            "secret_access_key": got["SecretAccessKey"],
            "session_token": got["SessionToken"],
        }

    def mfa_code(self) -> dict[str, str]:
        """Enable a virtual device for the user; its serial number and a code."""
        iam = self.caller.client("iam")
        serial = iam.create_virtual_mfa_device(VirtualMFADeviceName=self.user)["VirtualMFADevice"]["SerialNumber"]
        iam.enable_mfa_device(
            UserName=self.user, SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321"
        )
        return {"SerialNumber": serial, "TokenCode": "123456"}

    # -- what --------------------------------------------------------------------------------------------------------

    def make_resource(self) -> None:
        make = {
            "s3obj": self.make_bucket,
            "s3bucket": self.make_bucket,
            "sqs": self.make_queue,
            "sns": self.make_topic,
            "kms": self.make_key,
            "secret": self.make_secret,
            "ec2": self.make_instance,
            "role": self.make_role,
            "passrole": self.make_role,
            "lambda": self.make_function,
            "ecr": self.make_repository,
            "dynamodb": self.make_table,
        }.get(self.case["res"])
        if make:
            make()
        if self.case.get("ssekey"):
            self.make_key()

    def tags(self) -> list[dict[str, str]]:
        """The resource's tags, as most services want them."""
        return [{"Key": k, "Value": v} for k, v in self.case.get("rtags", {}).items()]

    def make_bucket(self) -> None:
        if not {"rpol", "otags", "key", "call", "setup", "scp", "rcp", "ou"} & set(self.case):
            self.names["b"] = shared_bucket(self.owner)
            self.names["B"] = f"arn:aws:s3:::{self.names['b']}"
            return
        s3 = self.owner.client("s3")
        s3.create_bucket(Bucket=f"b-{self.u}")
        tagging = {"Tagging": urlencode(self.case["otags"])} if "otags" in self.case else {}
        s3.put_object(Bucket=f"b-{self.u}", Key=self.case.get("key", "k"), Body=b"x", **tagging)
        if "rpol" in self.case:
            s3.put_bucket_policy(Bucket=f"b-{self.u}", Policy=self.text(self.case["rpol"]))

    def make_queue(self) -> None:
        sqs = self.owner.client("sqs", region=self.region)
        tags = {"tags": self.case["rtags"]} if "rtags" in self.case else {}
        self.queue = sqs.create_queue(QueueName=f"q-{self.u}", **tags)["QueueUrl"]
        self.names |= {"Q": f"arn:aws:sqs:{self.region}:{self.owner.account}:q-{self.u}", "QURL": self.queue}
        if "rpol" in self.case:
            sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": self.text(self.case["rpol"])})

    def make_topic(self) -> None:
        sns = self.owner.client("sns")
        self.names["T"] = sns.create_topic(Name=f"t-{self.u}", Tags=self.tags())["TopicArn"]
        if "rpol" in self.case:
            sns.set_topic_attributes(
                TopicArn=self.names["T"], AttributeName="Policy", AttributeValue=self.text(self.case["rpol"])
            )

    def make_key(self) -> None:
        kms = self.owner.client("kms")
        tags = [{"TagKey": k, "TagValue": v} for k, v in self.case.get("rtags", {}).items()]
        self.names["K"] = kms.create_key(**({"Tags": tags} if tags else {}))["KeyMetadata"]["Arn"]
        if "rpol" in self.case and self.case["res"] == "kms":
            policy = self.text(self.case["rpol"])
            kms.put_key_policy(
                KeyId=self.names["K"], PolicyName="default", Policy=policy, BypassPolicyLockoutSafetyCheck=True
            )
        if "grant" in self.case:
            constraints = {"Constraints": self.case["constraints"]} if "constraints" in self.case else {}
            kms.create_grant(
                KeyId=self.names["K"],
                GranteePrincipal=self.names["PR"],
                Operations=self.case["grant"],
                **constraints,
            )

    def make_secret(self) -> None:
        secrets = self.owner.client("secretsmanager")
        self.names["S"] = secrets.create_secret(Name=f"s-{self.u}", SecretString="x", Tags=self.tags())["ARN"]
        if "rpol" in self.case:
            secrets.put_resource_policy(SecretId=self.names["S"], ResourcePolicy=self.text(self.case["rpol"]))

    def make_instance(self) -> None:
        made = self.owner.client("ec2").run_instances(
            ImageId="ami-12345678",
            InstanceType="t3.micro",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": self.tags()}],
        )
        self.names["i"] = self.instance = made["Instances"][0]["InstanceId"]
        self.names["I"] = f"arn:aws:ec2:us-east-1:{self.owner.account}:instance/{self.instance}"

    def make_role(self) -> None:
        self.names["R"] = f"arn:aws:iam::{self.owner.account}:role/t{self.u}"
        policy = self.text(self.case["rpol"]) if "rpol" in self.case else document(TRUST_LAMBDA)
        self.owner.client("iam").create_role(
            RoleName=f"t{self.u}", AssumeRolePolicyDocument=policy, Tags=self.tags()
        )

    def make_function(self) -> None:
        role = f"arn:aws:iam::{self.owner.account}:role/l{self.u}"
        self.owner.client("iam").create_role(RoleName=f"l{self.u}", AssumeRolePolicyDocument=document(TRUST_LAMBDA))
        tags = {"Tags": self.case["rtags"]} if "rtags" in self.case else {}
        made = self.owner.client("lambda").create_function(
            FunctionName=f"f-{self.u}", Runtime="python3.12", Handler="a.b", Role=role, Code={"ZipFile": archive()},
            **tags,
        )  # fmt: skip
        self.names["F"] = made["FunctionArn"]

    def make_repository(self) -> None:
        ecr = self.owner.client("ecr")
        made = ecr.create_repository(repositoryName=f"e-{self.u}", tags=self.tags())["repository"]
        self.names["E"] = made["repositoryArn"]
        if "rpol" in self.case:
            ecr.set_repository_policy(
                repositoryName=f"e-{self.u}", policyText=self.text(self.case["rpol"]), force=True
            )

    def make_table(self) -> None:
        dynamodb = self.owner.client("dynamodb")
        made = dynamodb.create_table(
            TableName=f"d-{self.u}",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
            **({"Tags": self.tags()} if self.tags() else {}),
        )
        self.names["D"] = made["TableDescription"]["TableArn"]
        if "rpol" in self.case:
            dynamodb.put_resource_policy(ResourceArn=self.names["D"], Policy=self.text(self.case["rpol"]))

    def make_endpoint(self) -> None:
        """The VPC endpoint that the call passes through."""
        if "vpce" not in self.case:
            return
        ec2 = self.caller.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        made = ec2.create_vpc_endpoint(
            VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", PolicyDocument=self.text(self.case["vpce"])
        )["VpcEndpoint"]
        self.names |= {"VPC": vpc, "VPCE": made["VpcEndpointId"]}
        # Policies that name the endpoint can be written only now.
        self.attach_policies()

    # -- policies ----------------------------------------------------------------------------------------------------

    def managed(self, name: str, policies: list[Any]) -> list[str]:
        """Managed policies of the caller's account; their ARNs."""
        iam = self.caller.client("iam")
        return [
            iam.create_policy(PolicyName=f"{name}{number}{self.u}", PolicyDocument=self.text(policy))["Policy"]["Arn"]
            for number, policy in enumerate(policies)
        ]

    def attach_policies(self) -> None:
        iam = self.caller.client("iam")
        role = self.case.get("ptype") == "role"
        if self.case.get("ptype") == "root":
            return
        who = {"RoleName": f"r{self.u}"} if role else {"UserName": self.user}
        put = iam.put_role_policy if role else iam.put_user_policy
        for number, policy in enumerate(self.case.get("ident", [])):
            put(PolicyName=f"p{number}", PolicyDocument=self.text(policy), **who)
        for arn in self.case.get("managed", []):
            (iam.attach_role_policy if role else iam.attach_user_policy)(PolicyArn=arn, **who)
        if "in_group" in self.case:
            iam.create_group(GroupName=f"g{self.u}")
            iam.add_user_to_group(GroupName=f"g{self.u}", UserName=self.user)
            for number, policy in enumerate(self.case["in_group"]):
                iam.put_group_policy(
                    GroupName=f"g{self.u}", PolicyName=f"p{number}", PolicyDocument=self.text(policy)
                )
        if "boundary" in self.case:
            limit = iam.put_role_permissions_boundary if role else iam.put_user_permissions_boundary
            limit(PermissionsBoundary=self.managed("b", [self.case["boundary"]])[0], **who)

    def attach_organization_policies(self) -> None:
        if not {"scp", "rcp", "ou"} & set(self.case):
            return
        organizations = self.gateway.account(MANAGEMENT).client("organizations")
        root = organizations.list_roots()["Roots"][0]
        where = {"caller": self.caller.account, "owner": self.owner.account}
        for name, kind, on in (
            ("scp", "SERVICE_CONTROL_POLICY", self.case.get("scp_on", "caller")),
            ("rcp", "RESOURCE_CONTROL_POLICY", self.case.get("rcp_on", "owner")),
        ):
            if name in self.case:
                if kind not in [entry["Type"] for entry in root["PolicyTypes"]]:
                    organizations.enable_policy_type(RootId=root["Id"], PolicyType=kind)
                self.attach(organizations, kind, where[on], self.case[name])
        if "ou" in self.case:
            made = organizations.create_organizational_unit(ParentId=root["Id"], Name=self.u)
            self.names["OU"] = unit = made["OrganizationalUnit"]["Id"]
            organizations.move_account(
                AccountId=self.caller.account, SourceParentId=root["Id"], DestinationParentId=unit
            )
            self.attach(organizations, "SERVICE_CONTROL_POLICY", unit, self.case["ou"])

    def attach(self, organizations: Any, kind: str, target: str, policies: list[Any]) -> None:
        """Attach policies to an account or unit; ``keep_full`` leaves FullAWSAccess beside them."""
        for number, policy in enumerate(policies):
            made = organizations.create_policy(
                Name=f"{kind}{target}{number}{self.u}", Type=kind, Description="", Content=self.text(policy)
            )
            organizations.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=target)
        if kind == "SERVICE_CONTROL_POLICY" and policies and not self.case.get("keep_full"):
            organizations.detach_policy(PolicyId="p-FullAWSAccess", TargetId=target)

    # -- the call ----------------------------------------------------------------------------------------------------

    def client(self, service: str) -> Any:
        """A client of the caller, with what the case says about how its requests arrive."""
        from botocore import UNSIGNED
        from botocore.config import Config

        endpoint = self.gateway.endpoint + (f"/_vpce/{self.names['VPCE']}" if "vpce" in self.case else "")
        account = AwsAccount(endpoint, self.caller.account)
        if self.case.get("ptype") == "anon":
            import boto3

            style = Config(signature_version=UNSIGNED, s3={"addressing_style": "path"})
            return boto3.client(service, endpoint_url=endpoint, region_name=self.region, config=style)
        client = account.client_as(service, region=self.region, **self.keys)
        for name, value in self.case.get("headers", {}).items():

            def add(request: Any, name: str = name, value: str = value, **_: Any) -> None:
                request.headers[name] = value

            client.meta.events.register("before-sign.*", add)
        return client

    def call(self) -> None:
        case = self.case
        if "call" in case:
            service, operation, params = case["call"]
            getattr(self.client(service), operation)(**self.fill(params))
            return
        bucket, key = self.names["b"], case.get("key", "k")
        sse = {"ServerSideEncryption": case["sse"]} if "sse" in case else {}
        if case.get("ssekey"):
            sse["SSEKMSKeyId"] = self.names["K"]
        action, client = case["action"], self.client
        if action == "s3:GetObject":
            client("s3").get_object(Bucket=bucket, Key=key)
        elif action == "s3:PutObject":
            client("s3").put_object(Bucket=bucket, Key=key, Body=b"y", **sse)
        elif action == "s3:ListBucket":
            prefix = {"Prefix": case["prefix"]} if "prefix" in case else {}
            client("s3").list_objects_v2(Bucket=bucket, **prefix)
        elif action == "iam:CreateUser":
            client("iam").create_user(UserName=f"new{self.u}")
        elif action == "sqs:SendMessage":
            client("sqs").send_message(QueueUrl=self.queue, MessageBody="m")
        elif action == "sqs:CreateQueue":
            client("sqs").create_queue(QueueName=f"n-{self.u}", tags=case.get("reqtags", {}))
        elif action == "sns:Publish":
            client("sns").publish(TopicArn=self.names["T"], Message="m")
        elif action == "kms:Encrypt":
            context = {"EncryptionContext": case["ec"]} if "ec" in case else {}
            client("kms").encrypt(KeyId=self.names["K"], Plaintext=b"x", **context)
        elif action == "secretsmanager:GetSecretValue":
            client("secretsmanager").get_secret_value(SecretId=self.names["S"])
        elif action == "ec2:StopInstances":
            client("ec2").stop_instances(InstanceIds=[self.instance])
        elif action == "ec2:RunInstances":
            client("ec2").run_instances(ImageId="ami-12345678", InstanceType=case["itype"], MinCount=1, MaxCount=1)
        elif action == "lambda:GetFunction":
            client("lambda").get_function(FunctionName=self.names["F"])
        elif action == "dynamodb:GetItem":
            client("dynamodb").get_item(TableName=self.names["D"], Key={"id": {"S": case.get("item", "a")}})
        elif action == "ecr:DescribeImages":
            client("ecr").describe_images(registryId=self.owner.account, repositoryName=f"e-{self.u}")
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
        extra: dict[str, Any] = {"ExternalId": self.case["extid"]} if "extid" in self.case else {}
        if self.case.get("mfa_call"):
            extra |= self.mfa_code()
        extra |= self.fill(self.case.get("assume", {}))
        sts.assume_role(**{"RoleArn": self.names["R"], "RoleSessionName": "session", **extra})


def document(*statements: dict[str, Any]) -> str:
    """A policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def archive() -> bytes:
    """A Lambda deployment package."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.py", "def b(event, context): return 1")
    return buffer.getvalue()
