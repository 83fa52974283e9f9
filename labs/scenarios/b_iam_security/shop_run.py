"""A running shop: PostgreSQL, the shop's process, traffic, rotations, and what they left behind.

``start`` writes the database's logins into the lab's secrets.  Everything ends with ``stop``, and with this process.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import labs
from labs.errors import PermanentError, TemporaryError
from labs.scenarios.b_iam_security.rotation_parts import ensure_function
from labs.scenarios.base import Values
from labs.scenarios.creation import administrator

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount
    from labs.shop.load import Report, Traffic
    from labs.shop.postgres import Postgres

READY_SECONDS, STOP_SECONDS, ROTATION_SECONDS = 30.0, 10.0, 60.0
MAX_AGE = 0.5  # seconds a connection of the pool lives: short, so that a change of password is felt at once
SCRIPT = Path(__file__).with_name("confined_shop.py")
UNFINISHED = "A previous rotation isn't complete. That rotation will be reattempted."


@dataclass(frozen=True)
class Rotation:
    """How a rotation ended: ``version`` is the new version's id, ``step`` and ``reason`` where and why it failed."""

    version: str
    succeeded: bool
    seconds: float
    step: str = ""
    reason: str = ""

    def __str__(self) -> str:
        if self.succeeded:
            return f"rotation to version {self.version[:8]} succeeded in {self.seconds:.1f} s"
        return f"rotation to version {self.version[:8]} failed at {self.step}: {self.reason}"


class ShopRun:
    """What ``session.start()`` returns.

    :param keys: the shop role's credentials, as keyword arguments of ``AwsAccount.client_as``
    :param connecting: source of a function ``connect`` to use instead of the shop's own
    :param development: the login comes from the environment instead of from the secret
    :param serve: whether the shop is started, or only its database
    """

    def __init__(
        self,
        aws: AwsAccount,
        values: Values,
        keys: Mapping[str, str],
        connecting: str = "",
        development: bool = False,
        serve: bool = True,
    ) -> None:
        self._aws, self._values, self._keys = aws, values, dict(keys)
        self._source, self._development, self._serve = connecting, development, serve
        self.database: Postgres | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by stop)
        self._traffic: list[Traffic] = []
        self.url = ""

    def __enter__(self) -> ShopRun:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<shop at {self.url or 'no address'}, PostgreSQL beside it>"

    # -- programs ------------------------------------------------------------------------------------------------------

    def start(self) -> ShopRun:
        """Start what does not run; returns itself once the shop is ready.

        :raises TemporaryError: it was not ready in time
        :raises PermanentError: it ended by itself
        """
        from labs.shop.postgres import Postgres

        try:
            if self.database is None:
                self.database = Postgres().start()
                self._fill_secrets()
            if self._process is None and self._serve:
                self._launch()
        except BaseException:
            self.stop()
            raise
        return self

    def _fill_secrets(self) -> None:
        assert self.database is not None
        client = administrator(self._aws, "secretsmanager")
        login = self.database.set_user(self._values["db_user"], secrets.token_urlsafe(18))
        for name, content in ((self._values["secret"], login), (self._values["admin_secret"], self.database.login())):
            client.put_secret_value(SecretId=name, SecretString=json.dumps(content))

    def _environment(self) -> dict[str, str]:
        root = str(Path(labs.__file__).resolve().parents[1])
        common = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"}
        common |= {"SHOP_DB_MAX_AGE": str(MAX_AGE), "SHOP_DRAIN_SECONDS": "0", "SHOP_GRACE_SECONDS": "2"}
        if self._development:
            names = {"username": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT", "dbname": "NAME"}
            return common | {f"SHOP_DB_{name}": self.current()[key] for key, name in names.items()}
        keys = {
            "AWS_ACCESS_KEY_ID": self._keys["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": self._keys["secret_access_key"],
            "AWS_SESSION_TOKEN": self._keys["session_token"],
        }
        where = {"AWS_ENDPOINT_URL": self._aws.endpoint, "AWS_DEFAULT_REGION": self._aws.region}
        return common | keys | where | {"SHOP_DB_SECRET": self._values["secret"]}

    def _launch(self) -> None:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen(1024)
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with listening, tempfile.TemporaryFile() as source:
            source.write(self._source.encode())
            source.seek(0)
            self._process = subprocess.Popen(
                [sys.executable, "-X", "utf8", str(SCRIPT), str(listening.fileno())],
                stdin=source,
                stdout=self._log,
                stderr=self._log,
                env=self._environment(),
                pass_fds=(listening.fileno(),),
                start_new_session=True,
            )
        self._wait("the shop", self._ready, READY_SECONDS)

    def _ready(self) -> str:
        """"" once the shop has answered, else what was seen."""
        import httpx

        assert self._process is not None
        if self._process.poll() is not None:
            raise PermanentError(f"the shop ended with status {self._process.returncode}", self.log()[-600:])
        try:
            answer = httpx.get(f"{self.url}/healthz", timeout=5, trust_env=False)
        except httpx.HTTPError as error:
            return f"{type(error).__name__}"
        return "" if answer.status_code == 200 else f"status {answer.status_code}"

    @staticmethod
    def _wait(what: str, look: Callable[[], str], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while seen := look():
            if time.monotonic() > deadline:
                raise TemporaryError(f"{what} was not ready after {seconds:.0f} s: {seen}")
            time.sleep(0.05)

    def restart(self, connecting: str = "", development: bool = False) -> None:
        """Start the shop again on the same database: with another way to connect, or with a development login."""
        self._end_shop()
        self._source, self._development = connecting, development
        self._launch()

    def use_steps(self, source: str) -> None:
        """Give the rotation function these steps."""
        ensure_function(self._aws, self._values, source)

    def stop(self) -> None:
        """End traffic, shop and database."""
        for traffic in self._traffic:
            traffic.stop()
        self._end_shop()
        if self.database is not None:
            self.database.stop()
            self.database = None
        self._log.close()

    def _end_shop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_SECONDS)

    # -- what happens --------------------------------------------------------------------------------------------------

    def traffic(self, rate: float = 10) -> Traffic:
        """Customers from now on, ``rate`` a second; ``.stop()`` gives the report."""
        from labs.shop.load import Traffic

        self._traffic.append(Traffic(self.url, rate).start())
        return self._traffic[-1]

    def under_traffic(self, work: Callable[[], Any], rate: float = 10) -> tuple[Any, Report]:
        """What ``work`` returned, and how customers fared from half a second before it to a second after it."""
        traffic = self.traffic(rate)
        time.sleep(0.5)
        try:
            result = work()
            time.sleep(1.0)
        finally:
            report = traffic.stop()
        return result, report

    def rotate(self, **more: Any) -> Rotation:
        """``RotateSecret``, and wait for its end; an unfinished rotation is attempted again.

        :param more: further parameters of ``RotateSecret``
        :raises TemporaryError: it neither succeeded nor failed in a minute
        """
        client, began = administrator(self._aws, "secretsmanager"), time.monotonic()
        failed, before = len(self._failures()), self._last_rotated()
        asked = {
            "SecretId": self._values["secret"],
            "RotationLambdaARN": f"arn:aws:lambda:us-east-1:{self._aws.account}:function:{self._values['function']}",
            "RotationRules": {"AutomaticallyAfterDays": 30},
            **more,
        }
        try:
            version = client.rotate_secret(**asked)["VersionId"]
        except client.exceptions.InvalidRequestException as error:
            if error.response["Error"]["Message"] != UNFINISHED:
                raise
            version = self.version("AWSPENDING")
        looked = began
        while (now := time.monotonic()) - began < ROTATION_SECONDS:
            if self._last_rotated() != before and "AWSCURRENT" in self.stages().get(version, ()):
                return Rotation(version, True, now - began)
            if now - looked > 0.7:  # LookupEvents is limited to two calls a second
                looked = now
                for event in self._failures()[failed:]:
                    about = event["additionalEventData"]
                    return Rotation(version, False, now - began, about["step"], about["reason"])
            time.sleep(0.1)
        raise TemporaryError(f"the rotation of {self._values['secret']} did not end in {ROTATION_SECONDS:.0f} s")

    # -- what can be seen ----------------------------------------------------------------------------------------------

    def _failures(self) -> list[dict[str, Any]]:
        """The ``RotationFailed`` events of the account, oldest first."""
        client = administrator(self._aws, "cloudtrail")
        wanted = [{"AttributeKey": "EventName", "AttributeValue": "RotationFailed"}]
        pages = client.get_paginator("lookup_events").paginate(LookupAttributes=wanted)
        return [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]][::-1]

    def _last_rotated(self) -> Any:
        client = administrator(self._aws, "secretsmanager")
        return client.describe_secret(SecretId=self._values["secret"]).get("LastRotatedDate")

    def stages(self) -> dict[str, list[str]]:
        """Version ids to staging labels."""
        client = administrator(self._aws, "secretsmanager")
        return dict(client.describe_secret(SecretId=self._values["secret"])["VersionIdsToStages"])

    def version(self, label: str) -> str:
        """The version that carries a label, "" when none does."""
        return next((version for version, labels in self.stages().items() if label in labels), "")

    def current(self, label: str = "AWSCURRENT") -> dict[str, str]:
        """The login in a version of the secret."""
        client = administrator(self._aws, "secretsmanager")
        answer = client.get_secret_value(SecretId=self._values["secret"], VersionStage=label)
        return dict(json.loads(answer["SecretString"]))

    def log(self) -> str:
        """What the shop printed so far."""
        self._log.flush()
        return os.pread(self._log.fileno(), 16 * 2**20, 0).decode("utf-8", "replace")

    def environment(self) -> str:
        """The shop's environment, as anybody sees it who may look into its process."""
        assert self._process is not None
        return Path(f"/proc/{self._process.pid}/environ").read_bytes().replace(b"\0", b"\n").decode()

    def function_log(self) -> str:
        """What the rotation function printed so far, from CloudWatch Logs."""
        client = administrator(self._aws, "logs")
        group = f"/aws/lambda/{self._values['function']}"
        try:
            pages = client.get_paginator("filter_log_events").paginate(logGroupName=group)
            return "\n".join(event["message"] for page in pages for event in page["events"])
        except client.exceptions.ResourceNotFoundException:
            return ""

    def reads(self) -> int:
        """How often the shop's role read the secret, by the event history."""
        client = administrator(self._aws, "cloudtrail")
        wanted = [{"AttributeKey": "EventName", "AttributeValue": "GetSecretValue"}]
        pages = client.get_paginator("lookup_events").paginate(LookupAttributes=wanted)
        role = f":assumed-role/{self._values['shop_role']}/"
        return sum(role in event["CloudTrailEvent"] for page in pages for event in page["Events"])

    def leaks(self) -> list[str]:
        """Where a password of the secret's can be read that should not be there."""
        words = {self.current(label)["password"] for label in ("AWSCURRENT", "AWSPREVIOUS") if self.version(label)}
        places = {
            **({"the shop's environment": self.environment, "the shop's log": self.log} if self._process else {}),
            "the rotation function's log": self.function_log,
        }
        return [name for name, read in places.items() if any(word in read() for word in words)]
