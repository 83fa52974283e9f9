"""``ValidatePolicy``: what is wrong, dangerous or superfluous in one policy document, with the place of each finding.

"IAM policy validation check reference" (IAM User Guide); codes and wording are in ``access_analyzer_issues``.

An action or resource type that is newer than the Service Authorization Reference beside the gateway is reported as
unknown.  Not checked, because the data or an exact rule is missing: the condition keys of single services, the symbols
within a policy variable, syntax of resource control policies, the quota of resource policies, and checks that AWS added
without a static rule (such as tag-based access to certain resources).
"""

from __future__ import annotations

import base64
import binascii
import difflib
import ipaddress
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any
from zipfile import ZipFile

from labs.aws.gateway.actions import reference
from labs.aws.iam.conditions import OPERATORS, _moment, _number, split_operator
from labs.aws.iam.grammar import LIMITS, policy_size
from labs.aws.iam.matching import action_matcher
from labs.aws.providers import access_analyzer_space as space
from labs.aws.providers.access_analyzer_issues import issues, link
from labs.aws.providers.access_analyzer_json import JsonSyntaxError, Node, Text

VERSIONS = ("2012-10-17", "2008-10-17")
PARTITIONS = ("aws", "aws-cn", "aws-us-gov")
TOP = ("Version", "Id", "Statement")
ELEMENTS = ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
PRINCIPAL_KEYS = ("AWS", "CanonicalUser", "Federated", "Service")
IDENTITY, RESOURCE, SCP, RCP = (
    "IDENTITY_POLICY",
    "RESOURCE_POLICY",
    "SERVICE_CONTROL_POLICY",
    "RESOURCE_CONTROL_POLICY",
)
TRUST = "AWS::IAM::AssumeRolePolicyDocument"
WIDE_WORDS = 200
"""Wildcard patterns of one element that others are compared with; more than that are not looked at."""

_RESOURCE_NAMES = {"AWS::S3::Bucket": "S3 Bucket", TRUST: "IAM Role", "AWS::DynamoDB::Table": "DynamoDB Table"}
_RESOURCE_ARNS = {"AWS::S3::Bucket": "arn:*:s3:::?*", "AWS::DynamoDB::Table": "arn:*:dynamodb:*:*:table/*"}
_RESOURCE_ACTIONS = {"AWS::S3::Bucket": "s3", TRUST: "sts", "AWS::DynamoDB::Table": "dynamodb"}

# "AWS global condition context keys" (IAM User Guide): name in lower case -> the kind of operator it is compared with.
_GLOBAL = {
    name.lower(): kind
    for kind, names in {
        "String": """aws:CalledVia aws:CalledViaFirst aws:CalledViaLast aws:CalledViaAWSMCP aws:ChatbotSourceArn
            aws:Ec2InstanceSourceVPC aws:FederatedProvider aws:PrincipalAccount aws:PrincipalOrgID
            aws:PrincipalOrgMasterAccountId aws:PrincipalOrgPaths aws:PrincipalServiceName
            aws:PrincipalServiceNamesList aws:PrincipalType aws:Referer aws:RequestedRegion aws:ResourceAccount
            aws:ResourceOrgID aws:ResourceOrgPaths aws:SignInSessionArn aws:SourceAccount aws:SourceIdentity
            aws:SourceOrgID aws:SourceOrgPaths aws:SourceOwner aws:SourceVpc aws:SourceVpce aws:TagKeys aws:UserAgent
            aws:userid aws:username aws:VpceAccount aws:VpceOrgID aws:VpceOrgPaths""",
        "ARN": "aws:PrincipalArn aws:SourceArn aws:SourceVpcArn",
        "Bool": """aws:AssumedRoot aws:IsMcpServiceAction aws:MultiFactorAuthPresent
            aws:PrincipalIsAWSService aws:SecureTransport aws:ViaAWSMCPService aws:ViaAWSService""",
        "IP": "aws:Ec2InstanceSourcePrivateIPv4 aws:SourceIp aws:VpcSourceIp",
        "Numeric": "aws:MultiFactorAuthAge",
        "Date": "aws:CurrentTime aws:EpochTime aws:TokenIssueTime",
    }.items()
    for name in names.split()
}
_TAGGED = ("aws:principaltag/", "aws:requesttag/", "aws:resourcetag/")
_MULTIVALUED = frozenset(
    [
        "aws:tagkeys",
        "aws:calledvia",
        "aws:principalorgpaths",
        "aws:resourceorgpaths",
        "aws:sourceorgpaths",
        "aws:principalservicenameslist",
        "aws:vpceorgpaths",
    ]
)
_KINDS = {
    "String": ("string",),
    "ARN": ("arn", "string"),
    "Bool": ("bool",),
    "IP": ("ipaddress", "notipaddress"),
    "Numeric": ("numeric",),
    "Date": ("date", "numeric"),
}
_REGIONS = frozenset(
    [
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
        "af-south-1",
        "ap-east-1",
        "ap-east-2",
        "ap-south-1",
        "ap-south-2",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-southeast-3",
        "ap-southeast-4",
        "ap-southeast-5",
        "ap-southeast-6",
        "ap-southeast-7",
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-3",
        "ca-central-1",
        "ca-west-1",
        "eu-central-1",
        "eu-central-2",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "eu-north-1",
        "eu-south-1",
        "eu-south-2",
        "il-central-1",
        "me-south-1",
        "me-central-1",
        "mx-central-1",
        "sa-east-1",
        "us-gov-east-1",
        "us-gov-west-1",
        "cn-north-1",
        "cn-northwest-1",
    ]
)
_SOURCES = ("aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths", "aws:sourceowner")
_SERVICES_OF_THE_ACCOUNT = (
    re.compile(  # run the customer's code or act within the account: no source to be confused with
        r"(ec2|lambda|ecs-tasks|eks|pods\.eks|eks-fargate-pods|edgelambda|codebuild|spotfleet|glue|sagemaker|states)\."
        r"amazonaws\.com(\.cn)?"
    )
)


def findings(document: str, policy_type: str, resource_type: str | None = None) -> list[dict[str, Any]]:
    """Every finding about a policy text, in the shape of ``ValidatePolicyFinding``, ordered by place.

    :param policy_type: ``IDENTITY_POLICY``, ``RESOURCE_POLICY``, ``SERVICE_CONTROL_POLICY`` or
        ``RESOURCE_CONTROL_POLICY``
    :param resource_type: e.g. ``AWS::S3::Bucket``; only with ``RESOURCE_POLICY``
    """
    inspection = _Inspection(document, policy_type, resource_type)
    inspection.run()
    return inspection.found


class _Inspection:
    """One document under inspection."""

    def __init__(self, document: str, policy_type: str, resource_type: str | None) -> None:
        self.text, self.type, self.resource_type = Text(document), policy_type, resource_type
        self.source = document
        self.found: list[dict[str, Any]] = []
        self.version = ""

    def report(self, code: str, *nodes: Node, fill: tuple[Any, ...] = (), more: str = "") -> None:
        """One finding at the places of ``nodes``."""
        kind, text = issues()[code]
        self.found.append(
            {
                "findingDetails": text.format(*fill) + more,
                "findingType": kind,
                "issueCode": code,
                "learnMoreLink": link(code),
                "locations": [self.text.location(node) for node in nodes],
            }
        )

    def run(self) -> None:
        try:
            root = self.text.root()
        except JsonSyntaxError as problem:
            place = self.text.position(problem.offset)
            node = Node(None, "null", problem.offset, problem.offset)
            self.report("JSON_SYNTAX_ERROR", node, fill=(place["offset"], place["line"], place["column"]))
            return
        if root.kind != "object":
            self.report("DATA_TYPE_MISMATCH", root, fill=("Object",))
            return
        self._top(root)
        statements = self._statements(root)
        for statement in statements:
            self._statement(statement)
        self._sids(statements)
        self._redundant_statements(statements)
        self._size(root)
        self.found.sort(key=lambda one: one["locations"][0]["span"]["start"]["offset"] if one["locations"] else 0)

    # -- the document ----------------------------------------------------------------------------------------------

    def _top(self, root: Node) -> None:
        for name, node in root.members:
            if name not in TOP:
                self.report("INVALID_POLICY_ELEMENT", node, fill=(name,))
        identifier = root.get("Id")
        if identifier is not None and identifier.kind != "string":
            self.report("DATA_TYPE_MISMATCH", identifier, fill=("String",))
        version = root.get("Version")
        if version is None:
            self.report("MISSING_VERSION", root)
        elif version.kind != "string":
            self.report("DATA_TYPE_MISMATCH", version, fill=("String",))
        elif version.value not in VERSIONS:
            self.report("INVALID_VERSION", version, fill=(version.value,))
        self.version = version.value if version is not None and version.kind == "string" else "2008-10-17"

    def _statements(self, root: Node) -> list[Node]:
        listed = root.get("Statement")
        if listed is None or (listed.kind == "list" and not listed.items):
            self.report("MISSING_STATEMENT", listed or root)
            return []
        for node in listed.each():
            if node.kind != "object":
                self.report("DATA_TYPE_MISMATCH", node, fill=("Object",))
        return [node for node in listed.each() if node.kind == "object"]

    def _sids(self, statements: list[Node]) -> None:
        sids = [sid for one in statements if (sid := one.get("Sid")) is not None and sid.kind == "string" and sid.value]
        counted = Counter(sid.value for sid in sids)
        for sid, node in {sid.value: sid for sid in reversed(sids)}.items():
            if counted[sid] > 1:
                code = "UNIQUE_SIDS_REQUIRED" if self.type in (IDENTITY, SCP, RCP) else "UNIQUE_SIDS_RECOMMENDED"
                self.report(code, *[other for other in sids if other.value == node.value])

    def _redundant_statements(self, statements: list[Node]) -> None:
        groups: dict[str, list[Node]] = {}
        for node in statements:
            plain = node.plain()
            plain.pop("Sid", None)
            groups.setdefault(repr(_sorted(plain)), []).append(node)
        for same in groups.values():
            if len(same) > 1:
                self.report("REDUNDANT_STATEMENT", *same)

    def _size(self, root: Node) -> None:
        if self.type == IDENTITY and (size := policy_size(self.source)) > LIMITS["managed"]:
            self.report("POLICY_SIZE_EXCEEDS_IDENTITY_POLICY_QUOTA", root, fill=(size, LIMITS["managed"]))
        if self.type == SCP and (size := policy_size(self.source, "scp")) > LIMITS["scp"]:
            self.report("POLICY_SIZE_EXCEEDS_SCP_QUOTA", root, fill=(size, LIMITS["scp"]))

    # -- one statement ---------------------------------------------------------------------------------------------

    def _statement(self, statement: Node) -> None:
        for name, node in statement.members:
            if name not in ELEMENTS:
                self.report("INVALID_POLICY_ELEMENT", node, fill=(name,))
        for one in ("Principal", "Action", "Resource"):
            both = statement.get(one), statement.get(f"Not{one}")
            if both[0] is not None and both[1] is not None:
                self.report("UNSUPPORTED_ELEMENT_COMBINATION", both[0], both[1], fill=(one, f"Not{one}"))
        self._sid(statement.get("Sid"))
        self._effect(statement)
        self._principal(statement)
        self._actions(statement)
        self._resources(statement)
        self._conditions(statement)
        self._roles(statement)
        self._variables(statement)

    def _sid(self, sid: Node | None) -> None:
        if sid is None:
            return
        if sid.kind != "string":
            self.report("DATA_TYPE_MISMATCH", sid, fill=("String",))
        elif not sid.value:
            self.report("EMPTY_SID_VALUE", sid)
        elif self.type in (IDENTITY, SCP) and not re.fullmatch(r"[A-Za-z0-9]+", sid.value):
            self.report("UNSUPPORTED_SID", sid)

    def _effect(self, statement: Node) -> None:
        effect = statement.get("Effect")
        if effect is None:
            self.report("MISSING_EFFECT", statement)
        elif effect.kind != "string":
            self.report("DATA_TYPE_MISMATCH", effect, fill=("String",))
        elif effect.value not in ("Allow", "Deny"):
            self.report("INVALID_EFFECT", effect, fill=(effect.value,))

    def _strings(self, node: Node | None) -> list[Node]:
        """The strings of an element; anything else is a finding."""
        if node is None:
            return []
        for item in node.each():
            if item.kind != "string":
                self.report("DATA_TYPE_MISMATCH", item, fill=("String",))
        return [item for item in node.each() if item.kind == "string"]

    # -- principals ------------------------------------------------------------------------------------------------

    def _principal(self, statement: Node) -> None:
        principal, other = statement.get("Principal"), statement.get("NotPrincipal")
        node = principal if principal is not None else other
        if self.type in (IDENTITY, SCP):
            if node is not None and self.type == SCP:
                self.report("SCP_SYNTAX_ERROR_PRINCIPAL", node)
            elif node is not None:
                self.report("UNSUPPORTED_PRINCIPAL", node, fill=(IDENTITY,))
            return
        if node is None:
            self.report("MISSING_PRINCIPAL", statement)
            return
        if other is not None and _is(statement, "Allow"):
            self.report("ALLOW_WITH_NOT_PRINCIPAL", other)
        if node.kind == "string" or node.kind not in ("object",):
            if node.value != "*":
                self.report("INVALID_PRINCIPAL_FORMAT", node)
            return
        if not node.members:
            self.report("EMPTY_OBJECT_PRINCIPAL", node)
        for key, value in node.members:
            self._principals(key, value)
        self._service_source(statement, node)
        self._mismatched(statement, node)

    def _principals(self, key: str, value: Node) -> None:
        if key not in PRINCIPAL_KEYS:
            self.report("INVALID_PRINCIPAL_KEY", value, fill=(key,))
            return
        if value.kind == "list" and not value.items:
            self.report("EMPTY_ARRAY_PRINCIPAL", value)
        for item in self._strings(value):
            word = item.value
            if ("*" in word or "?" in word) and (key != "AWS" or word != "*"):
                self.report("UNSUPPORTED_WILDCARD_IN_PRINCIPAL", item, fill=(key,))
            elif key == "AWS" and re.fullmatch(r"AROA[A-Z0-9]{12,}", word):
                self.report("INVALID_ROLE_REFERENCE", item, fill=(word,))
            elif key == "AWS" and re.fullmatch(r"AIDA[A-Z0-9]{12,}", word):
                self.report("INVALID_USER_REFERENCE", item, fill=(word,))
            elif key == "Service" and not re.fullmatch(r"[a-z0-9.-]+\.(amazonaws\.com(\.cn)?|amazon\.com)", word):
                self.report("INVALID_SERVICE_PRINCIPAL_FORMAT", item, fill=("service-name.amazonaws.com",))

    def _service_source(self, statement: Node, principal: Node) -> None:
        """A service calls for anybody unless the policy says for whom ("The confused deputy problem")."""
        services = principal.get("Service")
        if services is None or not _is(statement, "Allow") or self.resource_type == TRUST:
            return
        keys = {key.lower() for _, key, _ in _condition_entries(statement)}
        if keys.intersection(_SOURCES):
            return
        open_ones = [
            item
            for item in services.each()
            if item.kind == "string"
            and item.value.endswith("amazonaws.com")
            and not _SERVICES_OF_THE_ACCOUNT.fullmatch(item.value)
        ]
        if open_ones and not all(node.value.lower().startswith("sts:") for node in _nodes(statement, "Action")):
            self.report("RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL", *open_ones)

    def _mismatched(self, statement: Node, principal: Node) -> None:
        federated = principal.get("Federated")
        if federated is None or not _is(statement, "Allow"):
            return
        named = [item for item in federated.each() if item.kind == "string"]
        for action in _nodes(statement, "Action"):
            wanted = str(action.value).lower()
            saml = [":saml-provider/" in item.value for item in named]
            bad = (
                wanted == "sts:assumerole"
                or (wanted == "sts:assumerolewithsaml" and not any(saml))
                or (wanted == "sts:assumerolewithwebidentity" and all(saml))
            )
            if bad and named:
                self.report(
                    "MISMATCHED_ACTION_FOR_PRINCIPAL",
                    action,
                    federated,
                    fill=(action.value, ", ".join(item.value for item in named)),
                )

    # -- actions ---------------------------------------------------------------------------------------------------

    def _actions(self, statement: Node) -> None:
        element = statement.get("Action") if statement.get("Action") is not None else statement.get("NotAction")
        if element is None:
            self.report("MISSING_ACTION", statement)
            return
        if element.kind == "list" and not element.items:
            self.report("EMPTY_ARRAY_ACTION", element)
        nodes = self._strings(element)
        for node in nodes:
            self._action(node)
        self._redundant_actions(nodes)

    def _action(self, node: Node) -> None:
        word = node.value
        if word == "*":
            return
        prefix, colon, name = word.partition(":")
        if "*" in prefix or "?" in prefix:
            self.report("WILDCARD_IN_SERVICE_NAME", node)
            return
        if not colon or prefix.lower() not in prefixes():
            near = difflib.get_close_matches(prefix.lower(), prefixes(), n=1)
            more = f" Did you mean {near[0]}?" if near else ""
            self.report("INVALID_SERVICE_IN_ACTION", node, fill=(prefix,), more=more)
            return
        known = reference.service(prefix.lower()).actions
        test = action_matcher((name.lower(),))
        if not any(test(action) for action in known):
            near = difflib.get_close_matches(name.lower(), known, n=1)
            more = f" Did you mean {prefix}:{known[near[0]].name}?" if near else ""
            self.report("INVALID_ACTION", node, fill=(word,), more=more)
            return
        wanted = _RESOURCE_ACTIONS.get(self.resource_type or "")
        if wanted and prefix.lower() != wanted:
            self.report("UNSUPPORTED_ACTION_IN_POLICY", node, fill=(word, _RESOURCE_NAMES[self.resource_type or ""]))

    def _redundant_actions(self, nodes: list[Node]) -> None:
        redundant = _redundant(nodes, [node.value.lower() for node in nodes])
        if redundant:
            self.report("REDUNDANT_ACTION", *redundant, fill=(len(redundant), redundant[0].value))

    # -- resources -------------------------------------------------------------------------------------------------

    def _resources(self, statement: Node) -> None:
        element = statement.get("Resource") if statement.get("Resource") is not None else statement.get("NotResource")
        if element is None:
            if self.type in (IDENTITY, SCP, RCP):
                self.report("MISSING_RESOURCE", statement)
            return
        if element.kind == "list" and not element.items:
            self.report("EMPTY_ARRAY_RESOURCE", element)
        nodes = self._strings(element)
        for node in nodes:
            self._resource(node)
        redundant = _redundant(nodes, [node.value for node in nodes])
        if redundant:
            self.report("REDUNDANT_RESOURCE", *redundant, fill=(len(redundant),))

    def _resource(self, node: Node) -> None:
        word = re.sub(r"\$\{[^}]*\}", "*", node.value)  # a variable may hold colons, and stands for anything
        allowed = _RESOURCE_ARNS.get(self.resource_type or "")
        if (allowed and space.intersection(allowed, word) is None) or (allowed and word == "*"):
            self.report("UNSUPPORTED_RESOURCE_ARN_IN_POLICY", node, fill=(_RESOURCE_NAMES[self.resource_type or ""],))
            return
        if word.strip("*") == "" and word:
            return
        parts = word.split(":", 5)
        if parts[0] != "arn":
            self.report("INVALID_ARN_PREFIX", node)
            return
        if len(parts) < 6:
            if not word.endswith("*"):
                self.report("MISSING_ARN_FIELD", node, fill=(6,))
            return
        self._arn(node, *parts[1:])

    def _arn(self, node: Node, partition: str, service: str, region: str, account: str, rest: str) -> None:
        if not _free(partition) and partition not in PARTITIONS:
            self.report("INVALID_PARTITION", node, fill=(service, partition, ", ".join(PARTITIONS)))
        if _free(service):
            if service:
                self.report("WILDCARD_IN_SERVICE_NAME", node)
            return
        if service != service.lower():
            self.report("INVALID_ARN_SERVICE_CASE", node, fill=(service,))
            return
        forms = arn_forms(service)
        fitting = [one for one in forms if _fits(one[2], rest)]
        if not fitting:  # rarely: another prefix's resource
            forms = every_arn_form().get(service, ())
            fitting = [one for one in forms if _fits(one[2], rest)]
        if not forms:
            self.report("INVALID_SERVICE", node, fill=(service,))
            return
        if account and not _free(account) and not re.fullmatch(r"\d{12}|aws", account):
            self.report("INVALID_ARN_ACCOUNT", node, fill=(account,))
            return
        if not fitting:
            if not has_foreign_forms(service):
                self.report("INVALID_ARN_RESOURCE", node)
            return
        self._arn_fields(node, service, region, account, fitting)

    def _arn_fields(self, node: Node, service: str, region: str, account: str, fitting: list[Form]) -> None:
        regional = {bool(one[0]) for one in fitting}
        owned = {bool(one[1]) for one in fitting}
        if region and not _free(region):
            if regional == {False}:
                self.report("ARN_REGION_NOT_ALLOWED", node, fill=(service,))
            elif region not in _REGIONS:
                self.report("INVALID_ARN_REGION", node, fill=(region,))
        elif not region and regional == {True}:
            self.report("MISSING_ARN_REGION", node, fill=(service,))
        if account and account != "*" and owned == {False}:
            self.report("ARN_ACCOUNT_NOT_ALLOWED", node, fill=(service,))

    # -- conditions ------------------------------------------------------------------------------------------------

    def _conditions(self, statement: Node) -> None:
        block = statement.get("Condition")
        if block is None:
            return
        if block.kind != "object":
            self.report("DATA_TYPE_MISMATCH", block, fill=("Object",))
            return
        if not block.members:
            self.report("EMPTY_OBJECT_CONDITION", block)
        for operator, keys in block.members:
            if self._operator(operator, keys):
                self._keys(operator, keys)

    def _operator(self, operator: str, keys: Node) -> bool:
        qualifier, base, if_exists = split_operator(operator)
        if base == "null" and if_exists:
            self.report("NULL_WITH_IF_EXISTS", keys)
            return False
        if qualifier not in ("", "forallvalues", "foranyvalue") or (base != "null" and base not in OPERATORS):
            self.report("INVALID_CONDITION_OPERATOR", keys, fill=(operator,))
            return False
        if base == "null" and qualifier:
            self.report("NULL_WITH_QUALIFIER", keys)
        if keys.kind != "object":
            self.report("DATA_TYPE_MISMATCH", keys, fill=("Object",))
            return False
        if not keys.members:
            self.report("EMPTY_OBJECT_CONDITION", keys)
        return True

    def _keys(self, operator: str, keys: Node) -> None:
        spelled: dict[str, list[tuple[str, Node]]] = {}
        for key, value in keys.members:
            spelled.setdefault(key.lower(), []).append((key, value))
            if self._key(operator, key, value):
                self._values(operator, key, value)
        for same in spelled.values():
            if len(same) > 1:
                self.report("DUPLICATE_KEYS_WITH_DIFFERENT_CASE", *[node for _, node in same], fill=(same[0][0],))

    def _key(self, operator: str, key: str, value: Node) -> bool:
        lowered = key.lower()
        prefix, colon, name = lowered.partition(":")
        if not colon or not prefix or not name:
            self.report("INVALID_CONDITION_KEY_FORMAT", value)
            return False
        if lowered == "aws:arn":
            self.report("UNSUPPORTED_GLOBAL_CONDITION_KEY", value)
            return False
        if lowered in _TAGGED or lowered.rstrip("/") + "/" in _TAGGED:
            self.report("MISSING_TAG_KEY_IN_CONDITION", value, fill=(key if key.endswith("/") else key + "/",))
            return False
        if prefix == "aws" and lowered not in _GLOBAL and not lowered.startswith(_TAGGED):
            self.report("INVALID_GLOBAL_CONDITION_KEY", value, fill=(key,))
            return False
        self._qualified(operator, key, value)
        return True

    def _qualified(self, operator: str, key: str, value: Node) -> None:
        qualifier, base, if_exists = split_operator(operator)
        lowered = key.lower()
        if base != "null" and lowered in _MULTIVALUED and not qualifier:
            self.report("MISSING_QUALIFIER", value, fill=(key,))
        single = lowered in _GLOBAL and lowered not in _MULTIVALUED
        if qualifier == "forallvalues" and single:
            self.report("FORALLVALUES_WITH_SINGLE_VALUED_KEY", value, fill=(key,))
        if value.kind == "list" and not value.items:
            code = {
                "forallvalues": "EMPTY_ARRAY_CONDITION_FORALLVALUES",
                "foranyvalue": "EMPTY_ARRAY_CONDITION_FORANYVALUE",
            }
            plain = "EMPTY_ARRAY_CONDITION_IFEXISTS" if if_exists else "EMPTY_ARRAY_CONDITION"
            self.report(code.get(qualifier, plain), value, fill=(key,))
        kind = _GLOBAL.get(lowered, "")
        if kind and base != "null" and not base.startswith(_KINDS[kind]) and value.each():
            self.report("TYPE_MISMATCH", value, fill=(kind, operator, key))

    def _values(self, operator: str, key: str, value: Node) -> None:
        base = split_operator(operator)[1]
        nodes = value.each()
        if len({node.kind for node in nodes}) > 1:
            self.report("INVALID_CONDITION_DATA_TYPE", value)
            return
        for node in nodes:
            if node.kind not in ("string", "number", "boolean"):
                self.report("DATA_TYPE_MISMATCH", node, fill=("String",))
                return
        if base in ("bool", "null") and len(nodes) > 1:
            self.report("INVALID_CONDITION_MULTIPLE_BOOLEAN", value)
        for node in nodes:
            self._value(operator, base, node)
        self._together(base, operator, key, value)
        for check in _SPECIAL:
            check(self, key.lower(), base, value)

    def _value(self, operator: str, base: str, node: Node) -> None:
        word = _word(node)
        if "${" in word:
            if not base.startswith(("string", "arn")):
                self.report("INVALID_VARIABLE_FOR_OPERATOR", node)
            return
        if base in ("stringequals", "stringnotequals", "stringequalsignorecase", "stringnotequalsignorecase"):
            if "*" in word or "?" in word:
                self.report("WILDCARD_WITHOUT_LIKE_OPERATOR", node)
        elif base in ("bool", "null") and word.lower() not in ("true", "false"):
            self.report("TYPE_MISMATCH_BOOLEAN", node, fill=(operator,))
        elif base.startswith("date"):
            self._date(word, node)
        elif base.startswith("numeric") and _number(word) is None:
            self.report("TYPE_MISMATCH_NUMBER", node, fill=(operator,))
        elif base == "binaryequals" and not _is_base64(word):
            self.report("TYPE_MISMATCH_STRING", node, fill=(operator,))
        elif base in ("ipaddress", "notipaddress"):
            self._range(operator, word, node)

    def _date(self, word: str, node: Node) -> None:
        if _moment(word) is None:
            self.report("TYPE_MISMATCH_DATE", node)
        elif re.fullmatch(r"\d{5,}(\.\d+)?", word):
            self.report("INVALID_DATE_VALUE", node, fill=(word,))

    def _range(self, operator: str, word: str, node: Node) -> None:
        try:
            network = ipaddress.ip_network(word, strict=False)
        except ValueError:
            self.report("TYPE_MISMATCH_IP_RANGE", node, fill=(operator,))
            return
        if "/" in word and str(network.network_address) != str(ipaddress.ip_address(word.partition("/")[0])):
            self.report("IMPROVE_IP_RANGE", node, fill=(str(network),))

    def _together(self, base: str, operator: str, key: str, value: Node) -> None:
        if base.startswith(("numericlessthan", "numericgreaterthan")) and len(value.each()) > 1:
            which = "greatest" if "less" in base else "least"
            self.report("REDUNDANT_CONDITION_VALUE_NUM", value, fill=(operator, which, key))

    def _source_ip(self, key: str, base: str, value: Node) -> None:
        if key != "aws:sourceip" or base not in ("ipaddress", "notipaddress"):
            return
        private = []
        for node in value.each():
            try:
                private.append(_is_private(ipaddress.ip_network(_word(node), strict=False)))
            except ValueError:
                return
        if any(private):
            code = "PRIVATE_IP_ADDRESS" if base == "ipaddress" else "PRIVATE_NOT_IP_ADDRESS"
            self.report(code if all(private) else f"{code}_SUBSET", value)

    def _requested_region(self, key: str, base: str, value: Node) -> None:
        if key == "aws:requestedregion" and base in ("stringequals", "stringnotequals"):
            for node in value.each():
                if not _free(_word(node)) and _word(node) not in _REGIONS:
                    self.report("INVALID_REGION", node, fill=(_word(node),))

    def _vpc(self, key: str, base: str, value: Node) -> None:
        for name, prefix, code in (
            ("aws:sourcevpc", "vpc", "INVALID_VPC_FORMAT"),
            ("aws:sourcevpce", "vpce", "INVALID_VPC_ENDPOINT_FORMAT"),
        ):
            if key == name and base in ("stringequals", "stringnotequals"):
                for node in value.each():
                    word = _word(node)
                    if "$" not in word and not re.fullmatch(prefix + r"-([0-9a-z]{8}|[0-9a-z]{17})", word):
                        self.report(code, node)

    # -- roles -----------------------------------------------------------------------------------------------------

    def _roles(self, statement: Node) -> None:
        """iam:PassRole and iam:CreateServiceLinkedRole allowed too widely."""
        if self.type != IDENTITY or not _is(statement, "Allow"):
            return
        keys = {key.lower() for _, key, _ in _condition_entries(statement)}
        if "iam:passedtoservice" not in keys:
            self._role_action(statement, "iam:passrole", "PASS_ROLE")
        if "iam:awsservicename" not in keys:
            self._role_action(statement, "iam:createservicelinkedrole", "CREATE_SLR")

    def _role_action(self, statement: Node, action: str, code: str) -> None:
        if statement.get("NotAction") is not None:
            if any(_contains(node.value.lower(), action) for node in _nodes(statement, "NotAction")):
                return
            how, at = "NOT_ACTION", _nodes(statement, "NotAction")
        else:
            at = [node for node in _nodes(statement, "Action") if _contains(node.value.lower(), action)]
            if not at:
                return
            how = "PLAIN" if any(node.value.lower() == action for node in at) else "STAR"
        if statement.get("NotResource") is not None:
            name = {
                "PLAIN": "NOT_RESOURCE",
                "STAR": "STAR_IN_ACTION_AND_NOT_RESOURCE",
                "NOT_ACTION": "NOT_ACTION_AND_NOT_RESOURCE",
            }[how]
            where = [statement.get("NotResource")]
        else:
            where = [node for node in _nodes(statement, "Resource") if _any_role(node.value)]
            if not where:
                return
            name = {
                "PLAIN": "STAR_IN_RESOURCE",
                "STAR": "STAR_IN_ACTION_AND_RESOURCE",
                "NOT_ACTION": "STAR_IN_RESOURCE_AND_NOT_ACTION",
            }[how]
        self.report(f"{code}_WITH_{name}", *[node for node in (*at, *where) if node is not None])

    # -- variables -------------------------------------------------------------------------------------------------

    def _variables(self, statement: Node) -> None:
        for name, element in statement.members:
            for node in element.walk():
                if node.kind == "string" and "${" in node.value:
                    self._variable(name, node)

    def _variable(self, element: str, node: Node) -> None:
        if element not in ("Resource", "NotResource", "Condition"):
            self.report("VARIABLE_UNSUPPORTED_IN_ELEMENT", node, fill=(node.value,))
            return
        if self.version != "2012-10-17":
            self.report("VARIABLE_UNSUPPORTED_IN_VERSION", node)
        for piece in node.value.split("${")[1:]:
            inside, brace, _ = piece.partition("}")
            name, comma, default = inside.partition(",")
            if not brace:
                self.report("MISSING_BRACE_IN_VARIABLE", node)
            elif not inside.strip():
                self.report("EMPTY_VARIABLE", node, fill=("${}",))
            elif " " in name.strip() or name != name.strip():
                self.report("UNSUPPORTED_SPACE_IN_VARIABLE", node)
            elif comma and not re.fullmatch(r"'[^']*'", default.strip()):
                self.report("MISSING_QUOTE_IN_VARIABLE", node)


_SPECIAL: tuple[Callable[[_Inspection, str, str, Node], None], ...] = (
    _Inspection._source_ip,
    _Inspection._requested_region,
    _Inspection._vpc,
)

# -- reading -----------------------------------------------------------------------------------------------------------


def _nodes(statement: Node, element: str) -> list[Node]:
    found = statement.get(element)
    return [node for node in found.each() if node.kind == "string"] if found is not None else []


def _is(statement: Node, effect: str) -> bool:
    found = statement.get("Effect")
    return found is not None and found.value == effect


def _condition_entries(statement: Node) -> Iterator[tuple[str, str, Node]]:
    block = statement.get("Condition")
    for operator, keys in block.members if block is not None else ():
        for key, value in keys.members:
            yield operator, key, value


def _word(node: Node) -> str:
    return str(node.value).lower() if node.kind == "boolean" else str(node.value)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return sorted(map(str, value)) if isinstance(value, list) else value


def _free(word: str) -> bool:
    """Whether a word of an ARN is empty, or has a wildcard or a variable."""
    return not word or any(character in word for character in "*?$")


def _is_base64(word: str) -> bool:
    try:
        base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


_PRIVATE = [ipaddress.ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")]


def _is_private(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    return any(network.version == one.version and network.subnet_of(one) for one in _PRIVATE)  # type: ignore[arg-type]


def _contains(wider: str, narrower: str) -> bool:
    """Whether a wildcard pattern matches everything that another one matches, decided on the other's text."""
    if wider == "*" or wider == narrower:
        return True
    if "*" not in wider and "?" not in wider:
        return False
    if ":" in wider and not narrower.startswith("arn:"):
        return ":" in narrower and action_matcher((wider,))(narrower.replace("*", "\x00\x01").replace("?", "\x00"))
    probes = [narrower.replace("*", text).replace("?", "\x00") for text in ("", "\x00", "\x01\x02\x03")]
    pattern = re.compile("".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in wider), re.DOTALL)
    return all(pattern.fullmatch(probe) for probe in probes)


def _redundant(nodes: list[Node], words: list[str]) -> list[Node]:
    """Nodes whose word another one contains; of equal words, all but the first."""
    wide = list(dict.fromkeys(word for word in words if "*" in word or "?" in word))[:WIDE_WORDS]
    seen: set[str] = set()
    found = []
    for node, word in zip(nodes, words, strict=True):
        if word in seen or any(other != word and _contains(other, word) for other in wide):
            found.append(node)
        seen.add(word)
    return found


def _any_role(word: str) -> bool:
    """Whether a resource stands for roles of any name; one that begins with a name is a naming convention."""
    if word == "*":
        return True
    parts = word.split(":", 5)
    rest = parts[5] if len(parts) == 6 else "*"
    return parts[0] == "arn" and (len(parts) < 6 or rest in ("*", "role/*", "role*", "*/*", "role/service-role/*"))


@cache
def prefixes() -> frozenset[str]:
    """Every service prefix of the Service Authorization Reference."""
    with ZipFile(reference.ARCHIVE) as archive:
        return frozenset(name.removesuffix(".json") for name in archive.namelist())


Form = tuple[str, str, str]  # Region, account and resource of an ARN template, with empty fields as ""


@cache
def arn_forms(service: str) -> tuple[Form, ...]:
    """The forms of a service's ARNs, as far as the service prefix of this name defines them."""
    return _forms(reference.service(service).resources, service)


def has_foreign_forms(service: str) -> bool:
    """Whether resources of a service carry another service's ARN (recovery points of AWS Backup): no form is known."""
    return any(template.split(":", 3)[2].startswith("$") for template in reference.service(service).resources.values())


@cache
def every_arn_form() -> dict[str, tuple[Form, ...]]:
    """ARN service name → forms, from every prefix (half a second, once; past the cache, which would keep all)."""
    found: dict[str, tuple[Form, ...]] = {}
    with ZipFile(reference.ARCHIVE) as archive:
        for name in archive.namelist():
            resources = json.loads(archive.read(name))["resources"]
            for service in {template.split(":")[2] for template in resources.values() if template.count(":") >= 5}:
                found[service] = (*found.get(service, ()), *_forms(resources, service))
    return found


def _forms(resources: Mapping[str, str], service: str) -> tuple[Form, ...]:
    parts = [template.split(":", 5) for template in resources.values()]
    return tuple((one[3], one[4], one[5]) for one in parts if len(one) == 6 and one[2] == service)


_VARIABLE = re.compile(r"\$\{\w+\}")


@cache
def _form(template: str) -> re.Pattern[str]:
    return re.compile(".+".join(map(re.escape, _VARIABLE.split(template))), re.DOTALL)


def _fits(template: str, rest: str) -> bool:
    """Whether a resource, with wildcards and variables perhaps, can have the form of a template."""
    if not _free(rest):
        return _form(template).fullmatch(rest) is not None
    pattern = re.sub(r"\$\{[^}]*\}?", "*", rest)
    return space.intersection(_VARIABLE.sub("?*", template), pattern) is not None
