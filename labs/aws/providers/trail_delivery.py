"""From recorded events to files in a trail's bucket: log files, digest files, and the task that writes them.

CloudTrail User Guide, "Finding your CloudTrail log files", "CloudTrail log file name format", "CloudTrail digest file
structure".  AWS delivers about every 5 minutes and digests every hour; here both periods are settings, in seconds:
``LABS_CLOUDTRAIL_DELIVERY_SECONDS`` and ``LABS_CLOUDTRAIL_DIGEST_SECONDS``.  A period without log files gets its digest
after an hour, as on AWS, so that an idle lab does not fill its bucket.

Each file is put as ``cloudtrail.amazonaws.com``: the bucket's policy decides.  What cannot be delivered waits, up to
``MAX_WAITING`` bytes in all; then the oldest events of that trail are lost (AWS tries for 30 days).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gzip
import hashlib
import json
import logging
import os
import secrets
import string
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from labs.aws.engines.client import EngineClient, EngineError
from labs.aws.gateway.authorizer import Authorizer
from labs.aws.gateway.calls import AwsError
from labs.aws.iam import Decision
from labs.aws.providers import trail_selectors
from labs.aws.providers.trail_digests import ALGORITHM, SigningKey, digest, string_to_sign
from labs.errors import PermanentError

log = logging.getLogger(__name__)

SERVICE = "cloudtrail.amazonaws.com"
MAX_WAITING = 16 << 20  # bytes of events that wait in memory, all trails together
MAX_FILE = 4 << 20  # bytes of one log file before compression
MAX_FILES = 2_000  # log files that one digest names
IDLE_DIGEST = 3_600.0  # seconds
GLOBAL_SOURCES = ("iam.amazonaws.com", "sts.amazonaws.com", "cloudfront.amazonaws.com", "route53.amazonaws.com")
_UNIQUE = string.ascii_letters + string.digits

ServiceMay = Callable[..., Awaitable[Decision]]


def _seconds(name: str, given: str | None, default: float) -> float:
    """A setting in seconds, more than none.

    :raises PermanentError: it is not such a number
    """
    try:
        seconds = float(given or default)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise PermanentError(f"{name} is {given!r}.", "Set it to a number of seconds, such as 5, or leave it out.")
    return seconds


async def acl_granted(may: ServiceMay, trail: Mapping[str, Any], owner: str) -> bool:
    """Whether the bucket's policy lets CloudTrail read the bucket's ACL."""
    return (await may(SERVICE, "s3:GetBucketAcl", f"arn:aws:s3:::{trail['bucket']}", owner, _source(trail))).allowed


async def object_granted(may: ServiceMay, trail: Mapping[str, Any], owner: str, key: str) -> bool:
    """Whether the bucket's policy lets CloudTrail write ``key`` (or what begins with it, when it ends in ``/``)."""
    arn = f"arn:aws:s3:::{trail['bucket']}/{key}{'file.json.gz' if key.endswith('/') else ''}"
    context = {**_source(trail), "s3:x-amz-acl": "bucket-owner-full-control"}
    return (await may(SERVICE, "s3:PutObject", arn, owner, context)).allowed


def _log_group(trail: Mapping[str, Any]) -> tuple[str, str]:
    """Region and name of the log group of a trail."""
    parts = trail["logs"]["group"].split(":")
    return parts[3], parts[6]


def _source(trail: Mapping[str, Any]) -> dict[str, str]:
    return {"aws:SourceArn": trail["arn"], "aws:SourceAccount": trail["account"]}


class _Followed:
    """A trail that logs: its compiled selectors and the events that wait, by Region."""

    def __init__(self, trail: dict[str, Any]) -> None:
        self.trail = trail
        self.waiting: dict[str, deque[tuple[str, bytes]]] = {}
        self.since = 0.0  # when the first waiting event came; 0 when none waits
        self.closing = self.closed = False
        self.compile()

    def compile(self) -> None:
        """Take over the trail's selectors."""
        self.matches = trail_selectors.matcher(self.trail["basic"], self.trail["advanced"])
        self.wants_data = trail_selectors.wants_data(self.trail["basic"], self.trail["advanced"])

    def wants(self, record: Mapping[str, Any]) -> bool:
        trail = self.trail
        if record["awsRegion"] != trail["region"] and not trail["multi"]:
            return False
        if not trail["global"] and record["eventSource"] in GLOBAL_SOURCES:
            return False
        return self.matches(record)


LAST = frozenset({"StopLogging", "DeleteTrail"})
"""Calls whose own event is the last one of a trail."""


class Delivery:
    """Queues and files.  One task, which sleeps until something is due; one lock, since a chain has an order.

    :param save: called after what is noted in a trail has changed
    """

    def __init__(self, client: EngineClient, authorizer: Authorizer, key: SigningKey, save: Callable[[], None]) -> None:
        self._client, self._authorizer, self._key, self._save = client, authorizer, key, save
        delivery = os.environ.get("LABS_CLOUDTRAIL_DELIVERY_SECONDS")
        self._delivery_seconds = _seconds("LABS_CLOUDTRAIL_DELIVERY_SECONDS", delivery, 5)
        digest_period = os.environ.get("LABS_CLOUDTRAIL_DIGEST_SECONDS")
        self._digest_seconds = _seconds("LABS_CLOUDTRAIL_DIGEST_SECONDS", digest_period, 60)
        self._by_account: dict[str, list[_Followed]] = {}
        self._followed: dict[str, _Followed] = {}
        self._bytes = 0
        self._renew()
        self._task: asyncio.Task[None] | None = None

    # -- life ------------------------------------------------------------------------------------------------------

    def _renew(self) -> None:
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()

    def start(self) -> None:
        """Start the task, on the event loop that runs now."""
        self._renew()
        self._task = asyncio.create_task(self._run())

    async def pause(self) -> None:
        """End the task once it is between two deliveries; what waits goes on waiting."""
        if self._task is None:
            return
        async with self._lock:
            self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    async def stop(self) -> None:
        """Deliver what waits and end the task."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        for followed in list(self._followed.values()):
            await self._deliver(followed)

    def forget(self) -> None:
        """The engine was reset: nothing waits any more."""
        self._by_account.clear()
        self._followed.clear()
        self._bytes = 0
        self._wake.set()

    def follow(self, trails: Iterable[dict[str, Any]]) -> None:
        """Take over what changed: trails that log are followed, with the selectors they have now."""
        for trail in trails:
            followed = self._followed.get(trail["arn"])
            if followed is not None and followed.trail is trail:
                followed.compile()
            elif followed is None and trail["logging"] and trail["logging"][-1][1] is None:
                self._followed[trail["arn"]] = _Followed(trail)
        self._index()

    def _index(self) -> None:
        self._by_account.clear()
        for followed in self._followed.values():
            self._by_account.setdefault(followed.trail["account"], []).append(followed)
        self._wake.set()

    def begin(self, trail: dict[str, Any], now: float) -> None:
        """Logging starts: the first digest of the home Region covers the time from now on."""
        if trail["validation"]:
            trail["chains"][trail["region"]] = _chain(trail, now)

    def finish(self, trail: dict[str, Any]) -> None:
        """Logging stops, once the event of this very call is recorded: the task writes what is left."""
        followed = self._followed.get(trail["arn"])
        if followed is not None:
            followed.closing = True
            self._wake.set()

    async def finished(self, trail: dict[str, Any]) -> None:
        """Wait for what ``finish`` asked for."""
        followed = self._followed.get(trail["arn"])
        if followed is not None and followed.closing:
            await self._close(followed)

    # -- events ----------------------------------------------------------------------------------------------------

    def wants_data(self, accounts: Iterable[str]) -> bool:
        """Whether a trail of one of these accounts asks for data events."""
        return any(one.wants_data for account in accounts for one in self._by_account.get(account, ()))

    def offer(self, record: Mapping[str, Any]) -> None:
        """Queue a record for each trail of the account it is for that wants it."""
        content = b""
        for followed in self._by_account.get(record["recipientAccountId"], ()):
            if followed.closed:  # the task has not come to it yet
                continue
            if followed.wants(record):
                content = content or json.dumps(record, separators=(",", ":")).encode()
                self._queue(followed, record, content)
            if followed.closing and record["eventName"] in LAST:
                followed.closed = True

    def _queue(self, followed: _Followed, record: Mapping[str, Any], content: bytes) -> None:
        waiting = followed.waiting.setdefault(record["awsRegion"], deque())
        while waiting and self._bytes + len(content) > MAX_WAITING:
            self._bytes -= len(waiting.popleft()[1])
        if self._bytes + len(content) > MAX_WAITING:
            return  # other trails hold all the room
        waiting.append((record["eventTime"], content))
        self._bytes += len(content)
        if not followed.since:
            followed.since = time.time()
            self._wake.set()

    # -- the task --------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            due = min((self._due(one) for one in self._followed.values()), default=None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else max(due - time.time(), 0.0)):
                    await self._wake.wait()
            self._wake.clear()
            for followed in list(self._followed.values()):
                try:
                    await self._turn(followed)
                except Exception:  # one trail's trouble must not end every trail's delivery
                    log.exception("delivery of %s failed", followed.trail["arn"])

    def _due(self, followed: _Followed) -> float:
        """When something has to be done for this trail."""
        moments = [followed.since + self._delivery_seconds if followed.since else float("inf")]
        moments += [self._digest_due(chain) for chain in followed.trail["chains"].values()]
        return min(moments)

    async def _turn(self, followed: _Followed) -> None:
        now = time.time()
        if followed.closing:
            await self._close(followed)
            return
        if followed.since and now >= followed.since + self._delivery_seconds:
            await self._deliver(followed)
        if any(now >= self._digest_due(chain) for chain in followed.trail["chains"].values()):
            await self._digest(followed)

    async def _close(self, followed: _Followed) -> None:
        await self._deliver(followed)
        await self._digest(followed, every=True)
        if self._followed.get(followed.trail["arn"]) is followed:
            del self._followed[followed.trail["arn"]]
            for waiting in followed.waiting.values():  # what could not be delivered
                self._bytes -= sum(len(content) for _, content in waiting)
            self._index()

    async def deliver(self, trail: dict[str, Any], with_digest: bool = False) -> dict[str, Any]:
        """Deliver now, on demand: ``{"trail", "files", "digests", "error"}``, with the keys that were written."""
        followed = self._followed.get(trail["arn"])
        files = await self._deliver(followed) if followed else []
        digests = await self._digest(followed, every=True) if followed and with_digest else []
        error = trail["status"].get("error") or trail["status"].get("digest_error")
        return {"trail": trail["arn"], "files": files, "digests": digests, "error": error}

    # -- log files -------------------------------------------------------------------------------------------------

    async def _deliver(self, followed: _Followed) -> list[str]:
        """Write the events that wait; returns the keys of the log files."""
        written: list[str] = []
        async with self._lock:
            followed.since = 0.0
            for region in list(followed.waiting):
                while followed.waiting[region]:
                    batch = _take(followed.waiting[region])
                    key = await self._log_file(followed.trail, region, batch)
                    if key is None:
                        followed.waiting[region].extendleft(reversed(batch))
                        followed.since = time.time()  # tried again after the next period
                        break
                    self._bytes -= sum(len(content) for _, content in batch)
                    written.append(key)
        if written and followed.trail["validation"]:
            self._save()  # the next digest names these files, whatever happens to this process
        return written

    async def _log_file(self, trail: dict[str, Any], region: str, batch: list[tuple[str, bytes]]) -> str | None:
        now = time.time()
        unique = "".join(secrets.choice(_UNIQUE) for _ in range(16))
        name = f"{trail['account']}_CloudTrail_{region}_{_stamp(now, '%Y%m%dT%H%MZ')}_{unique}.json.gz"
        key = f"{_folder(trail, 'CloudTrail', region, now)}/{name}"
        content = b'{"Records":[' + b",".join(content for _, content in batch) + b"]}"
        error = await self._put(trail, key, content, {})
        if not error:
            await self._to_logs(trail, region, batch)
        trail["status"]["attempted"] = now
        trail["status"]["error"] = error
        if error:
            return None
        trail["status"]["delivered"] = now
        if trail["validation"]:
            chain = trail["chains"].setdefault(region, _chain(trail, now))
            times = sorted(when for when, _ in batch)
            file = {"s3Bucket": trail["bucket"], "s3Object": key, "hashValue": hashlib.sha256(content).hexdigest()}
            more = {"hashAlgorithm": "SHA-256", "newestEventTime": times[-1], "oldestEventTime": times[0]}
            chain["files"] = [*chain["files"][-MAX_FILES:], {**file, **more}]
        return key

    # -- CloudWatch Logs -------------------------------------------------------------------------------------------

    async def check_logs(self, trail: Mapping[str, Any]) -> None:
        """Whether the log group exists and the role may write to it ("Sending CloudTrail events to CloudWatch Logs").

        :raises AwsError: as ``CreateTrail`` does
        """
        logs, region, group = trail["logs"], *_log_group(trail)
        listed = await self._client.call("logs", "DescribeLogGroups", account=trail["account"], region=region,
                                         logGroupNamePrefix=group)  # fmt: skip
        if group not in [entry["logGroupName"] for entry in listed.get("logGroups") or []]:
            text = "The CloudWatch Logs log group does not exist."
            raise AwsError("InvalidCloudWatchLogsLogGroupArnException", text, 400)
        assumed = await self._authorizer.service_may(
            SERVICE, "sts:AssumeRole", logs["role"], trail["account"], _source(trail)
        )
        if not assumed.allowed:
            raise AwsError("InvalidCloudWatchLogsRoleArnException", "CloudTrail cannot assume the role.", 400)
        stream = f"{logs['group'].removesuffix(':*')}:log-stream:{trail['account']}_CloudTrail_{trail['region']}"
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            if not await self._authorizer.role_may(trail["account"], logs["role"], action, stream):
                text = "Access denied. Check the permissions for your role."
                raise AwsError("InvalidCloudWatchLogsRoleArnException", text, 400)

    async def _to_logs(self, trail: dict[str, Any], region: str, batch: list[tuple[str, bytes]]) -> None:
        """Write events to the trail's log group, one a log event; metric filters see them."""
        from labs.aws.gateway.corrections.logs import measure

        if not trail.get("logs"):
            return
        where, group = _log_group(trail)
        common = {"account": trail["account"], "region": where}
        stream = f"{trail['account']}_CloudTrail_{region}"
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": content.decode()} for _, content in batch]

        async def put(**metrics: Any) -> Any:
            return await self._client.call("cloudwatch", "PutMetricData", **common, **metrics)

        try:
            with contextlib.suppress(EngineError):  # the stream is there already, or the next call says what is wrong
                await self._client.call("logs", "CreateLogStream", **common, logGroupName=group, logStreamName=stream)
            await self._client.call("logs", "PutLogEvents", **common, logGroupName=group, logStreamName=stream,
                                    logEvents=events)  # fmt: skip
            found = await self._client.call("logs", "DescribeMetricFilters", **common, logGroupName=group)
            await measure(found.get("metricFilters") or [], events, put)
        except EngineError as error:
            trail["status"]["logs_error"] = error.code
            return
        trail["status"].update(logs_error=None, logged=time.time())

    async def _put(self, trail: Mapping[str, Any], key: str, content: bytes, metadata: dict[str, str]) -> str | None:
        """Put one compressed file as CloudTrail; returns the S3 error code, ``None`` when it is there."""
        owner = await self._authorizer.bucket_owner(trail["bucket"], trail["account"])
        if owner is None:
            return "NoSuchBucket"
        if not await object_granted(self._authorizer.service_may, trail, owner, key):
            return "AccessDenied"
        try:
            await self._client.call(
                "s3",
                "PutObject",
                account=owner,
                Bucket=trail["bucket"],
                Key=key,
                Body=await asyncio.to_thread(gzip.compress, content),
                ContentType="application/json",
                ContentEncoding="gzip",
                ServerSideEncryption="AES256",
                Metadata=metadata,
            )
        except EngineError as error:
            return error.code
        return None

    def _digest_due(self, chain: Mapping[str, Any]) -> float:
        period = self._digest_seconds
        due = chain["start"] + (period if chain["files"] else max(IDLE_DIGEST, period))
        return max(float(due), chain.get("retry", 0.0))

    # -- digests ---------------------------------------------------------------------------------------------------

    async def load_key(self) -> None:
        """Make or read the signing key, aside from the event loop."""
        await asyncio.to_thread(self._key.load)

    async def _digest(self, followed: _Followed, every: bool = False) -> list[str]:
        """Write the digests that are due (or all); returns their keys."""
        written: list[str] = []
        trail = followed.trail
        if not trail["chains"]:
            return written
        await self.load_key()
        async with self._lock:
            for region, chain in list(trail["chains"].items()):
                if every or time.time() >= self._digest_due(chain):
                    key = await self._digest_file(trail, region, chain)
                    written += [key] if key else []
        self._save()
        return written

    async def _digest_file(self, trail: dict[str, Any], region: str, chain: dict[str, Any]) -> str | None:
        # Digests are told apart, and put in order, by their end time in whole seconds.
        while (end := int(time.time())) <= chain["start"]:
            await asyncio.sleep(chain["start"] + 1 - time.time())
        stamp = _stamp(end, "%Y%m%dT%H%M%SZ")
        name = f"{trail['account']}_CloudTrail-Digest_{region}_{trail['name']}_{trail['region']}_{stamp}.json.gz"
        key = f"{_folder(trail, 'CloudTrail-Digest', region, end)}/{name}"
        files, previous = chain["files"], chain["previous"]
        content = digest(
            account=trail["account"],
            bucket=trail["bucket"],
            key=key,
            start=chain["start"],
            end=end,
            files=files,
            previous=previous,
            fingerprint=self._key.fingerprint,
        )
        signature = self._key.sign(string_to_sign(end, trail["bucket"], key, content, previous))
        error = await self._put(trail, key, content, {"signature": signature, "signature-algorithm": ALGORITHM})
        trail["status"]["digest_error"] = error
        if error:
            chain["retry"] = time.time() + self._digest_seconds
            return None
        trail["status"]["digested"] = float(end)
        hashed = hashlib.sha256(content).hexdigest()
        before = {"bucket": trail["bucket"], "key": key, "hash": hashed, "signature": signature}
        chain.update(start=end, files=[], previous=before, retry=0.0)
        return key


def _chain(trail: Mapping[str, Any], now: float) -> dict[str, Any]:
    """A chain of digests that begins now, and after the end of every digest before it."""
    return {"start": int(max(now - 1, trail["status"].get("digested", 0.0))), "files": [], "previous": None}


def _take(waiting: deque[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """As many events as one file holds."""
    batch: list[tuple[str, bytes]] = []
    size = 0
    while waiting and size < MAX_FILE:
        batch.append(waiting.popleft())
        size += len(batch[-1][1])
    return batch


def _stamp(seconds: float, form: str) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime(form)


def _folder(trail: Mapping[str, Any], kind: str, region: str, seconds: float) -> str:
    prefix = f"{trail['prefix']}/" if trail["prefix"] else ""
    return f"{prefix}AWSLogs/{trail['account']}/{kind}/{region}/{_stamp(seconds, '%Y/%m/%d')}"
