"""Lab b4: a bucket shared with a partner, an analyzer and a detector over the account, and stolen credentials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from labs.errors import PermanentError
from labs.scenarios.b_iam_security.cases import allow, document, operator_arn
from labs.scenarios.base import Fault, Lab, Values, digest, pick
from labs.scenarios.creation import (
    access_key,
    administrator,
    ensure_bucket,
    ensure_role,
    ensure_user,
    role_session,
)
from labs.scenarios.outcome import attempt
from labs.scenarios.removal import already_gone, remove_buckets, remove_identities, remove_queues

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount

PARTNERS = ["post", "labels", "freight", "lockers", "couriers"]
TAGS = {"lab": "b4"}
ANALYZER = "shop"
BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


class B4(Lab):
    """A site bucket that a partner reads, then credentials of the web server in a stranger's hands."""

    id: ClassVar[str] = "b4"
    title: ClassVar[str] = "Who can reach the shop from outside, and who did"
    needs: ClassVar[tuple[str, ...]] = ("aws",)
    minutes: ClassVar[int] = 70

    def values(self, seed: bytes) -> Values:
        """Names, addresses and account numbers; ``{account}`` stands for the learner's own."""
        suffix = digest(seed, "suffix b4")[:8]
        partner, contractor, stranger = (_number(seed, label) for label in ("partner", "contractor", "stranger"))
        kind = pick(seed, "kind of partner", PARTNERS)
        return {
            "suffix": suffix,
            "site": f"shop-site-{suffix}",
            "media": f"shop-media-b4-{suffix}",
            "archive": f"shop-archive-{suffix}",
            "queue": f"parcels-{suffix}",
            "report": f"reports/{pick(seed, 'day', ['monday', 'tuesday', 'thursday'])}.csv",
            "web": f"web-{suffix}",
            "support": f"support-{suffix}",
            "operator": f"metadata-{suffix}",
            "nina": f"nina-{suffix}",
            "instance": f"i-{digest(seed, 'instance')[:17]}",
            "egress": f"203.0.113.{10 + int(digest(seed, 'egress')[:4], 16) % 200}",
            "attacker": f"198.51.100.{10 + int(digest(seed, 'attacker')[:4], 16) % 200}",
            "partner_account": partner,
            "contractor_account": contractor,
            "stranger_account": stranger,
            "sync": f"{kind}-sync-{suffix}",
            "trainee": f"{kind}-trainee-{suffix}",
            "sync_arn": f"arn:aws:iam::{partner}:role/{kind}-sync-{suffix}",
        }

    def prepare(self, aws: AwsAccount, values: Values) -> None:
        objects = {values["report"]: "order,parcel\n1001,2\n", "cart.js": "/* the shop's cart */\n"}
        ensure_bucket(aws, values["media"], {"photo.txt": "a photo\n"})
        blocked = dict.fromkeys(BLOCKS, True)
        administrator(aws, "s3").put_public_access_block(Bucket=values["media"], PublicAccessBlockConfiguration=blocked)
        ensure_bucket(aws, values["archive"], {"2025.csv": "order,total\n"})
        _partner(aws, values)
        ensure_bucket(aws, values["site"], objects, document(partner_reads(values)))
        ensure_user(aws, values["operator"], {"assume": document(allow("sts:AssumeRole"))})
        trust = document({"Effect": "Allow", "Principal": {"AWS": operator_arn(values)}, "Action": "sts:AssumeRole"})
        ensure_role(aws, values["web"], trust, {"work": web_policy(values)})
        contractor = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{values['contractor_account']}:root"}}
        ensure_role(aws, values["support"], document({**contractor, "Action": "sts:AssumeRole"}))
        media = f"arn:aws:s3:::{values['media']}"
        ensure_user(aws, values["nina"], {"media": document(allow("s3:*", [media, f"{media}/*"]))})
        _queue(aws, values)
        _remove_watchers(aws)  # with what they had found, archived and learned
        analyzer_arn(aws)
        detector_id(aws)

    def observe(self, aws: AwsAccount, values: Values) -> dict[str, Any]:
        """The calls that matter, as words, and what the analyzer says about the site bucket."""
        partner = aws.client_as("s3", **self.credentials(aws, values, "partner"))
        instance = aws.client_as("s3", **self.credentials(aws, values, "instance"))
        thief = aws.client_as("s3", **self.credentials(aws, values, "thief"))
        stranger = another_account(aws, values["stranger_account"]).client("s3")
        site, report = values["site"], values["report"]
        calls = {
            "the partner reads the report": lambda: partner.get_object(Bucket=site, Key=report),
            "a stranger reads the report": lambda: stranger.get_object(Bucket=site, Key=report),
            "a stranger overwrites cart.js": lambda: stranger.put_object(Bucket=site, Key="cart.js", Body=b"// evil\n"),
            "the web server reads cart.js": lambda: instance.get_object(Bucket=site, Key="cart.js"),
            "the thief reads cart.js": lambda: thief.get_object(Bucket=site, Key="cart.js"),
        }
        seen = {name: str(attempt(call)) for name, call in calls.items()}
        active = [one for one in external(aws, values) if one["status"] == "ACTIVE" and one["resource"].endswith(site)]
        seen["active findings about the site bucket"] = ", ".join(sorted(principal(one) for one in active)) or "none"
        return seen

    def reset(self, aws: AwsAccount, values: Values) -> list[str]:
        suffix = values["suffix"]
        removed = remove_identities(aws, suffix) + remove_buckets(aws, suffix) + remove_queues(aws, suffix)
        there = remove_identities(another_account(aws, values["partner_account"]), suffix)
        removed += [f"{line} in the partner's account" for line in there]
        return removed + _remove_watchers(aws)

    def solution(self, aws: AwsAccount, values: Values) -> None:
        policy = json.dumps(document(partner_reads(values)))
        administrator(aws, "s3").put_bucket_policy(Bucket=values["site"], Policy=policy)
        administrator(aws, "iam").put_role_policy(
            RoleName=values["web"], PolicyName="containment", PolicyDocument=json.dumps(containment(values))
        )

    def credentials(self, aws: AwsAccount, values: Values, who: str) -> dict[str, str]:
        """``instance``: the web server, from its address; ``thief``: its credentials, elsewhere; ``nina``: a colleague;
        ``partner``, ``trainee``: roles of the partner."""
        if who in ("instance", "thief"):
            keys = role_session(aws, access_key(aws, values["operator"]), values["web"], values["instance"])
            return {**keys, "source_ip": values["egress" if who == "instance" else "attacker"]}
        if who == "nina":
            return access_key(aws, values["nina"])
        if who in ("partner", "trainee"):
            there = another_account(aws, values["partner_account"])
            role = values["sync" if who == "partner" else "trainee"]
            return role_session(there, access_key(there, values["operator"]), role, "nightly")
        people = "instance, thief, nina, partner and trainee"
        raise PermanentError(f"lab b4 has nobody called {who!r}", f"It has {people}.")

    faults: ClassVar[Mapping[str, Fault]] = MappingProxyType(
        {"stolen-credentials": lambda aws, values: _stolen(aws, values)}
    )


def _number(seed: bytes, label: str) -> str:
    return str(200_000_000_000 + int(digest(seed, f"b4 {label}")[:12], 16) % 700_000_000_000)


def another_account(aws: AwsAccount, account: str) -> AwsAccount:
    """Another account on the same endpoint, as its root user."""
    return replace(aws, account=account, access_key_id="", secret_access_key="")


# -- documents ---------------------------------------------------------------------------------------------------------


def partner_reads(values: Values) -> dict[str, Any]:
    """The statement agreed with the partner: one role reads the reports."""
    reports = f"arn:aws:s3:::{values['site']}/reports/*"
    return allow("s3:GetObject", reports, Sid="PartnerReads", Principal={"AWS": values["sync_arn"]})


def everybody(values: Values, bucket: str = "site") -> dict[str, Any]:
    """What the thief adds to a bucket's policy."""
    objects = f"arn:aws:s3:::{values[bucket]}/*"
    return allow(["s3:GetObject", "s3:PutObject"], objects, Sid="Cdn", Principal="*")


def web_policy(values: Values) -> dict[str, Any]:
    """What the web server's role may do: too much, as such roles do."""
    buckets = [f"arn:aws:s3:::{values[name]}" for name in ("site", "media")]
    return document(
        allow(["s3:GetObject", "s3:PutObject"], [f"{arn}/*" for arn in buckets]),
        allow(["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:ListBucket"], buckets),
        allow(["s3:ListAllMyBuckets", "sqs:ListQueues"]),
    )


def containment(values: Values) -> dict[str, Any]:
    """The role works from the web server's own address and from nowhere else."""
    away = {"NotIpAddress": {"aws:SourceIp": f"{values['egress']}/32"}}
    return document({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": away})


# -- building ----------------------------------------------------------------------------------------------------------


def _partner(aws: AwsAccount, values: Values) -> None:
    there = another_account(aws, values["partner_account"])
    ensure_user(there, values["operator"], {"assume": document(allow("sts:AssumeRole"))})
    its_operator = f"arn:aws:iam::{there.account}:user/{values['operator']}"
    trust = document({"Effect": "Allow", "Principal": {"AWS": its_operator}, "Action": "sts:AssumeRole"})
    for name in ("sync", "trainee"):
        ensure_role(there, values[name], trust, {"shops": document(allow(["s3:*", "sqs:*"]))})


def _queue(aws: AwsAccount, values: Values) -> None:
    sqs = administrator(aws, "sqs")
    url = sqs.create_queue(QueueName=values["queue"])["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{aws.account}:{values['queue']}"
    from_site = {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{values['site']}"},
                 "StringEquals": {"aws:SourceAccount": aws.account}}  # fmt: skip
    policy = document(
        allow("sqs:ReceiveMessage", arn, Sid="PartnerReceives", Principal={"AWS": values["sync_arn"]}),
        allow("sqs:SendMessage", arn, Principal={"Service": "s3.amazonaws.com"}, Condition=from_site),
    )
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})


def analyzer_arn(aws: AwsAccount) -> str:
    """The account's external access analyzer; made if there is none."""
    client = administrator(aws, "accessanalyzer")
    there = client.list_analyzers(type="ACCOUNT")["analyzers"]
    if there:
        return str(there[0]["arn"])
    return str(client.create_analyzer(analyzerName=ANALYZER, type="ACCOUNT", tags=TAGS)["arn"])


def detector_id(aws: AwsAccount) -> str:
    """The account's detector, enabled; made if there is none."""
    client = administrator(aws, "guardduty")
    there = client.list_detectors()["DetectorIds"]
    if not there:
        return str(client.create_detector(Enable=True, Tags=TAGS)["DetectorId"])
    client.update_detector(DetectorId=there[0], Enable=True)
    return str(there[0])


def _remove_watchers(aws: AwsAccount) -> list[str]:
    """The analyzer and the detector, if this lab made them."""
    removed = []
    analyzers, detectors = administrator(aws, "accessanalyzer"), administrator(aws, "guardduty")
    for one in analyzers.list_analyzers(type="ACCOUNT")["analyzers"]:
        if one.get("tags") == TAGS:
            with already_gone():
                analyzers.delete_analyzer(analyzerName=one["name"])
                removed.append(f"analyzer {one['name']}")
    for identifier in detectors.list_detectors()["DetectorIds"]:
        if detectors.get_detector(DetectorId=identifier).get("Tags") == TAGS:
            detectors.delete_detector(DetectorId=identifier)
            removed.append(f"detector {identifier}")
    return removed


def external(aws: AwsAccount, values: Values) -> list[dict[str, Any]]:
    """The analyzer's findings about this lab's resources."""
    pages = administrator(aws, "accessanalyzer").get_paginator("list_findings")
    mine = {"resource": {"contains": [values["suffix"]]}}
    return [one for page in pages.paginate(analyzerArn=analyzer_arn(aws), filter=mine) for one in page["findings"]]


def principal(finding: Mapping[str, Any]) -> str:
    """A finding's principal in a word: the ARN, the account number or ``*``."""
    return str(next(iter(finding["principal"].values())))


# -- the incident ------------------------------------------------------------------------------------------------------


def _stolen(aws: AwsAccount, values: Values) -> None:
    incident(aws, values)


def incident(aws: AwsAccount, values: Values) -> str:
    """A day's work of the web server, a colleague's change, and somebody else with the server's credentials.

    :returns: the request id of the call that opened the site bucket
    """
    keys = role_session(aws, access_key(aws, values["operator"]), values["web"], values["instance"])
    _work(aws, values, keys)
    nina = aws.client_as("s3", **access_key(aws, values["nina"]), source_ip=values["egress"])
    nina.delete_public_access_block(Bucket=values["media"])
    sts, s3, iam = (aws.client_as(service, **keys, source_ip=values["attacker"]) for service in ("sts", "s3", "iam"))
    sts.get_caller_identity()
    s3.list_buckets()
    attempt(iam.list_users)
    opened = {name: json.dumps(document(everybody(values, name))) for name in ("archive", "media")}
    attempt(lambda: s3.put_bucket_policy(Bucket=values["archive"], Policy=opened["archive"]))
    s3.put_bucket_policy(Bucket=values["media"], Policy=opened["media"])
    policy = json.dumps(document(partner_reads(values), everybody(values)))
    answer = s3.put_bucket_policy(Bucket=values["site"], Policy=policy)
    s3.put_object(Bucket=values["site"], Key="cart.js", Body=b"/* the shop's cart, and a skimmer */\n")
    return str(answer["ResponseMetadata"]["RequestId"])


def _work(aws: AwsAccount, values: Values, keys: dict[str, str]) -> None:
    """The web server's own calls, from its own address; its deploy job sets the bucket's policy anew each time."""
    sts, s3, sqs = (aws.client_as(service, **keys, source_ip=values["egress"]) for service in ("sts", "s3", "sqs"))
    sts.get_caller_identity()
    sqs.list_queues()
    s3.get_bucket_policy(Bucket=values["site"])
    s3.put_bucket_policy(Bucket=values["site"], Policy=json.dumps(document(partner_reads(values))))
