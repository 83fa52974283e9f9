"""The learner's steps, carried out one by one in the account while both workloads go on working."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from graders.checks.b_iam_security.probes import account_of
from labs.scenarios.b_iam_security.b2 import app_trust, ci_identity, ci_trust, keys_of, web_identity
from labs.scenarios.creation import access_key, administrator

USERS = {"app": "app_bot", "ci": "ci_bot", "former": "former"}  # whose key a step is about
SWITCHES = ("app", "ci")


@dataclass
class Migration:
    """What happened; ``trouble`` holds steps that could not be done and calls that failed, in order."""

    aws: Any
    values: dict[str, Any]
    roles: set[str] = field(default_factory=set)
    trouble: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    rash: list[str] = field(default_factory=list)  # keys deleted while they were still active
    clients: dict[str, Any] = field(default_factory=dict)

    def carry_out(self, steps: list[str]) -> None:
        """All steps, with a run of both workloads before the first and after each."""
        self._work("the start")
        for number, step in enumerate(steps, 1):
            word, _, name = step.strip().partition(" ")
            if name not in (SWITCHES if word == "switch" else USERS) or word not in ("switch", "deactivate", "delete"):
                self.unknown.append(step)
                continue
            if word == "switch":
                self.roles.add(name)
            else:
                self._key(word, USERS[name])
            self._work(f"step {number}, {step}")

    def keys_left(self) -> list[str]:
        """Users of the lab that still have an access key."""
        iam = administrator(self.aws, "iam")
        names = [self.values[user] for user in USERS.values()]
        return [name for name in names if iam.list_access_keys(UserName=name)["AccessKeyMetadata"]]

    def _key(self, word: str, user: str) -> None:
        iam, name = administrator(self.aws, "iam"), self.values[user]
        for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
            if word == "deactivate":
                iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
            else:
                if key["Status"] == "Active":
                    self.rash.append(name)
                iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])

    def _work(self, when: str) -> None:
        for name, call in (("app", self._read), ("ci", self._write)):
            try:
                call()
            except ClientError as error:
                said = error.response["Error"]
                self.trouble.append(f"after {when} the {name} workload failed: {said['Code']}")

    def _read(self) -> None:
        self._s3("app").get_object(Bucket=self.values["bucket"], Key=self.values["key"])

    def _write(self) -> None:
        self._s3("ci").put_object(Bucket=self.values["bucket"], Key=self.values["key"], Body=b"id\n")

    def _s3(self, name: str) -> Any:
        """The workload's client, with the identity that it is set up with now."""
        identity = f"{name} by role" if name in self.roles else f"{name} by key"
        if identity not in self.clients:
            self.clients[identity] = self.aws.client_as("s3", **self._identity(name))
        return self.clients[identity]

    def _identity(self, name: str) -> dict[str, str]:
        if name not in self.roles:
            return _KEYS[self.aws.endpoint, self.aws.account, name]
        return keys_of(
            web_identity(self.aws, self.values, "app_role") if name == "app" else ci_identity(self.aws, self.values)
        )

    def plain(self) -> list[str]:
        """Workloads that are still no role session, with what AWS calls them."""
        found = []
        for name in SWITCHES:
            keys = self._identity(name)
            try:
                arn = self.aws.client_as("sts", **keys).get_caller_identity()["Arn"]
            except ClientError as error:
                arn = error.response["Error"]["Code"]
            if ":assumed-role/" not in arn:
                found.append(f"{name} is {arn}")
        return found


_KEYS: dict[tuple[str, str, str], dict[str, str]] = {}  # what the workloads have in their configuration


def migrate(steps: list[str], live: Any) -> Migration:
    """The account as it is at the end of the lab (roles trust the right tokens), then the learner's steps."""
    aws, values = account_of(live)
    iam = administrator(aws, "iam")
    for role, trust in (("app_role", app_trust(values)), ("ci_role", ci_trust(values))):
        iam.update_assume_role_policy(RoleName=values[role], PolicyDocument=json.dumps(trust))
    for name in USERS:
        _KEYS[aws.endpoint, aws.account, name] = access_key(aws, values[USERS[name]])
        for key in iam.list_access_keys(UserName=values[USERS[name]])["AccessKeyMetadata"]:
            iam.update_access_key(UserName=values[USERS[name]], AccessKeyId=key["AccessKeyId"], Status="Active")
    found = Migration(aws, values)
    found.carry_out(steps)
    return found
