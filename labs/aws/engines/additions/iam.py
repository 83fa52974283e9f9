"""IAM operations for MiniStack: changing users and groups, default policy versions, OIDC clients and tags, server
certificates (IAM API Reference, each operation by its name).
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

Answer = tuple[int, dict[str, str], bytes]
Params = dict[str, list[str]]

_iam: Any = None  # MiniStack's module, once it is loaded


def install(module: Any) -> None:
    """Add the operations to MiniStack's IAM."""
    global _iam
    _iam = module
    module._IAM_HANDLERS.update(_HANDLERS)
    module._aws_managed_policies = AwsManagedPolicies(module, module._aws_managed_policies)


class AwsManagedPolicies(dict[str, Any]):
    """AWS's managed policies as they really are, read one at a time from the list that moto carries.

    MiniStack knows some thirty of them, most in short form.  All of them together would take 60 MB.
    """

    def __init__(self, module: Any, seeds: dict[str, Any]) -> None:
        super().__init__(seeds)
        self._module = module
        self._asked: set[str] = set()

    def get(self, arn: str, default: Any = None) -> Any:
        """The record of a policy, as MiniStack keeps it."""
        if arn not in self._asked and arn.startswith("arn:aws:iam::aws:policy/"):
            self._asked.add(arn)
            record = self._read(arn)
            if record:
                super().__setitem__(arn, record)
        return super().get(arn, default)

    def __contains__(self, arn: object) -> bool:
        return self.get(str(arn)) is not None

    def __getitem__(self, arn: str) -> Any:
        self.get(arn)
        return super().__getitem__(arn)

    def clear(self) -> None:
        """MiniStack's reset: what was read may be read again."""
        self._asked.clear()
        super().clear()

    def _read(self, arn: str) -> dict[str, Any] | None:
        path, _, name = arn.partition(":policy")[2].rpartition("/")
        known = _in_motos_list(name)
        if known is None or known.get("Path", "/") != f"{path}/":
            return None
        version = known.get("DefaultVersionId", "v1")
        record: dict[str, Any] = self._module._make_aws_managed_record(
            f"{path}/{name}".lstrip("/"), json.dumps(known["Document"])
        )
        record |= {"DefaultVersionId": version, "CreateDate": known["CreateDate"], "UpdateDate": known["UpdateDate"]}
        document = next(iter(record["Versions"].values()))
        record["Versions"] = {version: {**document, "VersionId": version, "CreateDate": known["UpdateDate"]}}
        return record


def _in_motos_list(name: str) -> dict[str, Any] | None:
    spec = importlib.util.find_spec("moto")
    if spec is None or not spec.submodule_search_locations:
        return None
    text = (Path(spec.submodule_search_locations[0]) / "iam" / "aws_managed_policies.py").read_text(encoding="utf-8")
    start = text.find(f'\n "{name}":{{')
    if start < 0:
        return None
    stop = text.index("\n }", start)
    found: dict[str, Any] = json.loads(text[text.index("{", start) : stop] + "}")
    return found


def _one(params: Params, name: str) -> str:
    return str(_iam._p(params, name))


def _many(params: Params, name: str) -> list[str]:
    values: list[str] = []
    while value := _one(params, f"{name}.member.{len(values) + 1}"):
        values.append(value)
    return values


def _tags(params: Params) -> list[dict[str, str]]:
    tags: list[dict[str, str]] = []
    while key := _one(params, f"Tags.member.{len(tags) + 1}.Key"):
        tags.append({"Key": key, "Value": _one(params, f"Tags.member.{len(tags) + 1}.Value")})
    return tags


def _done(operation: str, result: str = "") -> Answer:
    inner = f"<{operation}Result>{result}</{operation}Result>" if result else ""
    answer: Answer = _iam._xml(200, f"{operation}Response", inner)
    return answer


def _refused(status: int, code: str, message: str) -> Answer:
    answer: Answer = _iam._error(status, code, escape(message))
    return answer


def _missing(what: str, name: str) -> Answer:
    return _refused(404, "NoSuchEntity", f"The {what} with name {name} cannot be found.")


def _set_default_policy_version(params: Params) -> Answer:
    arn, version = _one(params, "PolicyArn"), _one(params, "VersionId")
    policy = _iam._policies.get(arn)
    if policy is None:
        return _refused(404, "NoSuchEntity", f"Policy {arn} was not found.")
    if version not in policy["Versions"]:
        return _refused(404, "NoSuchEntity", f"Policy {arn} version {version} does not exist or is not attachable.")
    for name, entry in policy["Versions"].items():
        entry["IsDefaultVersion"] = name == version
    policy["DefaultVersionId"] = version
    policy["UpdateDate"] = _iam._now()
    return _done("SetDefaultPolicyVersion")


def _arn(kind: str, path: str, name: str) -> str:
    return f"arn:aws:iam::{_iam.get_account_id()}:{kind}{path}{name}"


def _update_user(params: Params) -> Answer:
    name, new, path = _one(params, "UserName"), _one(params, "NewUserName"), _one(params, "NewPath")
    user = _iam._users.get(name)
    if user is None:
        return _missing("user", name)
    if new and new != name and new in _iam._users:
        return _refused(409, "EntityAlreadyExists", f"User with name {new} already exists.")
    user["Path"] = path or user.get("Path", "/")
    user["UserName"] = new or name
    user["Arn"] = _arn("user", user["Path"], user["UserName"])
    if new and new != name:
        del _iam._users[name]
        _iam._users[new] = user
        _follow_user(name, new)
    return _done("UpdateUser")


def _follow_user(name: str, new: str) -> None:
    """What belongs to a user stays with it under its new name."""
    for store in (_iam._user_inline_policies, _iam._login_profiles):
        if name in store:
            store[new] = store[name]
            del store[name]
            if isinstance(store[new], dict) and "UserName" in store[new]:
                store[new]["UserName"] = new
    for record in (*_iam._access_keys.values(), *_iam._mfa_devices.values()):
        if record.get("UserName") == name:
            record["UserName"] = new
    for group in _iam._groups.values():
        group["Users"] = [new if member == name else member for member in group["Users"]]


def _update_group(params: Params) -> Answer:
    name, new, path = _one(params, "GroupName"), _one(params, "NewGroupName"), _one(params, "NewPath")
    group = _iam._groups.get(name)
    if group is None:
        return _missing("group", name)
    if new and new != name and new in _iam._groups:
        return _refused(409, "EntityAlreadyExists", f"Group with name {new} already exists.")
    group["Path"] = path or group.get("Path", "/")
    group["GroupName"] = new or name
    group["Arn"] = _arn("group", group["Path"], group["GroupName"])
    if new and new != name:
        del _iam._groups[name]
        _iam._groups[new] = group
        if name in _iam._group_inline_policies:
            _iam._group_inline_policies[new] = _iam._group_inline_policies[name]
            del _iam._group_inline_policies[name]
    return _done("UpdateGroup")


def _of_provider(operation: str, change: Callable[[dict[str, Any], Params], str]) -> Callable[[Params], Answer]:
    """An operation on one OIDC provider; ``change`` returns the content of the result."""

    def handle(params: Params) -> Answer:
        arn = _one(params, "OpenIDConnectProviderArn")
        provider = _iam._oidc_providers.get(arn)
        if provider is None:
            return _refused(404, "NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}")
        return _done(operation, change(provider, params))

    return handle


def _add_client(provider: dict[str, Any], params: Params) -> str:
    if _one(params, "ClientID") not in provider["ClientIDList"]:
        provider["ClientIDList"].append(_one(params, "ClientID"))
    return ""


def _remove_client(provider: dict[str, Any], params: Params) -> str:
    provider["ClientIDList"] = [client for client in provider["ClientIDList"] if client != _one(params, "ClientID")]
    return ""


def _thumbprints(provider: dict[str, Any], params: Params) -> str:
    provider["ThumbprintList"] = _many(params, "ThumbprintList")
    return ""


def _tag(entity: dict[str, Any], params: Params) -> str:
    new = _tags(params)
    names = {tag["Key"] for tag in new}
    entity["Tags"] = [tag for tag in entity.get("Tags", []) if tag["Key"] not in names] + new
    return ""


def _untag(entity: dict[str, Any], params: Params) -> str:
    gone = set(_many(params, "TagKeys"))
    entity["Tags"] = [tag for tag in entity.get("Tags", []) if tag["Key"] not in gone]
    return ""


def _list_tags(entity: dict[str, Any], params: Params) -> str:
    return f"<Tags>{_tag_members(entity)}</Tags><IsTruncated>false</IsTruncated>"


def _tag_members(entity: dict[str, Any]) -> str:
    return "".join(
        f"<member><Key>{escape(tag['Key'])}</Key><Value>{escape(tag['Value'])}</Value></member>"
        for tag in entity.get("Tags", [])
    )


# IAM User Guide, "AWS services that work with IAM", and each service's page on its service-linked role.
_SERVICE_ROLES = {
    "access-analyzer": "AccessAnalyzer",
    "autoscaling": "AutoScaling",
    "backup": "Backup",
    "cloudtrail": "CloudTrail",
    "config": "Config",
    "ecs": "ECS",
    "eks": "AmazonEKS",
    "eks-nodegroup": "AmazonEKSNodegroup",
    "elasticache": "ElastiCache",
    "elasticloadbalancing": "ElasticLoadBalancing",
    "guardduty": "AmazonGuardDuty",
    "organizations": "Organizations",
    "rds": "RDS",
    "securityhub": "SecurityHub",
    "spot": "EC2Spot",
    "spotfleet": "EC2SpotFleet",
}


def _create_service_linked_role(params: Params) -> Answer:
    """MiniStack's own operation, and then AWS's name for the role."""
    service, suffix = _one(params, "AWSServiceName").partition(".")[0], _one(params, "CustomSuffix")
    before = set(_iam._roles)
    answer: Answer = _iam._create_service_linked_role(params)
    made = set(_iam._roles) - before
    if answer[0] != 200 or not made:
        return answer
    old = made.pop()
    name = f"AWSServiceRoleFor{_SERVICE_ROLES.get(service, service.capitalize())}" + (f"_{suffix}" if suffix else "")
    role = _iam._roles[old]
    del _iam._roles[old]
    role |= {"RoleName": name, "Arn": _arn("role", role["Path"], name)}
    role["Description"] = _one(params, "Description")
    _iam._roles[name] = role
    return _done("CreateServiceLinkedRole", f"<Role>{_iam._role_xml(name)}</Role>")


# -- server certificates -----------------------------------------------------------------------------------------------


def _certificates() -> Any:
    if not hasattr(_iam, "_server_certificates"):
        _iam._server_certificates = _iam.AccountScopedDict()
        forget = _iam.reset

        def reset() -> None:
            forget()
            _iam._server_certificates.clear()

        _iam.reset = reset
    return _iam._server_certificates


def _metadata(record: dict[str, Any]) -> str:
    members = ("Path", "ServerCertificateName", "ServerCertificateId", "Arn", "UploadDate", "Expiration")
    return "".join(f"<{name}>{escape(record[name])}</{name}>" for name in members)


def _upload_certificate(params: Params) -> Answer:
    from cryptography import x509

    name, body = _one(params, "ServerCertificateName"), _one(params, "CertificateBody")
    if name in _certificates():
        return _refused(409, "EntityAlreadyExists", f"The Server Certificate with name {name} already exists.")
    try:
        expires = x509.load_pem_x509_certificate(body.encode()).not_valid_after_utc
    except ValueError:
        return _refused(400, "MalformedCertificate", "Unable to parse certificate. Please ensure it is in PEM format.")
    path = _one(params, "Path") or "/"
    record = {
        "ServerCertificateName": name,
        "Path": path,
        "Arn": _arn("server-certificate", path, name),
        "ServerCertificateId": _iam._gen_id("ASCA"),
        "UploadDate": _iam._now(),
        "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "CertificateBody": body,
        "CertificateChain": _one(params, "CertificateChain"),
        "Tags": _tags(params),
    }
    _certificates()[name] = record
    shown = f"<ServerCertificateMetadata>{_metadata(record)}</ServerCertificateMetadata>"
    return _done("UploadServerCertificate", f"{shown}<Tags>{_tag_members(record)}</Tags>")


def _get_certificate(params: Params) -> Answer:
    name = _one(params, "ServerCertificateName")
    record = _certificates().get(name)
    if record is None:
        return _missing("Server Certificate", name)
    chain = f"<CertificateChain>{escape(record['CertificateChain'])}</CertificateChain>"
    shown = (
        f"<ServerCertificateMetadata>{_metadata(record)}</ServerCertificateMetadata>"
        f"<CertificateBody>{escape(record['CertificateBody'])}</CertificateBody>"
        f"{chain if record['CertificateChain'] else ''}<Tags>{_tag_members(record)}</Tags>"
    )
    return _done("GetServerCertificate", f"<ServerCertificate>{shown}</ServerCertificate>")


def _list_certificates(params: Params) -> Answer:
    prefix = _one(params, "PathPrefix") or "/"
    records = [record for record in _certificates().values() if record["Path"].startswith(prefix)]
    members = "".join(f"<member>{_metadata(record)}</member>" for record in records)
    shown = f"<ServerCertificateMetadataList>{members}</ServerCertificateMetadataList><IsTruncated>false</IsTruncated>"
    return _done("ListServerCertificates", shown)


def _delete_certificate(params: Params) -> Answer:
    name = _one(params, "ServerCertificateName")
    if name not in _certificates():
        return _missing("Server Certificate", name)
    del _certificates()[name]
    return _done("DeleteServerCertificate")


_HANDLERS: dict[str, Callable[[Params], Answer]] = {
    "SetDefaultPolicyVersion": _set_default_policy_version,
    "CreateServiceLinkedRole": _create_service_linked_role,
    "UpdateUser": _update_user,
    "UpdateGroup": _update_group,
    "AddClientIDToOpenIDConnectProvider": _of_provider("AddClientIDToOpenIDConnectProvider", _add_client),
    "RemoveClientIDFromOpenIDConnectProvider": _of_provider("RemoveClientIDFromOpenIDConnectProvider", _remove_client),
    "UpdateOpenIDConnectProviderThumbprint": _of_provider("UpdateOpenIDConnectProviderThumbprint", _thumbprints),
    "TagOpenIDConnectProvider": _of_provider("TagOpenIDConnectProvider", _tag),
    "UntagOpenIDConnectProvider": _of_provider("UntagOpenIDConnectProvider", _untag),
    "ListOpenIDConnectProviderTags": _of_provider("ListOpenIDConnectProviderTags", _list_tags),
    "UploadServerCertificate": _upload_certificate,
    "GetServerCertificate": _get_certificate,
    "ListServerCertificates": _list_certificates,
    "DeleteServerCertificate": _delete_certificate,
}
