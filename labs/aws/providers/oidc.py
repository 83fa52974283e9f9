"""IAM's OpenID Connect providers: whom an account trusts to say who somebody is.

Own state instead of an engine's, because every web identity is checked against it.  Left out: AWS reads the thumbprint
of the issuer's certificate where none is given; here a missing list stays empty, because issuers answer on loopback
without TLS.  Providers that CloudFormation makes inside an engine are not seen.

Pages: "CreateOpenIDConnectProvider", "AddClientIDToOpenIDConnectProvider" … (IAM API Reference), "IAM and AWS STS
quotas", "Identity-provider controls for shared OIDC providers" (IAM User Guide).
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from labs.aws.gateway.calls import AwsError, ServiceCall

MAX_PROVIDERS, MAX_CLIENT_IDS, MAX_THUMBPRINTS, MAX_TAGS = 100, 100, 5, 50
_URL = re.compile(r"https://(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*)(?P<path>/[^\s?#]*)?")

# Issuers that many customers share, and the claim that tells them apart, which a role's trust policy must look at.
# The page's list is longer; these are the CI systems on it.
SHARED_ISSUERS = {
    host: f"{host}:sub"
    for host in (
        "token.actions.githubusercontent.com",
        "vstoken.actions.githubusercontent.com",
        "gitlab.com",
        "app.terraform.io",
        "agent.buildkite.com",
    )
}


class OpenIDConnectProviders:
    """The providers of all accounts, written to a JSON file after every change.

    :param fresh: start without any
    """

    def __init__(self, path: Path, fresh: bool) -> None:
        self._path = path
        self._providers: dict[str, dict[str, Any]] = {}
        if not fresh and path.exists():
            self._providers = json.loads(path.read_text())

    def clear(self) -> None:
        """No provider is left."""
        self._providers = {}
        self._save()

    def of_issuer(self, account: str, issuer: str) -> tuple[str, Mapping[str, Any]] | None:
        """ARN and record of the provider that ``account`` has for an issuer, or ``None``."""
        arn = f"arn:aws:iam::{account}:oidc-provider/{issuer.removeprefix('https://')}"
        record = self._providers.get(arn)
        return (arn, record) if record and issuer.startswith("https://") else None

    def handle(self, call: ServiceCall, account: str, now: datetime.datetime) -> dict[str, Any]:
        """Answer one of IAM's OpenID Connect calls.

        :raises AwsError: EntityAlreadyExists, NoSuchEntity, InvalidInput, LimitExceeded, ValidationError
        """
        answer = _OPERATIONS[call.operation](self, call.params, account, now)
        if not call.operation.startswith(("Get", "List")):
            self._save()
        return answer

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._providers))
        temporary.replace(self._path)

    def _of(self, account: str) -> list[str]:
        return [arn for arn in self._providers if arn.split(":")[4] == account]

    def _record(self, params: Mapping[str, Any], account: str) -> dict[str, Any]:
        arn = params["OpenIDConnectProviderArn"]
        if not re.fullmatch(r"arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/.+", arn):
            raise _invalid_input(f"Invalid ARN: {arn}")
        record = self._providers.get(arn) if arn.split(":")[4] == account else None
        if record is None:
            raise AwsError("NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}", 404)
        return record

    # -- operations ----------------------------------------------------------------------------------------------------

    def _create(self, params: Mapping[str, Any], account: str, now: datetime.datetime) -> dict[str, Any]:
        url = params["Url"]
        if _URL.fullmatch(url) is None or len(url) > 255:
            raise _invalid_input("Invalid Open ID Connect Provider URL")
        client_ids = _client_ids(params.get("ClientIDList") or ())
        thumbprints = _thumbprints(params.get("ThumbprintList") or ())
        arn = f"arn:aws:iam::{account}:oidc-provider/{url.removeprefix('https://')}"
        if arn in self._providers:
            raise AwsError("EntityAlreadyExists", f"Provider with url {url} already exists.", 409)
        if len(self._of(account)) >= MAX_PROVIDERS:
            raise _limit(f"Cannot exceed quota for OpenIdConnectProvidersPerAccount: {MAX_PROVIDERS}")
        tags = _tagged({}, params.get("Tags") or ())
        self._providers[arn] = {
            "url": url.removeprefix("https://"),
            "client_ids": client_ids,
            "thumbprints": thumbprints,
            "created": now.timestamp(),
            "tags": tags,
        }
        return {"OpenIDConnectProviderArn": arn, **_tag_answer(tags)}

    def _get(self, params: Mapping[str, Any], account: str, now: datetime.datetime) -> dict[str, Any]:
        record = self._record(params, account)
        return {
            "Url": record["url"],
            "ClientIDList": record["client_ids"],
            "ThumbprintList": record["thumbprints"],
            "CreateDate": datetime.datetime.fromtimestamp(record["created"], datetime.UTC),
            **_tag_answer(record["tags"]),
        }

    def _list(self, params: Mapping[str, Any], account: str, now: datetime.datetime) -> dict[str, Any]:
        return {"OpenIDConnectProviderList": [{"Arn": arn} for arn in self._of(account)]}

    def _delete(self, params: Mapping[str, Any], account: str, now: datetime.datetime) -> dict[str, Any]:
        # "This operation is idempotent; it does not fail … for a provider that does not exist" (IAM API Reference)
        arn = params["OpenIDConnectProviderArn"]
        if arn.split(":")[4:5] == [account]:
            self._providers.pop(arn, None)
        return {}

    def _add_client(self, params: Mapping[str, Any], account: str, now: datetime.datetime) -> dict[str, Any]:
        record = self._record(params, account)
        if params["ClientID"] not in record["client_ids"]:
            record["client_ids"] = _client_ids([*record["client_ids"], params["ClientID"]])
        return {}

    def _remove_client(self, params: Mapping[str, Any], account: str, now: datetime.datetime) -> dict[str, Any]:
        record = self._record(params, account)
        record["client_ids"] = [known for known in record["client_ids"] if known != params["ClientID"]]
        return {}

    def _update_thumbprints(self, params: Mapping[str, Any], account: str, now: datetime.datetime) -> dict[str, Any]:
        self._record(params, account)["thumbprints"] = _thumbprints(params["ThumbprintList"])
        return {}

    def _tag(self, params: Mapping[str, Any], account: str, now: datetime.datetime) -> dict[str, Any]:
        record = self._record(params, account)
        record["tags"] = _tagged(record["tags"], params["Tags"])
        return {}

    def _untag(self, params: Mapping[str, Any], account: str, now: datetime.datetime) -> dict[str, Any]:
        record = self._record(params, account)
        gone = {key.lower() for key in params["TagKeys"]}
        record["tags"] = {key: value for key, value in record["tags"].items() if key.lower() not in gone}
        return {}

    def _list_tags(self, params: Mapping[str, Any], account: str, now: datetime.datetime) -> dict[str, Any]:
        return {"Tags": _tag_list(self._record(params, account)["tags"]), "IsTruncated": False}


_OPERATIONS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "CreateOpenIDConnectProvider": OpenIDConnectProviders._create,
    "GetOpenIDConnectProvider": OpenIDConnectProviders._get,
    "ListOpenIDConnectProviders": OpenIDConnectProviders._list,
    "DeleteOpenIDConnectProvider": OpenIDConnectProviders._delete,
    "AddClientIDToOpenIDConnectProvider": OpenIDConnectProviders._add_client,
    "RemoveClientIDFromOpenIDConnectProvider": OpenIDConnectProviders._remove_client,
    "UpdateOpenIDConnectProviderThumbprint": OpenIDConnectProviders._update_thumbprints,
    "TagOpenIDConnectProvider": OpenIDConnectProviders._tag,
    "UntagOpenIDConnectProvider": OpenIDConnectProviders._untag,
    "ListOpenIDConnectProviderTags": OpenIDConnectProviders._list_tags,
}
OPERATIONS = tuple(_OPERATIONS)


def check_shared_issuers(document: Mapping[str, Any]) -> None:
    """Refuse a trust policy that would let every customer of a shared issuer in.

    "If the role trust policy does not evaluate the controls required by the shared OIDC IdP, the role creation or
    update would fail" (since 2025-06).  AWS publishes the code of the error; its text here is ours.

    :raises AwsError: MalformedPolicyDocument
    """
    statements = document.get("Statement") or ()
    for statement in [statements] if isinstance(statements, Mapping) else statements:
        principal = statement.get("Principal")
        named = principal.get("Federated", ()) if isinstance(principal, Mapping) else ()
        for provider in [named] if isinstance(named, str) else named:
            key = SHARED_ISSUERS.get(provider.partition(":oidc-provider/")[2])
            if key and statement.get("Effect") == "Allow" and not _looks_at(statement.get("Condition"), key):
                raise AwsError(
                    "MalformedPolicyDocument",
                    f"The trust policy must evaluate the condition key {key} with a value other than a wildcard, "
                    f"because {key.rpartition(':')[0]} issues tokens to everybody.",
                    400,
                )


def _looks_at(condition: Any, key: str) -> bool:
    """Whether some string operator compares ``key`` with values none of which is a bare wildcard."""
    for operator, keys in (condition or {}).items():
        if "string" not in operator.lower() or "not" in operator.lower():
            continue
        for name, value in keys.items():
            values = [value] if isinstance(value, str) else value
            if name.lower() == key and values and all(str(word).strip("*?") for word in values):
                return True
    return False


def _client_ids(values: Iterable[str]) -> list[str]:
    found = list(dict.fromkeys(values))
    for value in found:
        if not 1 <= len(value) <= 255:
            raise AwsError(
                "ValidationError",
                f"1 validation error detected: Value '{value}' at 'clientID' failed to satisfy constraint: Member must "
                "have length less than or equal to 255",
                400,
            )
    if len(found) > MAX_CLIENT_IDS:
        raise _limit(f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {MAX_CLIENT_IDS}")
    return found


def _thumbprints(values: Iterable[str]) -> list[str]:
    found = list(values)
    if len(found) > MAX_THUMBPRINTS:
        raise _invalid_input(f"Thumbprint list must contain fewer than {MAX_THUMBPRINTS} entries.")
    for value in found:
        if len(value) != 40:
            raise AwsError(
                "ValidationError",
                f"1 validation error detected: Value '{value}' at 'thumbprintList' failed to satisfy constraint: "
                "Member must have length equal to 40",
                400,
            )
        if not re.fullmatch(r"[0-9A-Fa-f]{40}", value):
            raise _invalid_input("Thumbprint must be a hexadecimal SHA-1 digest.")
    return found


def _tagged(known: Mapping[str, str], items: Iterable[Mapping[str, str]]) -> dict[str, str]:
    tags = dict(known)
    for item in items:
        key, value = item["Key"], item.get("Value", "")
        if key.lower().startswith("aws:") or not 1 <= len(key) <= 128 or len(value) > 256:
            raise _invalid_input(f"The tag {key[:128]} is not valid.")
        tags = {name: kept for name, kept in tags.items() if name.lower() != key.lower()}
        tags[key] = value
    if len(tags) > MAX_TAGS:
        raise _limit(f"The number of tags has reached the maximum limit of {MAX_TAGS}.")
    return tags


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _tag_answer(tags: Mapping[str, str]) -> dict[str, Any]:
    return {"Tags": _tag_list(tags)} if tags else {}


def _invalid_input(message: str) -> AwsError:
    return AwsError("InvalidInput", message, 400)


def _limit(message: str) -> AwsError:
    return AwsError("LimitExceeded", message, 409)
