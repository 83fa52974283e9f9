"""Lab b5: the shop's database password, the secret that holds it, and the function that rotates it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from labs.errors import PermanentError
from labs.scenarios.b_iam_security import rotation_parts as parts
from labs.scenarios.b_iam_security.cases import allow, deny, document, operator_arn
from labs.scenarios.base import Fault, Lab, Values, digest, pick
from labs.scenarios.creation import access_key, administrator, ensure_role, ensure_user, role_session
from labs.scenarios.removal import remove_identities

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount
    from labs.scenarios.b_iam_security.shop_run import ShopRun

SHOPS = ["bikes", "books", "coffee", "garden", "records", "tea"]


class B5(Lab):
    """A shop on PostgreSQL whose password is in Secrets Manager, with a rotation that hurts its customers."""

    id: ClassVar[str] = "b5"
    title: ClassVar[str] = "Change the password while the shop is open"
    needs: ClassVar[tuple[str, ...]] = ("aws",)
    minutes: ClassVar[int] = 75
    steps: ClassVar[str] = parts.SINGLE_USER_STEPS
    faults: ClassVar[Mapping[str, Fault]] = MappingProxyType(
        {"locked-admin": lambda aws, values: _lock_admin(aws, values)}
    )

    def values(self, seed: bytes) -> Values:
        """Names in AWS, and the two names the shop's database user takes in turn."""
        suffix, shop = digest(seed, "b5 suffix")[:8], pick(seed, "b5 shop", SHOPS)
        return {
            "suffix": suffix,
            "secret": f"{shop}/database-{suffix}",
            "admin_secret": f"{shop}/database-{suffix}-admin",
            "other_secret": f"{shop}/payments-{suffix}",
            "db_user": f"{shop}_{digest(seed, 'b5 user')[:4]}",
            "function": f"rotate-{suffix}",
            "rotation_role": f"rotation-{suffix}",
            "shop_role": f"shop-{suffix}",
            "operator": f"operator-{suffix}",
        }

    def prepare(self, aws: AwsAccount, values: Values) -> None:
        me = operator_arn(values)
        ensure_user(aws, values["operator"], {"assume": document(allow("sts:AssumeRole"))})
        services = {"Service": "lambda.amazonaws.com"}
        trust = document(
            allow("sts:AssumeRole", Principal=services) | {"Resource": None},
            allow("sts:AssumeRole", Principal={"AWS": me}) | {"Resource": None},
        )
        for statement in trust["Statement"]:
            del statement["Resource"]
        only_me = {**trust, "Statement": trust["Statement"][1:]}
        arns = parts.ensure_secrets(aws, values)
        parts.end_rotation(aws, values)
        policies = {"logs": document(allow("logs:*")), "rotation": starter_policy(arns)}
        ensure_role(aws, values["rotation_role"], trust, policies)
        ensure_role(aws, values["shop_role"], only_me, {"shop": starter_policy(arns)})
        parts.ensure_function(aws, values, parts.SINGLE_USER_STEPS)

    def start(self, aws: AwsAccount, values: Values) -> ShopRun:
        """PostgreSQL and the shop, which reads its login from the secret."""
        from labs.scenarios.b_iam_security.shop_run import ShopRun

        return ShopRun(aws, values, self.credentials(aws, values, "shop")).start()

    def observe(self, aws: AwsAccount, values: Values) -> dict[str, Any]:
        """Each version's labels and user name, the rotation settings; never a password."""
        client = administrator(aws, "secretsmanager")
        said = client.describe_secret(SecretId=values["secret"])
        users = {}
        for version, labels in said["VersionIdsToStages"].items():
            users[", ".join(labels)] = parts.user_of(client, values["secret"], version)
        return {"user by label": users, "rotation": bool(said.get("RotationEnabled"))}

    def reset(self, aws: AwsAccount, values: Values) -> list[str]:
        return parts.remove(aws, values) + remove_identities(aws, values["suffix"])

    def solution(self, aws: AwsAccount, values: Values) -> None:
        iam, arns = administrator(aws, "iam"), parts.ensure_secrets(aws, values)
        parts.ensure_function(aws, values, alternating_steps())
        for role, name, policy in (
            (values["rotation_role"], "rotation", rotation_policy(arns)),
            (values["shop_role"], "shop", shop_policy(arns)),
        ):
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))

    def credentials(self, aws: AwsAccount, values: Values, who: str) -> dict[str, str]:
        """``operator``: the user; ``shop``, ``rotation``: sessions of the two roles."""
        operator = access_key(aws, values["operator"])
        if who == "operator":
            return operator
        if who in ("shop", "rotation"):
            return role_session(aws, operator, values[f"{who}_role"], who)
        raise PermanentError(f"lab b5 has nobody called {who!r}", "It has operator, shop and rotation.")


def _lock_admin(aws: AwsAccount, values: Values) -> None:
    every = "arn:aws:secretsmanager:*:*:secret:*-admin-*"
    locked = document(deny("secretsmanager:GetSecretValue", every, Sid="AdminLocked"))
    administrator(aws, "iam").put_role_policy(
        RoleName=values["rotation_role"], PolicyName="locked", PolicyDocument=json.dumps(locked)
    )


def starter_policy(arns: dict[str, str]) -> dict[str, Any]:
    """What both roles begin with: all of Secrets Manager, as so often."""
    return document(allow("secretsmanager:*", "*"))


### BEGIN SOLUTION
def rotation_policy(arns: dict[str, str]) -> dict[str, Any]:
    """What the rotation function needs ("Permissions for rotation")."""
    own = ["DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"]
    return document(
        allow([f"secretsmanager:{name}" for name in own], arns["secret"]),
        allow("secretsmanager:GetSecretValue", arns["admin_secret"]),
        allow("secretsmanager:GetRandomPassword"),
    )


def shop_policy(arns: dict[str, str]) -> dict[str, Any]:
    """What the shop needs."""
    return document(allow("secretsmanager:GetSecretValue", arns["secret"]))


def alternating_steps() -> str:
    """Steps that give the next version another user, and do no harm when they run again."""
    return '''
import json


def create_secret(client, arn, token):
    try:
        client.get_secret_value(SecretId=arn, VersionId=token, VersionStage="AWSPENDING")
        return
    except client.exceptions.ResourceNotFoundException:
        pass
    login = json.loads(client.get_secret_value(SecretId=arn, VersionStage="AWSCURRENT")["SecretString"])
    name = login["username"]
    login["username"] = name.removesuffix("_clone") if name.endswith("_clone") else name + "_clone"
    login["password"] = client.get_random_password(ExcludePunctuation=True)["RandomPassword"]
    client.put_secret_value(SecretId=arn, ClientRequestToken=token, SecretString=json.dumps(login),
                            VersionStages=["AWSPENDING"])


def finish_secret(client, arn, token):
    stages = client.describe_secret(SecretId=arn)["VersionIdsToStages"]
    current = next(version for version, labels in stages.items() if "AWSCURRENT" in labels)
    if current != token:
        client.update_secret_version_stage(SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=token,
                                           RemoveFromVersionId=current)
'''
### END SOLUTION
