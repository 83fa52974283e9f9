"""AWS Organizations: one organisation; its management account is 000000000000, its members are all other accounts.

An account belongs to the organisation from its first call on (accounts are cheap: any 12-digit number works).
Organisational units, moving accounts, service control and resource control policies work as on AWS, and the gateway
enforces them.  Left out: handshakes that somebody must accept, delegated administration, the effects of tag and backup
policies (their documents are kept, not enforced).

Pages: "AWS Organizations API Reference", "Service control policies (SCPs)", "Resource control policies (RCPs)", "SCP
evaluation" and "Quotas and service limits for AWS Organizations" (AWS Organizations User Guide).
"""

from __future__ import annotations

import datetime
import json
import re
import secrets
import string
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from labs.aws.gateway.calls import AwsError, ServiceCall
from labs.aws.iam import MalformedPolicy, Policy, validate_policy

MANAGEMENT_ACCOUNT = "000000000000"
SCP, RCP = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"
POLICY_TYPES = {
    SCP: "service_control_policy",
    RCP: "resource_control_policy",
    "TAG_POLICY": "tag_policy",
    "BACKUP_POLICY": "backup_policy",
    "AISERVICES_OPT_OUT_POLICY": "aiservices_opt_out_policy",
    "DECLARATIVE_POLICY_EC2": "declarative_policy_ec2",
    "CHATBOT_POLICY": "chatbot_policy",
    "SECURITYHUB_POLICY": "securityhub_policy",
}
FULL_ACCESS = "p-FullAWSAccess"
RCP_FULL_ACCESS = "p-RCPFullAWSAccess"
_ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_ALLOW_ALL_RCP = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
}
_MAX_ATTACHED = {SCP: 10, RCP: 5}  # "Quotas for AWS Organizations", in November 2026
_MEMBER_OPERATIONS = frozenset(["DescribeOrganization"])


class Organizations:
    """The organisation's state, written to a JSON file after every change.

    :param fresh: start with an organisation that has no units and no policies of its own
    """

    def __init__(self, path: Path, fresh: bool) -> None:
        self._path = path
        self._state: dict[str, Any] = {}
        self._cache: dict[tuple[str, str], tuple[tuple[Policy, ...], ...] | None] = {}
        if fresh or not path.exists():
            self.clear()
        else:
            self._state = json.loads(path.read_text())

    def clear(self) -> None:
        """Back to a new organisation with service control policies enabled."""
        organization = "o-" + _random(10)
        root = "r-" + _random(4)
        self._state = {
            "id": organization,
            "root": root,
            "created": _now(),
            "enabled": [SCP],
            "units": {},
            "accounts": {},
            "policies": {},
            "attached": {root: [FULL_ACCESS]},
            "tags": {},
            "creations": {},
            "services": {},
        }
        self._join(MANAGEMENT_ACCOUNT, "Management account", "INVITED")
        self._save()

    # -- what authorisation asks ---------------------------------------------------------------------------------------

    def membership(self, account: str) -> tuple[str, str] | None:
        """Organisation id and the path ``o-…/r-…/ou-…/`` of an account; ``None`` for no account."""
        if not re.fullmatch(r"[0-9]{12}", account):
            return None
        above = self._ancestors(account)
        return self._state["id"], "/".join([self._state["id"], *above]) + "/"

    def levels(self, account: str, policy_type: str) -> tuple[tuple[Policy, ...], ...] | None:
        """Policies of one type from the root down to the account.

        ``None`` where the type does not apply: the management account, a type that is not enabled, no account.
        """
        if account == MANAGEMENT_ACCOUNT or policy_type not in self._state["enabled"] or not account:
            return None
        key = (account, policy_type)
        if key not in self._cache:
            if len(self._cache) > 1_000:
                self._cache.clear()
            targets = [*self._ancestors(account), account]
            self._cache[key] = tuple(tuple(self._documents(target, policy_type)) for target in targets)
        return self._cache[key]

    def _documents(self, target: str, policy_type: str) -> list[Policy]:
        found = []
        for identifier in self._attached(target):
            record = self._policy(identifier)
            if record["type"] == policy_type:
                document = _ALL_DOCUMENTS.setdefault(record["content"], json.loads(record["content"]))
                found.append(Policy(document, name=record["name"], arn=record["arn"]))
        return found

    def _ancestors(self, account: str) -> list[str]:
        record = self._state["accounts"].get(account)
        unit = record["parent"] if record else self._state["root"]
        above = [unit]
        while unit != self._state["root"]:
            unit = self._state["units"][unit]["parent"]
            above.insert(0, unit)
        return above

    def _attached(self, target: str) -> list[str]:
        """Policy ids on a root, unit or account; an account that nobody has named yet has what a new one has."""
        stored = self._state["attached"].get(target)
        found = [FULL_ACCESS] if stored is None else list(stored)
        # RCPFullAWSAccess is attached everywhere by itself and cannot be detached.
        return [*found, RCP_FULL_ACCESS] if RCP in self._state["enabled"] else found

    # -- calls ---------------------------------------------------------------------------------------------------------

    def handle(self, call: ServiceCall, account: str) -> dict[str, Any]:
        """Answer one call of ``account``.

        :raises AwsError: AWS's refusals; ``AccessDeniedException`` for a member account where only the management
            account may call; ``NotImplemented`` for operations that are not here
        """
        operation = _OPERATIONS.get(call.operation)
        if operation is None:
            raise AwsError("NotImplemented", f"organizations:{call.operation} is not offered by this endpoint.", 501)
        if account != MANAGEMENT_ACCOUNT and call.operation not in _MEMBER_OPERATIONS:
            raise AwsError("AccessDeniedException", "You don't have permissions to access this resource.", 400)
        if account != MANAGEMENT_ACCOUNT:
            self._member(account)
        answer = operation(self, call.params)
        if not call.operation.startswith(("Describe", "List")):
            self._cache.clear()
            self._save()
        return answer

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._state))
        temporary.replace(self._path)

    # organisation

    def _organization(self) -> dict[str, Any]:
        identifier = self._state["id"]
        return {
            "Id": identifier,
            "Arn": f"arn:aws:organizations::{MANAGEMENT_ACCOUNT}:organization/{identifier}",
            "FeatureSet": "ALL",
            "MasterAccountArn": self._account_arn(MANAGEMENT_ACCOUNT),
            "MasterAccountId": MANAGEMENT_ACCOUNT,
            "MasterAccountEmail": "management@example.com",
            "AvailablePolicyTypes": [{"Type": SCP, "Status": "ENABLED"}],
        }

    def _describe_organization(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"Organization": self._organization()}

    def _create_organization(self, params: Mapping[str, Any]) -> dict[str, Any]:
        raise _error("AlreadyInOrganizationException", "The AWS account is already a member of an organization.")

    def _root(self) -> dict[str, Any]:
        root = self._state["root"]
        return {
            "Id": root,
            "Arn": f"arn:aws:organizations::{MANAGEMENT_ACCOUNT}:root/{self._state['id']}/{root}",
            "Name": "Root",
            "PolicyTypes": [{"Type": kind, "Status": "ENABLED"} for kind in self._state["enabled"]],
        }

    def _list_roots(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"Roots": [self._root()]}

    def _enable_type(self, params: Mapping[str, Any]) -> dict[str, Any]:
        kind = self._policy_type(params)
        self._require_root(params)
        if kind in self._state["enabled"]:
            raise _error("PolicyTypeAlreadyEnabledException", "The specified policy type is already enabled.")
        self._state["enabled"].append(kind)
        return {"Root": self._root()}

    def _disable_type(self, params: Mapping[str, Any]) -> dict[str, Any]:
        kind = self._policy_type(params)
        self._require_root(params)
        if kind not in self._state["enabled"]:
            raise _error(
                "PolicyTypeNotEnabledException", "This operation can be performed only for enabled policy types."
            )
        self._state["enabled"].remove(kind)
        for target, attached in self._state["attached"].items():
            self._state["attached"][target] = [p for p in attached if self._policy(p)["type"] != kind]
        if kind == SCP:
            self._state["attached"] = {}
        return {"Root": self._root()}

    def _require_root(self, params: Mapping[str, Any]) -> None:
        if params.get("RootId") != self._state["root"]:
            raise _error("RootNotFoundException", "You specified a root that doesn't exist.")

    def _enable_service(self, params: Mapping[str, Any]) -> dict[str, Any]:
        self._state["services"].setdefault(params["ServicePrincipal"], _now())
        return {}

    def _disable_service(self, params: Mapping[str, Any]) -> dict[str, Any]:
        self._state["services"].pop(params["ServicePrincipal"], None)
        return {}

    def _list_services(self, params: Mapping[str, Any]) -> dict[str, Any]:
        listed = [
            {"ServicePrincipal": name, "DateEnabled": _time(when)} for name, when in self._state["services"].items()
        ]
        return _page("EnabledServicePrincipals", listed, params)

    # accounts

    def _join(self, account: str, name: str, method: str, email: str = "") -> dict[str, Any]:
        record = {
            "name": name,
            "email": email or f"{account}@example.com",
            "method": method,
            "joined": _now(),
            "parent": self._state["root"],
            "status": "ACTIVE",
        }
        self._state["accounts"][account] = record
        self._state["attached"].setdefault(account, [FULL_ACCESS])
        return record

    def _member(self, account: str) -> dict[str, Any]:
        """The record of an account, which joins now if it has not yet."""
        if not re.fullmatch(r"[0-9]{12}", account):
            raise _error("AccountNotFoundException", "You specified an account that doesn't exist.")
        known: dict[str, Any] | None = self._state["accounts"].get(account)
        return known or self._join(account, f"account {account}", "INVITED")

    def _account_arn(self, account: str) -> str:
        return f"arn:aws:organizations::{MANAGEMENT_ACCOUNT}:account/{self._state['id']}/{account}"

    def _account(self, account: str) -> dict[str, Any]:
        record = self._member(account)
        return {
            "Id": account,
            "Arn": self._account_arn(account),
            "Email": record["email"],
            "Name": record["name"],
            "Status": record["status"],
            "State": record["status"],
            "JoinedMethod": record["method"],
            "JoinedTimestamp": _time(record["joined"]),
        }

    def _list_accounts(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return _page("Accounts", [self._account(account) for account in self._state["accounts"]], params)

    def _list_accounts_for_parent(self, params: Mapping[str, Any]) -> dict[str, Any]:
        parent = self._require_parent(params.get("ParentId"))
        found = [self._account(a) for a, record in self._state["accounts"].items() if record["parent"] == parent]
        return _page("Accounts", found, params)

    def _describe_account(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"Account": self._account(params["AccountId"])}

    def _create_account(self, params: Mapping[str, Any]) -> dict[str, Any]:
        account = str(100_000_000_000 + secrets.randbelow(900_000_000_000))
        email = params["Email"]
        request = "car-" + _random(32)
        if any(record["email"] == email for record in self._state["accounts"].values()):
            status = {"State": "FAILED", "FailureReason": "EMAIL_ALREADY_EXISTS"}
        else:
            self._join(account, params["AccountName"], "CREATED", email)
            self._tag(account, params.get("Tags"))
            status = {"State": "SUCCEEDED", "AccountId": account}
        self._state["creations"][request] = {"AccountName": params["AccountName"], "when": _now(), **status}
        return {"CreateAccountStatus": self._creation(request)}

    def _creation(self, request: str) -> dict[str, Any]:
        record = dict(self._state["creations"][request])
        when = _time(record.pop("when"))
        return {"Id": request, "RequestedTimestamp": when, "CompletedTimestamp": when, **record}

    def _describe_creation(self, params: Mapping[str, Any]) -> dict[str, Any]:
        request = params["CreateAccountRequestId"]
        if request not in self._state["creations"]:
            raise _error(
                "CreateAccountStatusNotFoundException", "We can't find an create account request with that id."
            )
        return {"CreateAccountStatus": self._creation(request)}

    def _list_creations(self, params: Mapping[str, Any]) -> dict[str, Any]:
        states = params.get("States")
        found = [self._creation(request) for request in self._state["creations"]]
        return _page("CreateAccountStatuses", [c for c in found if not states or c["State"] in states], params)

    def _move_account(self, params: Mapping[str, Any]) -> dict[str, Any]:
        record = self._member(params["AccountId"])
        source = self._require_parent(params["SourceParentId"], "SourceParentNotFoundException")
        target = self._require_parent(params["DestinationParentId"], "DestinationParentNotFoundException")
        if record["parent"] != source:
            raise _error("SourceParentNotFoundException", "The account is not in the source parent that you named.")
        if target == source:
            raise _error("DuplicateAccountException", "That account is already present in the specified destination.")
        record["parent"] = target
        return {}

    def _close_account(self, params: Mapping[str, Any]) -> dict[str, Any]:
        self._member(params["AccountId"])["status"] = "SUSPENDED"
        return {}

    def _remove_account(self, params: Mapping[str, Any]) -> dict[str, Any]:
        account = params["AccountId"]
        if account == MANAGEMENT_ACCOUNT:
            raise _error("MasterCannotLeaveOrganizationException", "You can't remove the management account.")
        raise _error(
            "ConstraintViolationException", "Every account on this endpoint stays a member of the organization."
        )

    # delegated administrators

    def _delegated(self) -> dict[str, dict[str, float]]:
        """Account → service principal → since when."""
        found: dict[str, dict[str, float]] = self._state.setdefault("delegated", {})
        return found

    def _register_delegate(self, params: Mapping[str, Any]) -> dict[str, Any]:
        account, service = params["AccountId"], params["ServicePrincipal"]
        self._member(account)
        if account == MANAGEMENT_ACCOUNT:
            text = "You cannot register the management account as a delegated administrator."
            raise _error("ConstraintViolationException", text)
        services = self._delegated().setdefault(account, {})
        if service in services:
            text = "The account is already a delegated administrator for this service."
            raise _error("AccountAlreadyRegisteredException", text)
        services[service] = _now()
        return {}

    def _deregister_delegate(self, params: Mapping[str, Any]) -> dict[str, Any]:
        account = params["AccountId"]
        if params["ServicePrincipal"] not in self._services_of(account):
            text = "The specified account is not a delegated administrator for this service."
            raise _error("AccountNotRegisteredException", text)
        del self._delegated()[account][params["ServicePrincipal"]]
        return {}

    def _services_of(self, account: str) -> dict[str, float]:
        return self._delegated().get(account, {})

    def _list_delegates(self, params: Mapping[str, Any]) -> dict[str, Any]:
        service = params.get("ServicePrincipal")
        found = [
            {**self._account(account), "DelegationEnabledDate": _time(min(services.values()))}
            for account, services in self._delegated().items()
            if services and (service is None or service in services)
        ]
        return _page("DelegatedAdministrators", found, params)

    def _list_delegated_services(self, params: Mapping[str, Any]) -> dict[str, Any]:
        services = self._services_of(params["AccountId"])
        if not services:
            text = "The specified account is not a delegated administrator."
            raise _error("AccountNotRegisteredException", text)
        found = [
            {"ServicePrincipal": name, "DelegationEnabledDate": _time(when)} for name, when in services.items()
        ]
        return _page("DelegatedServices", found, params)

    # invitations: whoever exists here is a member already

    def _invite(self, params: Mapping[str, Any]) -> dict[str, Any]:
        text = "ALREADY_IN_AN_ORGANIZATION: the invited account is already a member of this organization."
        raise _error("HandshakeConstraintViolationException", text)

    def _no_handshakes(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"Handshakes": []}

    def _effective_policy(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What a management policy amounts to for an account ("Understanding management policy inheritance")."""
        kind, account = self._policy_type(params), params.get("TargetId") or MANAGEMENT_ACCOUNT
        if kind in (SCP, RCP):
            raise _error("InvalidInputException", f"{kind} has no effective policy.")
        merged: dict[str, Any] = {}
        for target in [*self._ancestors(account), account]:
            for identifier in self._attached(target):
                policy = self._policy(identifier)
                if policy["type"] == kind:
                    merged = _inherited(merged, json.loads(policy["content"]))
        if not merged:
            text = "If you ran this action on the management account, this policy type is not enabled."
            raise _error("EffectivePolicyNotFoundException", text)
        about = {"PolicyContent": json.dumps(merged), "LastUpdatedTimestamp": _time(_now())}
        return {"EffectivePolicy": {**about, "TargetId": account, "PolicyType": kind}}

    # units

    def _require_parent(self, parent: Any, code: str = "ParentNotFoundException") -> str:
        if parent == self._state["root"] or parent in self._state["units"]:
            return str(parent)
        raise _error(code, "We can't find a root or OU with the ParentId that you specified.")

    def _unit(self, unit: str) -> dict[str, Any]:
        record = self._state["units"].get(unit)
        if record is None:
            raise _error(
                "OrganizationalUnitNotFoundException", "You specified an organizational unit that doesn't exist."
            )
        arn = f"arn:aws:organizations::{MANAGEMENT_ACCOUNT}:ou/{self._state['id']}/{unit}"
        return {"Id": unit, "Arn": arn, "Name": record["name"]}

    def _create_unit(self, params: Mapping[str, Any]) -> dict[str, Any]:
        parent = self._require_parent(params.get("ParentId"))
        self._require_new_unit_name(parent, params["Name"])
        unit = f"ou-{self._state['root'][2:]}-{_random(8)}"
        self._state["units"][unit] = {"name": params["Name"], "parent": parent}
        self._state["attached"][unit] = [FULL_ACCESS]
        self._tag(unit, params.get("Tags"))
        return {"OrganizationalUnit": self._unit(unit)}

    def _require_new_unit_name(self, parent: str, name: str) -> None:
        if any(u["parent"] == parent and u["name"] == name for u in self._state["units"].values()):
            raise _error("DuplicateOrganizationalUnitException", "An OU with the same name already exists.")

    def _describe_unit(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"OrganizationalUnit": self._unit(params["OrganizationalUnitId"])}

    def _update_unit(self, params: Mapping[str, Any]) -> dict[str, Any]:
        unit = params["OrganizationalUnitId"]
        self._unit(unit)
        if params.get("Name"):
            self._require_new_unit_name(self._state["units"][unit]["parent"], params["Name"])
            self._state["units"][unit]["name"] = params["Name"]
        return {"OrganizationalUnit": self._unit(unit)}

    def _delete_unit(self, params: Mapping[str, Any]) -> dict[str, Any]:
        unit = params["OrganizationalUnitId"]
        self._unit(unit)
        children = [*self._state["units"].values(), *self._state["accounts"].values()]
        if any(record["parent"] == unit for record in children):
            raise _error("OrganizationalUnitNotEmptyException", "The specified OU is not empty.")
        del self._state["units"][unit]
        self._state["attached"].pop(unit, None)
        return {}

    def _list_units(self, params: Mapping[str, Any]) -> dict[str, Any]:
        parent = self._require_parent(params.get("ParentId"))
        found = [self._unit(u) for u, record in self._state["units"].items() if record["parent"] == parent]
        return _page("OrganizationalUnits", found, params)

    def _list_parents(self, params: Mapping[str, Any]) -> dict[str, Any]:
        child = params["ChildId"]
        record = self._state["units"].get(child) or (self._member(child) if child.isdigit() else None)
        if record is None:
            raise _error(
                "ChildNotFoundException", "We can't find an OU or account with the ChildId that you specified."
            )
        return {"Parents": [{"Id": record["parent"], "Type": _kind(record["parent"])}]}

    def _list_children(self, params: Mapping[str, Any]) -> dict[str, Any]:
        parent = self._require_parent(params.get("ParentId"))
        accounts = params.get("ChildType") == "ACCOUNT"
        records = self._state["accounts" if accounts else "units"]
        kind = "ACCOUNT" if accounts else "ORGANIZATIONAL_UNIT"
        return _page("Children", [{"Id": c, "Type": kind} for c, r in records.items() if r["parent"] == parent], params)

    # policies

    def _policy_type(self, params: Mapping[str, Any], name: str = "PolicyType") -> str:
        kind = params.get(name)
        if kind not in POLICY_TYPES:
            raise _error("InvalidInputException", f"You provided a value that isn't valid for {name}: {kind}")
        return str(kind)

    def _policy(self, identifier: str) -> dict[str, Any]:
        if identifier == FULL_ACCESS:
            return _managed(FULL_ACCESS, "FullAWSAccess", SCP, _ALLOW_ALL)
        if identifier == RCP_FULL_ACCESS:
            return _managed(RCP_FULL_ACCESS, "RCPFullAWSAccess", RCP, _ALLOW_ALL_RCP)
        record: dict[str, Any] | None = self._state["policies"].get(identifier)
        if record is None:
            raise _error("PolicyNotFoundException", "You specified a policy that doesn't exist.")
        return record

    def _summary(self, identifier: str) -> dict[str, Any]:
        record = self._policy(identifier)
        return {
            "Id": identifier,
            "Arn": record["arn"],
            "Name": record["name"],
            "Description": record["description"],
            "Type": record["type"],
            "AwsManaged": record.get("managed", False),
        }

    def _shown(self, identifier: str) -> dict[str, Any]:
        return {"Policy": {"PolicySummary": self._summary(identifier), "Content": self._policy(identifier)["content"]}}

    def _check_content(self, kind: str, content: str) -> None:
        grammar = {SCP: "scp", RCP: "rcp"}.get(kind)
        try:
            if grammar:
                validate_policy(content, grammar)
            else:
                json.loads(content)
        except MalformedPolicy as problem:
            raise _error(problem.code, problem.message) from problem
        except ValueError as problem:
            raise _error(
                "MalformedPolicyDocumentException", "The provided policy document is not valid JSON."
            ) from problem

    def _create_policy(self, params: Mapping[str, Any]) -> dict[str, Any]:
        kind, name = self._policy_type(params, "Type"), params["Name"]
        self._check_content(kind, params["Content"])
        if any(p["name"] == name and p["type"] == kind for p in self._state["policies"].values()):
            raise _error("DuplicatePolicyException", "A policy with the same name already exists.")
        identifier = "p-" + _random(8)
        arn = (
            f"arn:aws:organizations::{MANAGEMENT_ACCOUNT}:policy/{self._state['id']}/{POLICY_TYPES[kind]}/{identifier}"
        )
        self._state["policies"][identifier] = {
            "name": name,
            "description": params.get("Description", ""),
            "type": kind,
            "content": params["Content"],
            "arn": arn,
        }
        self._tag(identifier, params.get("Tags"))
        return self._shown(identifier)

    def _describe_policy(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return self._shown(params["PolicyId"])

    def _update_policy(self, params: Mapping[str, Any]) -> dict[str, Any]:
        identifier = params["PolicyId"]
        record = self._changeable(identifier)
        if params.get("Content") is not None:
            self._check_content(record["type"], params["Content"])
            record["content"] = params["Content"]
        record["name"] = params.get("Name") or record["name"]
        record["description"] = params.get("Description", record["description"])
        return self._shown(identifier)

    def _changeable(self, identifier: str) -> dict[str, Any]:
        record = self._policy(identifier)
        if record.get("managed"):
            raise _error("InvalidInputException", "You specified an AWS managed policy, which can't be changed.")
        return record

    def _delete_policy(self, params: Mapping[str, Any]) -> dict[str, Any]:
        identifier = params["PolicyId"]
        self._changeable(identifier)
        if any(identifier in attached for attached in self._state["attached"].values()):
            raise _error("PolicyInUseException", "The policy is attached to one or more entities.")
        del self._state["policies"][identifier]
        return {}

    def _list_policies(self, params: Mapping[str, Any]) -> dict[str, Any]:
        kind = self._policy_type(params, "Filter")
        own = [identifier for identifier, record in self._state["policies"].items() if record["type"] == kind]
        managed = {SCP: [FULL_ACCESS], RCP: [RCP_FULL_ACCESS] if RCP in self._state["enabled"] else []}.get(kind, [])
        return _page("Policies", [self._summary(identifier) for identifier in [*managed, *own]], params)

    def _target(self, target: str) -> str:
        if target == self._state["root"] or target in self._state["units"]:
            return target
        if re.fullmatch(r"[0-9]{12}", target):
            self._member(target)
            return target
        raise _error(
            "TargetNotFoundException", "We can't find a root, OU, or account with the TargetId that you specified."
        )

    def _attach(self, params: Mapping[str, Any]) -> dict[str, Any]:
        record = self._policy(params["PolicyId"])
        target = self._target(params["TargetId"])
        if record["type"] not in self._state["enabled"]:
            raise _error(
                "PolicyTypeNotEnabledException", "The specified policy type isn't currently enabled in this root."
            )
        attached = self._state["attached"].setdefault(target, [FULL_ACCESS])
        if params["PolicyId"] in self._attached(target):
            raise _error(
                "DuplicatePolicyAttachmentException", "The selected policy is already attached to the specified target."
            )
        same = [p for p in attached if self._policy(p)["type"] == record["type"]]
        if len(same) >= _MAX_ATTACHED.get(record["type"], 10):
            raise _error(
                "ConstraintViolationException",
                "You have attached the maximum number of policies of this type to the target.",
            )
        attached.append(params["PolicyId"])
        return {}

    def _detach(self, params: Mapping[str, Any]) -> dict[str, Any]:
        record = self._policy(params["PolicyId"])
        target = self._target(params["TargetId"])
        attached = self._state["attached"].setdefault(target, [FULL_ACCESS])
        if params["PolicyId"] not in attached:
            raise _error("PolicyNotAttachedException", "The policy isn't attached to the specified target.")
        same = [p for p in attached if self._policy(p)["type"] == record["type"]]
        if record["type"] == SCP and len(same) == 1:
            raise _error(
                "ConstraintViolationException", "You can't detach the last service control policy from a target."
            )
        attached.remove(params["PolicyId"])
        return {}

    def _list_for_target(self, params: Mapping[str, Any]) -> dict[str, Any]:
        kind, target = self._policy_type(params, "Filter"), self._target(params["TargetId"])
        found = [self._summary(p) for p in self._attached(target) if self._policy(p)["type"] == kind]
        return _page("Policies", found, params)

    def _list_targets(self, params: Mapping[str, Any]) -> dict[str, Any]:
        self._policy(params["PolicyId"])
        targets = [t for t, attached in self._state["attached"].items() if params["PolicyId"] in attached]
        return _page("Targets", [self._target_shown(target) for target in targets], params)

    def _target_shown(self, target: str) -> dict[str, Any]:
        if target == self._state["root"]:
            return {"TargetId": target, "Arn": self._root()["Arn"], "Name": "Root", "Type": "ROOT"}
        shown = self._unit(target) if target in self._state["units"] else self._account(target)
        kind = "ORGANIZATIONAL_UNIT" if target in self._state["units"] else "ACCOUNT"
        return {"TargetId": target, "Arn": shown["Arn"], "Name": shown["Name"], "Type": kind}

    # tags

    def _tag(self, identifier: str, tags: Any) -> None:
        if tags:
            self._state["tags"].setdefault(identifier, {}).update({tag["Key"]: tag["Value"] for tag in tags})

    def _tag_resource(self, params: Mapping[str, Any]) -> dict[str, Any]:
        self._tag(params["ResourceId"], params.get("Tags"))
        return {}

    def _untag_resource(self, params: Mapping[str, Any]) -> dict[str, Any]:
        for key in params.get("TagKeys") or []:
            self._state["tags"].get(params["ResourceId"], {}).pop(key, None)
        return {}

    def _list_tags(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"Tags": [{"Key": k, "Value": v} for k, v in self._state["tags"].get(params["ResourceId"], {}).items()]}


_ALL_DOCUMENTS: dict[str, dict[str, Any]] = {}  # parsed once, so that the evaluator's compiled form is found again

_OPERATIONS: dict[str, Callable[[Organizations, Mapping[str, Any]], dict[str, Any]]] = {
    "AttachPolicy": Organizations._attach,
    "CloseAccount": Organizations._close_account,
    "CreateAccount": Organizations._create_account,
    "CreateOrganization": Organizations._create_organization,
    "CreateOrganizationalUnit": Organizations._create_unit,
    "CreatePolicy": Organizations._create_policy,
    "DeleteOrganizationalUnit": Organizations._delete_unit,
    "DeletePolicy": Organizations._delete_policy,
    "DescribeAccount": Organizations._describe_account,
    "RegisterDelegatedAdministrator": Organizations._register_delegate,
    "DeregisterDelegatedAdministrator": Organizations._deregister_delegate,
    "ListDelegatedAdministrators": Organizations._list_delegates,
    "ListDelegatedServicesForAccount": Organizations._list_delegated_services,
    "InviteAccountToOrganization": Organizations._invite,
    "ListHandshakesForOrganization": Organizations._no_handshakes,
    "DescribeEffectivePolicy": Organizations._effective_policy,
    "DescribeCreateAccountStatus": Organizations._describe_creation,
    "DescribeOrganization": Organizations._describe_organization,
    "DescribeOrganizationalUnit": Organizations._describe_unit,
    "DescribePolicy": Organizations._describe_policy,
    "DetachPolicy": Organizations._detach,
    "DisableAWSServiceAccess": Organizations._disable_service,
    "DisablePolicyType": Organizations._disable_type,
    "EnableAWSServiceAccess": Organizations._enable_service,
    "EnablePolicyType": Organizations._enable_type,
    "ListAWSServiceAccessForOrganization": Organizations._list_services,
    "ListAccounts": Organizations._list_accounts,
    "ListAccountsForParent": Organizations._list_accounts_for_parent,
    "ListChildren": Organizations._list_children,
    "ListCreateAccountStatus": Organizations._list_creations,
    "ListOrganizationalUnitsForParent": Organizations._list_units,
    "ListParents": Organizations._list_parents,
    "ListPolicies": Organizations._list_policies,
    "ListPoliciesForTarget": Organizations._list_for_target,
    "ListRoots": Organizations._list_roots,
    "ListTagsForResource": Organizations._list_tags,
    "ListTargetsForPolicy": Organizations._list_targets,
    "MoveAccount": Organizations._move_account,
    "RemoveAccountFromOrganization": Organizations._remove_account,
    "TagResource": Organizations._tag_resource,
    "UntagResource": Organizations._untag_resource,
    "UpdateOrganizationalUnit": Organizations._update_unit,
    "UpdatePolicy": Organizations._update_policy,
}


def _inherited(parent: Any, child: Any) -> Any:
    """A policy under another one: ``@@assign`` replaces, ``@@append`` adds, ``@@remove`` takes away."""
    if not isinstance(child, Mapping):
        return child
    if "@@assign" in child:
        return child["@@assign"]
    if "@@append" in child or "@@remove" in child:
        kept = list(parent) if isinstance(parent, list) else []
        listed = lambda name: v if isinstance(v := child.get(name, []), list) else [v]  # noqa: E731
        kept += [value for value in listed("@@append") if value not in kept]
        return [value for value in kept if value not in listed("@@remove")]
    merged = dict(parent) if isinstance(parent, Mapping) else {}
    for name, value in child.items():
        if not name.startswith("@@"):
            merged[name] = _inherited(merged.get(name), value)
    return merged


def _managed(identifier: str, name: str, kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "description": "Allows access to every operation" if kind == SCP else "Allows access to every resource",
        "type": kind,
        "content": json.dumps(document),
        "arn": f"arn:aws:organizations::aws:policy/{POLICY_TYPES[kind]}/{identifier}",
        "managed": True,
    }


def _kind(parent: str) -> str:
    return "ROOT" if parent.startswith("r-") else "ORGANIZATIONAL_UNIT"


def _page(name: str, items: list[Any], params: Mapping[str, Any]) -> dict[str, Any]:
    size = params.get("MaxResults") or 20
    token = params.get("NextToken") or "0"
    if not str(token).isdigit():
        raise _error("InvalidInputException", "You provided a NextToken that isn't valid.")
    start = int(token)
    page: dict[str, Any] = {name: items[start : start + size]}
    if start + size < len(items):
        page["NextToken"] = str(start + size)
    return page


def _error(code: str, message: str) -> AwsError:
    return AwsError(code, message, 400)


def _random(length: int) -> str:
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(length))


def _now() -> float:
    return datetime.datetime.now(datetime.UTC).timestamp()


def _time(when: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(when, datetime.UTC)
