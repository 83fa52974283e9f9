"""KMS as the labs use it (AWS KMS Developer Guide and API Reference)."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from labs.aws.account import AwsAccount
from tests.labs.aws.scenarios_core.conftest import refusal


@pytest.fixture
def kms(admin: AwsAccount) -> Any:
    return admin.client("kms")


@pytest.fixture
def key(kms: Any) -> str:
    return str(kms.create_key(Description="d")["KeyMetadata"]["KeyId"])


def test_a_key_is_described_changed_disabled_and_scheduled_for_deletion(admin: AwsAccount, kms: Any) -> None:
    made = kms.create_key(Description="d", Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]
    key = made["KeyId"]
    assert made["Arn"] == f"arn:aws:kms:us-east-1:{admin.account}:key/{key}"
    assert (made["KeyState"], made["Enabled"], made["KeyManager"]) == ("Enabled", True, "CUSTOMER")
    assert (made["KeySpec"], made["KeyUsage"], made["Origin"]) == ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "AWS_KMS")
    assert (made["MultiRegion"], made["EncryptionAlgorithms"]) == (False, ["SYMMETRIC_DEFAULT"])
    kms.update_key_description(KeyId=key, Description="new")
    assert kms.describe_key(KeyId=made["Arn"])["KeyMetadata"]["Description"] == "new"
    assert kms.list_resource_tags(KeyId=key)["Tags"] == [{"TagKey": "a", "TagValue": "b"}]
    kms.untag_resource(KeyId=key, TagKeys=["a"])
    assert kms.list_resource_tags(KeyId=key)["Tags"] == []
    assert {"KeyId": key, "KeyArn": made["Arn"]} in kms.list_keys()["Keys"]
    kms.disable_key(KeyId=key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
    assert refusal(kms.encrypt, KeyId=key, Plaintext=b"x") == "DisabledException"
    kms.enable_key(KeyId=key)
    schedule = kms.schedule_key_deletion
    assert refusal(schedule, KeyId=key, PendingWindowInDays=3) == "ValidationException"
    answer = schedule(KeyId=key, PendingWindowInDays=7)
    assert (answer["KeyState"], answer["PendingWindowInDays"]) == ("PendingDeletion", 7)
    left = answer["DeletionDate"] - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=6) < left < datetime.timedelta(days=8)
    assert refusal(kms.encrypt, KeyId=key, Plaintext=b"x") == "KMSInvalidStateException"
    assert refusal(schedule, KeyId=key, PendingWindowInDays=7) == "KMSInvalidStateException"
    kms.cancel_key_deletion(KeyId=key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
    assert refusal(kms.describe_key, KeyId="12345678-1234-1234-1234-123456789012") == "NotFoundException"


def test_data_is_encrypted_under_a_context(kms: Any, key: str) -> None:
    context = {"tenant": "a"}
    sealed = kms.encrypt(KeyId=key, Plaintext=b"secret", EncryptionContext=context)
    assert sealed["KeyId"].endswith(key)
    assert sealed["EncryptionAlgorithm"] == "SYMMETRIC_DEFAULT"
    opened = kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
    assert (opened["Plaintext"], opened["KeyId"]) == (b"secret", sealed["KeyId"])
    assert refusal(kms.decrypt, CiphertextBlob=sealed["CiphertextBlob"]) == "InvalidCiphertextException"
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    wrong = {"CiphertextBlob": sealed["CiphertextBlob"], "EncryptionContext": context, "KeyId": other}
    assert refusal(kms.decrypt, **wrong) == "IncorrectKeyException"
    assert refusal(kms.decrypt, CiphertextBlob=b"nonsense") == "InvalidCiphertextException"
    moved = kms.re_encrypt(
        CiphertextBlob=sealed["CiphertextBlob"], SourceEncryptionContext=context, DestinationKeyId=other
    )
    assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"])["KeyId"].endswith(other)
    assert refusal(kms.encrypt, KeyId=key, Plaintext=b"x" * 4097) == "ValidationException"


def test_data_keys(kms: Any, key: str) -> None:
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    assert len(made["Plaintext"]) == 32
    assert kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == made["Plaintext"]
    assert len(kms.generate_data_key(KeyId=key, NumberOfBytes=64)["Plaintext"]) == 64
    assert "Plaintext" not in kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_128")
    assert len(kms.generate_random(NumberOfBytes=12)["Plaintext"]) == 12
    assert refusal(kms.generate_data_key, KeyId=key) == "ValidationException"


def test_aliases(admin: AwsAccount, kms: Any, key: str) -> None:
    kms.create_alias(AliasName="alias/app", TargetKeyId=key)
    assert refusal(kms.create_alias, AliasName="alias/app", TargetKeyId=key) == "AlreadyExistsException"
    assert refusal(kms.create_alias, AliasName="app", TargetKeyId=key) == "ValidationException"
    assert refusal(kms.create_alias, AliasName="alias/aws/app", TargetKeyId=key) == "NotAuthorizedException"
    assert kms.describe_key(KeyId="alias/app")["KeyMetadata"]["KeyId"] == key
    mine = [a for a in kms.list_aliases()["Aliases"] if a["AliasName"] == "alias/app"]
    assert mine[0]["AliasArn"] == f"arn:aws:kms:us-east-1:{admin.account}:alias/app"
    assert mine[0]["TargetKeyId"] == key
    sealed = kms.encrypt(KeyId="alias/app", Plaintext=b"x")
    assert sealed["KeyId"].endswith(key)
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.update_alias(AliasName="alias/app", TargetKeyId=other)
    assert kms.describe_key(KeyId="alias/app")["KeyMetadata"]["KeyId"] == other
    assert [a["AliasName"] for a in kms.list_aliases(KeyId=other)["Aliases"]] == ["alias/app"]
    kms.delete_alias(AliasName="alias/app")
    assert refusal(kms.delete_alias, AliasName="alias/app") == "NotFoundException"
    assert refusal(kms.describe_key, KeyId="alias/app") == "NotFoundException"


def test_rotation(kms: Any, key: str) -> None:
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=180)
    status = kms.get_key_rotation_status(KeyId=key)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 180)
    assert status["NextRotationDate"]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"before")["CiphertextBlob"]
    kms.rotate_key_on_demand(KeyId=key)
    assert [r["RotationType"] for r in kms.list_key_rotations(KeyId=key)["Rotations"]] == ["ON_DEMAND"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"before"
    kms.disable_key_rotation(KeyId=key)
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False
    rsa = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    assert refusal(kms.enable_key_rotation, KeyId=rsa) == "UnsupportedOperationException"


def test_key_policies(admin: AwsAccount, kms: Any, key: str) -> None:
    assert kms.list_key_policies(KeyId=key)["PolicyNames"] == ["default"]
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    assert policy["Statement"][0]["Principal"]["AWS"] == f"arn:aws:iam::{admin.account}:root"
    policy["Statement"].append(
        {"Sid": "no", "Effect": "Deny", "Principal": "*", "Action": "kms:Encrypt", "Resource": "*"}
    )
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))
    assert refusal(kms.encrypt, KeyId=key, Plaintext=b"x") == "AccessDeniedException"
    assert refusal(kms.put_key_policy, KeyId=key, PolicyName="default", Policy="{") == (
        "MalformedPolicyDocumentException"
    )
    assert refusal(kms.get_key_policy, KeyId=key, PolicyName="other") == "NotFoundException"


def test_grants(admin: AwsAccount, kms: Any, key: str) -> None:
    iam = admin.client("iam")
    iam.create_user(UserName="eve")
    pair = iam.create_access_key(UserName="eve")["AccessKey"]
    eve = admin.client_as("kms", pair["AccessKeyId"], pair["SecretAccessKey"])
    assert refusal(eve.encrypt, KeyId=key, Plaintext=b"x") == "AccessDeniedException"
    grant = kms.create_grant(
        KeyId=key,
        GranteePrincipal=f"arn:aws:iam::{admin.account}:user/eve",
        Operations=["Encrypt", "DescribeKey"],
        Name="g",
    )
    assert grant["GrantToken"]
    eve.encrypt(KeyId=key, Plaintext=b"x")
    listed = kms.list_grants(KeyId=key)["Grants"]
    assert [(g["GrantId"], g["Name"], sorted(g["Operations"])) for g in listed] == [
        (grant["GrantId"], "g", ["DescribeKey", "Encrypt"])
    ]
    kms.revoke_grant(KeyId=key, GrantId=grant["GrantId"])
    assert refusal(eve.encrypt, KeyId=key, Plaintext=b"x") == "AccessDeniedException"
    assert kms.list_grants(KeyId=key)["Grants"] == []
    assert refusal(kms.revoke_grant, KeyId=key, GrantId="f" * 64) == "NotFoundException"


def test_asymmetric_keys_sign_and_verify(kms: Any) -> None:
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    assert key["SigningAlgorithms"] == ["ECDSA_SHA_256"]
    signed = kms.sign(KeyId=key["KeyId"], Message=b"m", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    verify = {"KeyId": key["KeyId"], "SigningAlgorithm": "ECDSA_SHA_256", "Signature": signed}
    assert kms.verify(Message=b"m", **verify)["SignatureValid"] is True
    assert refusal(kms.verify, Message=b"other", **verify) == "KMSInvalidSignatureException"
    public = kms.get_public_key(KeyId=key["KeyId"])
    assert (public["KeySpec"], public["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")
    assert refusal(kms.encrypt, KeyId=key["KeyId"], Plaintext=b"x") == "InvalidKeyUsageException"
    mac = kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"]
    tag = kms.generate_mac(KeyId=mac, Message=b"m", MacAlgorithm="HMAC_SHA_256")["Mac"]
    assert kms.verify_mac(KeyId=mac, Message=b"m", MacAlgorithm="HMAC_SHA_256", Mac=tag)["MacValid"] is True


def test_multi_region_keys(admin: AwsAccount, kms: Any) -> None:
    key = kms.create_key(MultiRegion=True)["KeyMetadata"]
    assert key["KeyId"].startswith("mrk-")
    kms.replicate_key(KeyId=key["KeyId"], ReplicaRegion="eu-west-1")
    replica = admin.client("kms", region="eu-west-1")
    assert (
        replica.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["MultiRegionConfiguration"]["MultiRegionKeyType"]
        == "REPLICA"
    )
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    assert replica.decrypt(CiphertextBlob=sealed, KeyId=key["KeyId"])["Plaintext"] == b"x"


def test_listing_pages(kms: Any) -> None:
    for _ in range(3):
        kms.create_key()
    first = kms.list_keys(Limit=2)
    assert (len(first["Keys"]), first["Truncated"]) == (2, True)
    assert len(kms.list_keys(Marker=first["NextMarker"])["Keys"]) >= 1


def test_the_retiring_principal_retires_a_grant(admin: AwsAccount) -> None:
    """ "Retiring and revoking grants" (AWS KMS Developer Guide)."""
    kms, iam = admin.client("kms"), admin.client("iam")
    users = {}
    for name in ("worker", "retirer"):
        iam.create_user(UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        users[name] = admin.client_as("kms", key["AccessKeyId"], key["SecretAccessKey"])
    arns = {name: f"arn:aws:iam::{admin.account}:user/{name}" for name in users}
    key = kms.create_key()["KeyMetadata"]["Arn"]
    grant = kms.create_grant(
        KeyId=key, GranteePrincipal=arns["worker"], RetiringPrincipal=arns["retirer"], Operations=["Encrypt"]
    )
    users["worker"].encrypt(KeyId=key, Plaintext=b"x")
    (listed,) = kms.list_retirable_grants(RetiringPrincipal=arns["retirer"])["Grants"]
    assert listed["GrantId"] == grant["GrantId"]
    retire = {"GrantToken": grant["GrantToken"]}
    assert refusal(users["worker"].retire_grant, **retire) == "AccessDeniedException"
    users["retirer"].retire_grant(**retire)
    assert refusal(users["worker"].encrypt, KeyId=key, Plaintext=b"x") == "AccessDeniedException"
    assert kms.list_retirable_grants(RetiringPrincipal=arns["retirer"])["Grants"] == []
