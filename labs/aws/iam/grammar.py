"""What AWS accepts as a policy document, with its error codes, wording and size limits.

"Grammar of the IAM JSON policy language" and "IAM and AWS STS quotas" (IAM User Guide); "SCP syntax", "RCP syntax" and
"Quotas for AWS Organizations" (AWS Organizations User Guide); "Policies and permissions in Amazon S3".  Whether an
action, a resource type or a principal exists is not checked: IAM does not refuse an unknown action either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from labs.aws.iam.conditions import OPERATORS, _moment, split_operator

# Characters; IAM does not count white space outside of quoted strings, S3 and Organizations count everything.
LIMITS = {
    "identity": 6144,
    "managed": 6144,
    "boundary": 6144,
    "user": 2048,
    "group": 5120,
    "role": 10240,
    "trust": 2048,
    "session": 2048,
    "scp": 10240,  # since May 2026 ("AWS Organizations increased SCP quotas", What's New with AWS)
    "rcp": 5120,
    "resource": 20480,
}
_LIKE_IDENTITY = ("identity", "managed", "boundary", "user", "group", "role", "session")
_ORGANIZATION = ("scp", "rcp")
_UNCOUNTED_SPACE = ("identity", "managed", "boundary", "user", "group", "role", "trust")

_TOP = {"Version", "Id", "Statement"}
_ELEMENTS = {
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
}  # fmt: skip
_VERSIONS = ("2008-10-17", "2012-10-17")
_SPELLED = {spelling for spelling, _, _ in OPERATORS.values()} | {"Null"}
_QUALIFIERS = {"": "", "forallvalues": "ForAllValues:", "foranyvalue": "ForAnyValue:"}
_PRINCIPAL_TYPES = ("AWS", "Service", "Federated", "CanonicalUser")
_PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc", "*")
_TRUST_ACTION = re.compile(r"sts:(\*|[A-Za-z*?]+)", re.IGNORECASE)
_PRINCIPAL = re.compile(
    r"[0-9]{12}|arn:[a-z0-9-]+:iam::[0-9]{12}:(root|(user|role)/\S+)"
    r"|arn:[a-z0-9-]+:sts::[0-9]{12}:(assumed-role/[^/\s]+/\S+|federated-user/\S+)"
    r"|arn:[a-z0-9-]+:iam::cloudfront:user/\S.*|A[A-Z]{3}[A-Z0-9]{12,}"
)
_SPACE_OUTSIDE_STRINGS = re.compile(r'("(?:[^"\\]|\\.?)*+(?:"|\Z))|\s+', re.DOTALL)  # linear on any text
_MAXIMUM_DEPTH = 200  # brackets; deeper text is refused before it is parsed

ORGANIZATIONS_MESSAGE = "The provided policy document does not meet the requirements of the specified policy type."


class MalformedPolicy(ValueError):
    """A policy document that AWS refuses; ``code`` and ``message`` are what the caller gets to read."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


def policy_size(text: str, kind: str = "identity") -> int:
    """The size of a policy in characters, as AWS counts it for this kind."""
    if kind in _UNCOUNTED_SPACE:
        text = _SPACE_OUTSIDE_STRINGS.sub(lambda match: match[1] or "", text)
    return len(text)


def validate_policy(text: str, kind: str, limit: int | None = None) -> dict[str, Any]:
    """Parse a policy document and check its grammar and size.

    :param kind: ``identity``, or more exactly ``managed`` (must state version 2012-10-17), ``user``, ``group`` or
        ``role`` (inline); ``boundary``, ``session``, ``resource``, ``trust``, ``scp``, ``rcp``
    :param limit: maximum size in characters instead of ``LIMITS[kind]``, e.g. 32768 for a KMS key policy
    :raises MalformedPolicy: with AWS's code and wording
    :raises KeyError: ``kind`` is none of these
    """
    _Document(text, kind, LIMITS[kind] if limit is None else limit).check_size()
    return _Document(text, kind, 0).checked()


class _Document:
    """One document under inspection."""

    def __init__(self, text: str, kind: str, limit: int) -> None:
        self.text, self.kind, self.limit = text, kind, limit

    def refuse(self, message: str) -> MalformedPolicy:
        """The error of the service that would refuse this kind of document."""
        if self.kind in _ORGANIZATION:
            return MalformedPolicy("MalformedPolicyDocumentException", f"{ORGANIZATIONS_MESSAGE} ({message})")
        return MalformedPolicy("MalformedPolicy" if self.kind == "resource" else "MalformedPolicyDocument", message)

    def check_size(self) -> None:
        size = policy_size(self.text, self.kind)
        if size <= self.limit:
            return
        if self.kind in ("identity", "managed", "boundary"):
            raise MalformedPolicy("LimitExceeded", f"Cannot exceed quota for PolicySize: {self.limit}")
        if self.kind == "trust":
            raise MalformedPolicy("LimitExceeded", f"Cannot exceed quota for ACLSizePerRole: {self.limit}")
        if self.kind == "session":
            raise MalformedPolicy(
                "ValidationError",
                "1 validation error detected: Value at 'policy' failed to satisfy constraint: "
                f"Member must have length less than or equal to {self.limit}",
            )
        if self.kind in _ORGANIZATION:
            raise MalformedPolicy(
                "ConstraintViolationException", f"You have exceeded the maximum policy size: {self.limit} characters."
            )
        if self.kind == "resource":
            raise MalformedPolicy("PolicyTooLarge", "Policy exceeds the maximum allowed document size.")
        raise MalformedPolicy("LimitExceeded", f"Maximum policy size of {self.limit} bytes exceeded for {self.kind}")

    def checked(self) -> dict[str, Any]:
        document = self._parsed()
        for name in document:
            if name not in _TOP:
                raise self._syntax(f"Unknown field {name}")
        version = document.get("Version", "2008-10-17")
        if version not in _VERSIONS:
            raise self._syntax("The policy must contain a valid version string")
        if "Id" in document and not isinstance(document["Id"], str):
            raise self._syntax("Id must be a string")
        if version != "2012-10-17" and self.kind in ("managed", *_ORGANIZATION):
            raise self.refuse("Policy document must be version 2012-10-17 or greater.")
        statements = self._statements(document)
        for statement in statements:
            self._statement(statement)
        sids = [statement["Sid"] for statement in statements if statement.get("Sid")]
        if len(sids) != len(set(sids)):
            raise self.refuse("Statement IDs (SID) in a single policy must be unique.")
        return document

    def _syntax(self, detail: str) -> MalformedPolicy:
        """IAM says only "Syntax errors in policy."; the other services name the field."""
        return self.refuse("Syntax errors in policy." if self.kind in _LIKE_IDENTITY else detail)

    def _parsed(self) -> dict[str, Any]:
        document: Any = None
        try:
            if _depth(self.text) <= _MAXIMUM_DEPTH:
                document = json.loads(self.text, object_pairs_hook=self._object, parse_constant=_no_constant)
        except ValueError as problem:
            if isinstance(problem, MalformedPolicy):
                raise
            document = None
        if not isinstance(document, dict):
            if self.kind == "trust":
                raise self.refuse("This policy contains invalid Json")
            if self.kind == "resource":
                raise self.refuse("Policies must be valid JSON and the first byte must be '{'")
            raise self._syntax("The policy is not valid JSON.")
        return document

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise self._syntax("Duplicate field in policy")
        return found

    def _statements(self, document: Mapping[str, Any]) -> list[dict[str, Any]]:
        listed = document.get("Statement")
        if isinstance(listed, dict):
            listed = [listed]
        if not isinstance(listed, list) or not listed or not all(isinstance(item, dict) for item in listed):
            raise self._syntax("Statement must be a list of objects" if listed else "Missing required field Statement")
        return listed

    # -- one statement -----------------------------------------------------------------------------------------------

    def _statement(self, statement: dict[str, Any]) -> None:
        for name in statement:
            if name not in _ELEMENTS:
                raise self._syntax(f"Unknown field {name}")
        self._effect(statement)
        self._sid(statement)
        for pair in (("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource")):
            if all(name in statement for name in pair):
                raise self._syntax(f"Statement cannot contain both {pair[0]} and {pair[1]}")
        self._principal(statement)
        self._actions(statement)
        self._resources(statement)
        self._conditions(statement.get("Condition", {}))
        if self.kind == "scp":
            self._scp(statement)
        if self.kind == "rcp":
            self._rcp(statement)

    def _effect(self, statement: Mapping[str, Any]) -> None:
        if "Effect" not in statement:
            raise self._syntax("Missing required field Effect")
        if statement["Effect"] not in ("Allow", "Deny"):
            raise self._syntax(f"Invalid effect: {statement['Effect']}")

    def _sid(self, statement: Mapping[str, Any]) -> None:
        sid = statement.get("Sid", "")
        if not isinstance(sid, str):
            raise self._syntax("Sid must be a string")
        if self.kind in _LIKE_IDENTITY and re.fullmatch(r"[A-Za-z0-9]*", sid) is None:
            raise self.refuse(
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression "
                "[0-9A-Za-z]*"
            )

    def _words(self, value: Any, field: str) -> list[str]:
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise self._syntax(f"{field} must be a string or a list of strings")
        return words

    def _principal(self, statement: Mapping[str, Any]) -> None:
        name = "NotPrincipal" if "NotPrincipal" in statement else "Principal"
        if self.kind in _LIKE_IDENTITY or self.kind == "scp":
            if name in statement:
                raise self.refuse("Policy document should not specify a principal.")
            return
        if name not in statement:
            raise self.refuse("Missing required field Principal")
        if name == "NotPrincipal" and self.kind in ("trust", "rcp"):
            raise self.refuse("Has prohibited field NotPrincipal")
        principal = statement[name]
        if isinstance(principal, str):
            principal = {"AWS": principal}
            if principal["AWS"] != "*":
                raise self.refuse(f'Invalid principal in policy: "{principal["AWS"]}"')
        if not isinstance(principal, dict) or not principal:
            raise self.refuse("Invalid principal in policy")
        for kind, value in principal.items():
            words = self._words(value, name)
            if kind not in _PRINCIPAL_TYPES or not words:
                raise self.refuse(f'Invalid principal in policy: "{kind}":"{", ".join(words)}"')
            for word in words:
                if not word or (kind == "AWS" and word != "*" and _PRINCIPAL.fullmatch(word) is None):
                    raise self.refuse(f'Invalid principal in policy: "{kind}":"{word}"')

    def _actions(self, statement: Mapping[str, Any]) -> None:
        name = "NotAction" if "NotAction" in statement else "Action"
        words = self._words(statement[name], name) if name in statement else []
        if not words:
            spoken = self.kind in ("trust", "resource")
            raise self.refuse("Missing required field Action" if spoken else "Policy statement must contain actions.")
        for word in words:
            if self.kind == "resource":
                if word != "*" and re.fullmatch(r"[A-Za-z0-9-]+:[A-Za-z0-9*?]+", word) is None:
                    raise self.refuse("Policy has invalid action")
                continue
            if self.kind == "trust":
                if word != "*" and _TRUST_ACTION.fullmatch(word) is None:
                    raise self.refuse("AssumeRole policy may only specify STS AssumeRole actions.")
                continue
            vendor, colon, rest = word.partition(":")
            if word == "*":
                continue
            if not colon:
                raise self.refuse("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
            if ":" in rest:
                raise self.refuse("Actions/Condition can contain only one colon.")
            if re.fullmatch(r"[A-Za-z0-9.-]+", vendor) is None:
                raise self.refuse(f"Vendor {vendor} is not valid")
            if re.fullmatch(r"[A-Za-z0-9*?_.-]+", rest) is None:
                raise self._syntax(f"Invalid action {word}")

    def _resources(self, statement: Mapping[str, Any]) -> None:
        name = "NotResource" if "NotResource" in statement else "Resource"
        if self.kind == "trust":
            if name in statement:
                raise self.refuse("Has prohibited field Resource")
            return
        words = self._words(statement[name], name) if name in statement else []
        if self.kind == "resource":
            return  # some services have no Resource in their policies (ECR), and each checks its own ARNs
        if not words:
            raise self.refuse("Policy statement must contain resources.")
        for word in words:
            self._resource(word)

    def _resource(self, word: str) -> None:
        if word.strip("*") == "" and word:
            return
        parts = word.split(":", 5)
        if len(parts) == 1:
            raise self.refuse(f'Resource {word} must be in ARN format or "*".')
        if parts[0] != "arn":
            raise self.refuse("The policy failed legacy parsing")
        parts += ["*"] * (6 - len(parts))
        _, partition, service, region, account, rest = parts
        if partition not in _PARTITIONS:
            shown = f"arn:{partition}:{service or '*'}:{region or '*'}:{account or '*'}:{rest or '*'}"
            raise self.refuse(f'Partition "{partition}" is not valid for resource "{shown}".')
        if not service or (re.fullmatch(r"[A-Za-z0-9-]+", service) is None and service != "*"):
            raise self.refuse("Resource vendor must be fully qualified and cannot contain regexes.")
        if service == "iam" and region not in ("", "*"):
            raise self.refuse(f"IAM resource {word} cannot contain region information.")
        if service == "s3" and region not in ("", "*") and not rest.startswith("accesspoint/"):
            raise self.refuse(f"Resource {word} can not contain region information.")

    def _conditions(self, block: Any) -> None:
        if not isinstance(block, dict):
            raise self._syntax("Condition must be an object")
        for operator, keys in block.items():
            if not isinstance(keys, dict):
                raise self._syntax(f"Invalid Condition type : {operator}")
            if keys and not _known_operator(operator):
                raise self._syntax(f"Invalid Condition type : {operator}")
            for key, value in keys.items():
                values = value if isinstance(value, list) else [value]
                if not key or any(not isinstance(item, (str, bool, int, float)) for item in values):
                    raise self._syntax(f"Invalid value for condition key {key}")
                if ":" not in key:
                    raise self.refuse(
                        "Policy has an invalid condition key"
                        if self.kind == "resource"
                        else "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
                    )
                if operator.partition(":")[2].startswith("Date") or operator.startswith("Date"):
                    self._dates(values)

    def _dates(self, values: list[Any]) -> None:
        if any(_moment(str(item)) is None for item in values):
            raise self.refuse("The policy failed legacy parsing" if self.kind in _LIKE_IDENTITY else "Invalid date")

    # -- organisations -----------------------------------------------------------------------------------------------

    def _scp(self, statement: Mapping[str, Any]) -> None:
        for word in self._words(statement.get("Action", statement.get("NotAction")), "Action"):
            name = word.partition(":")[2]
            if word != "*" and ("?" in word.partition(":")[0] or "*" in word.partition(":")[0]):
                raise self.refuse("A wildcard cannot stand for a service")
            if not name and word != "*":
                raise self.refuse(f"Invalid action {word}")

    def _rcp(self, statement: Mapping[str, Any]) -> None:
        if statement["Effect"] != "Deny":
            raise self.refuse('Only RCPFullAWSAccess may have the effect "Allow"')
        if "NotAction" in statement:
            raise self.refuse("NotAction is not supported")
        if statement["Principal"] not in ("*", {"AWS": "*"}):
            raise self.refuse('Principal must be "*"')
        if "*" in self._words(statement["Action"], "Action"):
            raise self.refuse('Action "*" is not supported; name the service')


def _known_operator(operator: str) -> bool:
    qualifier, base, if_exists = split_operator(operator)
    if qualifier not in _QUALIFIERS or base not in {spelled.lower() for spelled in _SPELLED}:
        return False
    spelling = next(spelled for spelled in _SPELLED if spelled.lower() == base)
    if base == "null" and (if_exists or qualifier):
        return False
    return operator == _QUALIFIERS[qualifier] + spelling + ("IfExists" if if_exists else "")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        if character in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "}]":
            depth -= 1
    return deepest
