"""Lab b3: a nightly deploy job that may do everything, a trail that watches it, and what it really needs."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from botocore.exceptions import ClientError

from labs.errors import PermanentError, TemporaryError
from labs.scenarios.b_iam_security.cases import allow, document, operator_arn
from labs.scenarios.base import Fault, Lab, Values, digest, pick
from labs.scenarios.creation import access_key, administrator, ensure_bucket, ensure_role, ensure_user, role_session
from labs.scenarios.outcome import attempt
from labs.scenarios.removal import remove_buckets, remove_identities, remove_queues

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount

REGION = "us-east-1"
HANDLER = "def handler(event, context):\n    return {'healthy': True}\n"
GONE = ("ResourceNotFoundException", "TrailNotFoundException")
Step = Callable[[], Any]
Clients = Callable[[str], Any]


class B3(Lab):
    """A role with every permission, the job that uses a few of them, and a colleague who borrowed it."""

    id: ClassVar[str] = "b3"
    title: ClassVar[str] = "What the deploy job needs, and nothing more"
    needs: ClassVar[tuple[str, ...]] = ("aws",)
    minutes: ClassVar[int] = 70

    def values(self, seed: bytes) -> Values:
        """Names; ``{account}`` stands for the learner's own."""
        suffix = digest(seed, "suffix b3")[:8]
        kind = pick(seed, "kind of function", ["thumbs", "labels", "invoices", "parcels"])
        roles = {"deployer": "deployer", "runtime": f"{kind}-run", "owner": "owner", "reader": "trail-reader"}
        names = {role: f"{name}-{suffix}" for role, name in roles.items()}
        return {
            "suffix": suffix,
            **names,
            **{f"{role}_arn": f"arn:aws:iam::{{account}}:role/{name}" for role, name in names.items()},
            "operator": f"operator-b3-{suffix}",
            "bucket": f"shop-deploy-{suffix}",
            "photos": f"shop-customers-{suffix}",
            "logs": f"shop-logs-{suffix}",
            "builds": pick(seed, "builds", ["builds", "artifacts", "packages"]),
            "reports": pick(seed, "reports", ["reports", "journal", "protocol"]),
            "build": f"{kind}.zip",
            "day": f"2026-11-{10 + int(digest(seed, 'day')[:4], 16) % 18}",
            "canary": f"{kind}-canary-{suffix}",
            "checkout": f"checkout-{suffix}",
            "queue": f"deploys-{suffix}",
            "orders": f"orders-b3-{suffix}",
            "trail": f"shop-{suffix}",
            "trail_arn": f"arn:aws:cloudtrail:{REGION}:{{account}}:trail/shop-{suffix}",
        }

    def prepare(self, aws: AwsAccount, values: Values) -> None:
        _buckets(aws, values)
        ensure_user(aws, values["operator"], {"assume": document(allow("sts:AssumeRole"))})
        _roles(aws, values)
        for name in (values["queue"], values["orders"]):
            administrator(aws, "sqs").create_queue(QueueName=name)
        _remove_function(aws, values["canary"])
        _ensure_function(aws, values["checkout"], values["runtime_arn"])
        _ensure_trail(aws, values)
        _last_night(aws, values)
        _borrowed(aws, values)
        deliver(aws)

    def observe(self, aws: AwsAccount, values: Values) -> dict[str, Any]:
        """Runs the nightly job with the role as it is now, has the trail deliver, and says how each step ended."""
        ended = {name: str(outcome) for name, outcome in deploy(aws, values).items()}
        deliver(aws)
        return ended

    def reset(self, aws: AwsAccount, values: Values) -> list[str]:
        suffix = values["suffix"]
        removed = _remove_trail(aws, values["trail"])
        removed += [line for name in ("canary", "checkout") for line in _remove_function(aws, values[name])]
        return removed + remove_identities(aws, suffix) + remove_buckets(aws, suffix) + remove_queues(aws, suffix)

    def solution(self, aws: AwsAccount, values: Values) -> None:
        use_only(aws, values, {"deploy": needed(values)})

    def credentials(self, aws: AwsAccount, values: Values, who: str) -> dict[str, str]:
        """``deployer``: the role as the job uses it; ``nina``: a colleague with the same role.

        :raises PermanentError: anybody else
        """
        if who not in ("deployer", "nina"):
            raise PermanentError(f"lab b3 has nobody called {who!r}", "It has deployer and nina.")
        return session_of(aws, values, "deploy" if who == "deployer" else who)

    faults: ClassVar[Mapping[str, Fault]] = MappingProxyType(
        {"quick-fix": lambda aws, values: _attach(aws, values, "quick-fix", document(allow("*")))}
    )


# -- documents ---------------------------------------------------------------------------------------------------------


def arns(values: Values) -> dict[str, str]:
    """ARNs of what the job touches: ``bucket``, ``builds`` and ``reports`` (patterns), ``canary``, ``queue``."""
    account, bucket = values["account"], f"arn:aws:s3:::{values['bucket']}"
    return {
        "bucket": bucket,
        "builds": f"{bucket}/{values['builds']}/*",
        "reports": f"{bucket}/{values['reports']}/*",
        "canary": f"arn:aws:lambda:{REGION}:{account}:function:{values['canary']}",
        "queue": f"arn:aws:sqs:{REGION}:{account}:{values['queue']}",
    }


def unseen(values: Values) -> dict[str, Any]:
    """What policy generation cannot see of the job: data events and ``iam:PassRole``."""
    place = arns(values)
    prefix = {"StringLike": {"s3:prefix": f"{values['builds']}/*"}}
    to_lambda = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    return document(
        allow("s3:ListBucket", place["bucket"], Condition=prefix),
        allow("s3:GetObject", place["builds"]),
        allow(["s3:PutObject", "s3:DeleteObject"], place["reports"]),
        allow("lambda:InvokeFunction", place["canary"]),
        allow("sqs:SendMessage", place["queue"]),
        allow("iam:PassRole", values["runtime_arn"], Condition=to_lambda),
    )


def needed(values: Values) -> dict[str, Any]:
    """Everything the job needs, and nothing else."""
    place = arns(values)
    return document(
        *unseen(values)["Statement"],
        allow("lambda:ListFunctions"),
        allow(["lambda:CreateFunction", "lambda:DeleteFunction"], place["canary"]),
        allow("sqs:GetQueueUrl", place["queue"]),
    )


def trail_policy(values: Values) -> dict[str, Any]:
    """The log bucket's policy ("Amazon S3 bucket policy for CloudTrail")."""
    cloudtrail = {"Service": "cloudtrail.amazonaws.com"}
    source, bucket = {"aws:SourceArn": values["trail_arn"]}, f"arn:aws:s3:::{values['logs']}"
    full = {"s3:x-amz-acl": "bucket-owner-full-control"}
    return document(
        allow("s3:GetBucketAcl", bucket, Principal=cloudtrail, Condition={"StringEquals": source}),
        allow(
            "s3:PutObject",
            f"{bucket}/AWSLogs/{values['account']}/*",
            Principal=cloudtrail,
            Condition={"StringEquals": {**source, **full}},
        ),
    )


# -- the job -----------------------------------------------------------------------------------------------------------


def session_of(aws: AwsAccount, values: Values, name: str) -> dict[str, str]:
    """Credentials of a session of the deployer role, called ``name``."""
    return role_session(aws, access_key(aws, values["operator"]), values["deployer"], name)


def clients(aws: AwsAccount, keys: dict[str, str]) -> Clients:
    """``client("s3")``: a boto3 client with these credentials, made once."""
    return cache(lambda service: aws.client_as(service, **keys))


def steps(aws: AwsAccount, values: Values, client: Clients) -> dict[str, Step]:
    """The nightly job's calls by name, in order."""
    s3, sqs, functions = client("s3"), client("sqs"), client("lambda")
    bucket, build = values["bucket"], f"{values['builds']}/{values['build']}"
    url = f"{aws.endpoint}/{aws.account}/{values['queue']}"
    return {
        "finds the queue": lambda: sqs.get_queue_url(QueueName=values["queue"]),
        "lists functions": lambda: functions.list_functions(),
        "lists builds": lambda: s3.list_objects_v2(Bucket=bucket, Prefix=f"{values['builds']}/"),
        "reads the build": lambda: s3.get_object(Bucket=bucket, Key=build),
        "creates the canary": lambda: create_canary(functions, values),
        "invokes the canary": lambda: functions.invoke(FunctionName=values["canary"]),
        "deletes the canary": lambda: functions.delete_function(FunctionName=values["canary"]),
        "writes the report": lambda: s3.put_object(
            Bucket=bucket, Key=f"{values['reports']}/{values['day']}.txt", Body=b"healthy\n"
        ),
        "tells the queue": lambda: sqs.send_message(QueueUrl=url, MessageBody=values["day"]),
    }


def create_canary(functions: Any, values: Values, role: str = "runtime", name: str = "canary") -> Any:
    """``CreateFunction`` with one of the lab's roles and names."""
    return functions.create_function(
        FunctionName=values[name],
        Role=values[f"{role}_arn"],
        Runtime="python3.12",
        Handler="index.handler",
        Code={"ZipFile": package()},
    )


def deploy(aws: AwsAccount, values: Values) -> dict[str, Any]:
    """One night: every step's outcome, whatever happened to the ones before; no canary is left."""
    client = clients(aws, session_of(aws, values, "deploy"))
    ended = {name: attempt(step) for name, step in steps(aws, values, client).items()}
    _remove_function(aws, values["canary"])
    return ended


def _last_night(aws: AwsAccount, values: Values) -> None:
    """The night before the lab began, for the trail.  Starting the function takes long and makes no event there."""
    client = clients(aws, session_of(aws, values, "deploy"))
    for name, step in steps(aws, values, client).items():
        if name != "invokes the canary":
            step()


def _borrowed(aws: AwsAccount, values: Values) -> None:
    """Nina, who needed something in a hurry, used the job's role."""
    keys = session_of(aws, values, "nina")
    client = clients(aws, keys)
    client("iam").list_users()
    client("s3").list_buckets()
    client("lambda").update_function_configuration(FunctionName=values["checkout"], MemorySize=256)


def deliver(aws: AwsAccount) -> None:
    """Have the account's trails deliver now what AWS would deliver within about five minutes.

    :raises TemporaryError: the endpoint does not answer
    """
    url = f"{aws.endpoint}/_lab/cloudtrail/deliver?account={aws.account}"
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=20).close()
    except (urllib.error.URLError, TimeoutError) as error:
        raise TemporaryError(f"the trail could not be made to deliver: {error}") from error


def package() -> bytes:
    """A function's deployment package: a zip file with ``index.py``."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("index.py", HANDLER)
    return content.getvalue()


# -- building ----------------------------------------------------------------------------------------------------------


def use_only(aws: AwsAccount, values: Values, policies: Mapping[str, Any]) -> None:
    """Give the deployer role exactly these inline policies.

    :raises botocore.exceptions.ClientError: AWS refuses a document
    """
    iam, role = administrator(aws, "iam"), values["deployer"]
    for name, policy in policies.items():
        _attach(aws, values, name, policy)
    for name in set(iam.list_role_policies(RoleName=role)["PolicyNames"]) - set(policies):
        iam.delete_role_policy(RoleName=role, PolicyName=name)


def _attach(aws: AwsAccount, values: Values, name: str, policy: Any) -> None:
    administrator(aws, "iam").put_role_policy(
        RoleName=values["deployer"], PolicyName=name, PolicyDocument=json.dumps(policy)
    )


def _buckets(aws: AwsAccount, values: Values) -> None:
    objects = {"keys/signing.pem": "a private key\n", f"{values['reports']}/2026-10.txt": "last month\n"}
    ensure_bucket(aws, values["bucket"], objects)
    build = f"{values['builds']}/{values['build']}"
    administrator(aws, "s3").put_object(Bucket=values["bucket"], Key=build, Body=package())
    ensure_bucket(aws, values["photos"], {"customer-1.txt": "a face\n"})
    ensure_bucket(aws, values["logs"], {}, trail_policy(values))


def _roles(aws: AwsAccount, values: Values) -> None:
    def trust(**principal: str) -> dict[str, Any]:
        return document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})

    bucket = f"arn:aws:s3:::{values['logs']}"
    last_accessed = [f"iam:{verb}ServiceLastAccessedDetails" for verb in ("Generate", "Get")]
    reads = document(
        allow(["cloudtrail:GetTrail", *last_accessed]),
        allow(["s3:GetObject", "s3:ListBucket"], [bucket, f"{bucket}/*"]),
    )
    everything = {"everything": document(allow("*"))}
    ensure_role(aws, values["deployer"], trust(AWS=operator_arn(values)), everything)
    ensure_role(aws, values["runtime"], trust(Service="lambda.amazonaws.com"))
    ensure_role(aws, values["owner"], trust(Service="lambda.amazonaws.com"), everything)
    ensure_role(aws, values["reader"], trust(Service="access-analyzer.amazonaws.com"), {"read": reads})


def _ensure_function(aws: AwsAccount, name: str, role_arn: str) -> None:
    functions = administrator(aws, "lambda")
    with_role = {"FunctionName": name, "Role": role_arn, "Runtime": "python3.12", "Handler": "index.handler"}
    try:
        functions.create_function(**with_role, Code={"ZipFile": package()})
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceConflictException":
            raise


def _ensure_trail(aws: AwsAccount, values: Values) -> None:
    client, name = administrator(aws, "cloudtrail"), values["trail"]
    try:
        client.create_trail(Name=name, S3BucketName=values["logs"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "TrailAlreadyExistsException":
            raise
        client.put_event_selectors(TrailName=name, EventSelectors=[{"ReadWriteType": "All"}])
    client.start_logging(Name=name)


def _remove_trail(aws: AwsAccount, name: str) -> list[str]:
    return _removed(lambda: administrator(aws, "cloudtrail").delete_trail(Name=name), f"trail {name}")


def _remove_function(aws: AwsAccount, name: str) -> list[str]:
    return _removed(lambda: administrator(aws, "lambda").delete_function(FunctionName=name), f"function {name}")


def _removed(call: Step, line: str) -> list[str]:
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] not in GONE:
            raise
        return []
    return [line]
