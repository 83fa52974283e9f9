"""Lab b1: the shop's media bucket, the people around it, and a vendor in another account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from labs.errors import PermanentError
from labs.scenarios.b_iam_security.cases import allow, choose, deny, document, operator_arn
from labs.scenarios.base import Fault, Lab, Values, digest, pick
from labs.scenarios.creation import (
    access_key,
    administrator,
    ensure_bucket,
    ensure_guardrail,
    ensure_policy,
    ensure_role,
    ensure_user,
    role_session,
)
from labs.scenarios.outcome import attempt
from labs.scenarios.removal import remove_buckets, remove_guardrails, remove_identities, remove_keys, remove_queues

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount

TEAMS = ["catalogue", "checkout", "delivery", "returns", "search", "vouchers"]
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


class B1(Lab):
    """A bucket that its reader cannot read, a vault behind a boundary, and a role for a vendor."""

    id: ClassVar[str] = "b1"
    title: ClassVar[str] = "Who may read the shop's files, and why"
    needs: ClassVar[tuple[str, ...]] = ("aws",)
    minutes: ClassVar[int] = 75

    def values(self, seed: bytes) -> Values:
        """``alice`` … are names in AWS; ``{account}`` stands where the account number belongs until it is known."""
        suffix = digest(seed, "suffix")[:8]
        team, other = pick(seed, "team", TEAMS[:3]), pick(seed, "other team", TEAMS[3:])
        vendor = str(200_000_000_000 + int(digest(seed, "vendor")[:12], 16) % 700_000_000_000)
        return {
            "suffix": suffix,
            "team": team,
            "other_team": other,
            "bucket": f"shop-media-{suffix}",
            "vault": f"shop-vault-{suffix}",
            "queue": f"orders-{suffix}",
            "other_queue": f"refunds-{suffix}",
            "alice": f"alice-{suffix}",
            "operator": f"operator-{suffix}",
            "reader": f"reader-{suffix}",
            "restore": f"restore-{digest(seed, 'restore')[:6]}",
            "lead": f"lead-{suffix}",
            "boundary": f"shop-boundary-{suffix}",
            "app_role": f"app-{suffix}",
            "images": f"images-{suffix}",
            "vendor_account": vendor,
            "deputy": f"deputy-{suffix}",
            "intern": f"intern-{suffix}",
            "external_id": f"shop-{digest(seed, 'external id')[:12]}",
            "cases": choose(seed, suffix),
        }

    def prepare(self, aws: AwsAccount, values: Values) -> None:
        remove_guardrails(aws, values["suffix"])
        _storage(aws, values)
        ensure_user(aws, values["operator"], {"assume": document(allow("sts:AssumeRole"))})
        ensure_user(aws, values["alice"], {"shop": broken_policy(values)})
        trust = document({"Effect": "Allow", "Principal": {"AWS": operator_arn(values)}, "Action": "sts:AssumeRole"})
        limit = ensure_policy(aws, f"reader-limit-{values['suffix']}", document(allow("sqs:*")))
        ensure_role(aws, values["reader"], trust, boundary=limit)
        ensure_role(aws, values["images"], document(_vendor_statement(values)), {"read": _read_media(values)})
        _vendor(aws, values)

    def observe(self, aws: AwsAccount, values: Values) -> dict[str, Any]:
        """The outcome of each call the shop needs, as words."""
        alice = self.credentials(aws, values, "alice")
        s3, sqs = aws.client_as("s3", **alice), aws.client_as("sqs", **alice)
        restore = aws.client_as("s3", **self.credentials(aws, values, "restore"))
        own = f"{values['team']}/prices.csv"
        calls = {
            "alice lists her folder": lambda: s3.list_objects_v2(Bucket=values["bucket"], Prefix=f"{values['team']}/"),
            "alice reads her file": lambda: s3.get_object(Bucket=values["bucket"], Key=own),
            "alice sends an order": lambda: sqs.send_message(
                QueueUrl=queue_url(aws, values["queue"]), MessageBody="1001"
            ),
            "restore reads the backup": lambda: restore.get_object(Bucket=values["vault"], Key="nightly/orders.json"),
        }
        return {name: str(attempt(call)) for name, call in calls.items()}

    def reset(self, aws: AwsAccount, values: Values) -> list[str]:
        suffix = values["suffix"]
        removed = (
            remove_guardrails(aws, suffix)
            + remove_identities(aws, suffix)
            + remove_buckets(aws, suffix)
            + remove_queues(aws, suffix)
        )
        removed += remove_keys(aws, f"alias/key-for-another-{suffix}")
        there = remove_identities(vendor_account(aws, values), suffix)
        return removed + [f"{line} in the vendor's account" for line in there]

    def solution(self, aws: AwsAccount, values: Values) -> None:
        iam, s3 = administrator(aws, "iam"), administrator(aws, "s3")
        iam.put_user_policy(
            UserName=values["alice"], PolicyName="shop", PolicyDocument=json.dumps(repaired_policy(values))
        )
        session = f"arn:aws:sts::{aws.account}:assumed-role/{values['reader']}/{values['restore']}"
        opened = allow("s3:GetObject", f"arn:aws:s3:::{values['vault']}/nightly/*", Principal={"AWS": session})
        s3.put_bucket_policy(Bucket=values["vault"], Policy=json.dumps(document(opened)))
        trusted = {
            **_vendor_statement(values),
            "Condition": {"StringEquals": {"sts:ExternalId": values["external_id"]}},
        }
        iam.update_assume_role_policy(RoleName=values["images"], PolicyDocument=json.dumps(document(trusted)))

    def credentials(self, aws: AwsAccount, values: Values, who: str) -> dict[str, str]:
        """``alice``, ``operator``: users; ``restore``: the reader's session; ``deputy``, ``intern``: the vendor's."""
        if who in ("alice", "operator"):
            return access_key(aws, values[who])
        if who == "restore":
            return role_session(aws, access_key(aws, values["operator"]), values["reader"], values["restore"])
        if who in ("deputy", "intern"):
            vendor = vendor_account(aws, values)
            return role_session(vendor, access_key(vendor, values["operator"]), values[who], "scan")
        raise PermanentError(f"lab b1 has nobody called {who!r}", "It has alice, operator, restore, deputy and intern.")

    faults: ClassVar[Mapping[str, Fault]] = MappingProxyType(
        {
            "forgotten-deny": lambda aws, values: _forgotten_deny(aws, values),
            "tight-boundary": lambda aws, values: _tight_boundary(aws, values),
            "guardrail": lambda aws, values: _guardrail(aws, values),
            "locked-bucket": lambda aws, values: _locked_bucket(aws, values),
        }
    )


def vendor_account(aws: AwsAccount, values: Values) -> AwsAccount:
    """The vendor's account, as its root user."""
    return replace(aws, account=values["vendor_account"], access_key_id="", secret_access_key="")


def queue_url(aws: AwsAccount, name: str) -> str:
    """A queue's address, looked up as the account's administrator."""
    return str(administrator(aws, "sqs").get_queue_url(QueueName=name)["QueueUrl"])


def broken_policy(values: Values) -> dict[str, Any]:
    """What alice starts with: each statement names the wrong level of ARN, or the wrong thing."""
    bucket = f"arn:aws:s3:::{values['bucket']}"
    return document(
        allow("s3:ListBucket", f"{bucket}/*"),
        allow(["s3:GetObject", "s3:PutObject"], bucket),
        allow("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{values['account']}:{values['other_queue']}"),
    )


def repaired_policy(values: Values) -> dict[str, Any]:
    """What alice needs and no more."""
    bucket, own = f"arn:aws:s3:::{values['bucket']}", f"{values['team']}/*"
    return document(
        allow("s3:ListBucket", bucket, Condition={"StringLike": {"s3:prefix": own}}),
        allow(["s3:GetObject", "s3:PutObject"], f"{bucket}/{own}"),
        allow("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{values['account']}:{values['queue']}"),
    )


def _storage(aws: AwsAccount, values: Values) -> None:
    media = {f"{values[team]}/prices.csv": "sku,price\n1001,19.90\n" for team in ("team", "other_team")}
    ensure_bucket(aws, values["bucket"], media)
    ensure_bucket(
        aws, values["vault"], {"nightly/orders.json": '{"orders": 412}\n', "keys/master.txt": "not for you\n"}
    )
    for name in ("queue", "other_queue"):
        administrator(aws, "sqs").create_queue(QueueName=values[name])


def _vendor(aws: AwsAccount, values: Values) -> None:
    there = vendor_account(aws, values)
    ensure_user(there, values["operator"], {"assume": document(allow("sts:AssumeRole"))})
    its_operator = f"arn:aws:iam::{there.account}:user/{values['operator']}"
    trust = document({"Effect": "Allow", "Principal": {"AWS": its_operator}, "Action": "sts:AssumeRole"})
    for name in ("deputy", "intern"):
        ensure_role(there, values[name], trust, {"assume": document(allow("sts:AssumeRole"))})


def _vendor_statement(values: Values) -> dict[str, Any]:
    principal = {"AWS": f"arn:aws:iam::{values['vendor_account']}:role/{values['deputy']}"}
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}


def _read_media(values: Values) -> dict[str, Any]:
    return document(allow("s3:GetObject", f"arn:aws:s3:::{values['bucket']}/*"))


def _forgotten_deny(aws: AwsAccount, values: Values) -> None:
    freeze = document(deny("s3:*", f"arn:aws:s3:::{values['bucket']}/{values['team']}/*", Sid="YearEndFreeze"))
    arn = ensure_policy(aws, f"year-end-freeze-{values['suffix']}", freeze)
    administrator(aws, "iam").attach_user_policy(UserName=values["alice"], PolicyArn=arn)


def _tight_boundary(aws: AwsAccount, values: Values) -> None:
    arn = ensure_policy(aws, f"queues-only-{values['suffix']}", document(allow("sqs:*")))
    administrator(aws, "iam").put_user_permissions_boundary(UserName=values["alice"], PermissionsBoundary=arn)


def _guardrail(aws: AwsAccount, values: Values) -> None:
    objects = f"arn:aws:s3:::{values['vault']}/*"
    keep = document(deny(["s3:DeleteObject", "s3:DeleteObjectVersion"], objects, Sid="KeepBackups"))
    ensure_guardrail(aws, f"keep-backups-{values['suffix']}", keep)


def _locked_bucket(aws: AwsAccount, values: Values) -> None:
    objects = f"arn:aws:s3:::{values['bucket']}/*"
    unless = {"StringNotEquals": {"aws:PrincipalAccount": values["vendor_account"]}}
    locked = document(deny("s3:GetObject", objects, Principal="*", Condition=unless, Sid="PartnersOnly"))
    administrator(aws, "s3").put_bucket_policy(Bucket=values["bucket"], Policy=json.dumps(locked))
