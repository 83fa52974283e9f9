"""Custom policy checks: ``CheckNoNewAccess``, ``CheckAccessNotGranted``, ``CheckNoPublicAccess``.

"Validate policies with IAM Access Analyzer custom policy checks" (IAM User Guide) and the operations (API Reference).
A check fails only on a request that the evaluator really allows (and, for new access, that the existing policy denies),
so a FAIL is never wrong; what a PASS rests on is in ``access_analyzer_space``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from labs.aws.gateway.actions import reference
from labs.aws.gateway.calls import AwsError
from labs.aws.iam import MalformedPolicy, Policy, PolicySet, Request, evaluate, validate_policy
from labs.aws.iam.statements import strings
from labs.aws.providers import access_analyzer_space as space
from labs.aws.providers.access_analyzer_external import ALLOW_ALL, Resource, Zone, external_access
from labs.aws.providers.access_analyzer_space import Caller

OWNER = "111122223333"
"""The account that stands for the policy's own in checks that name none."""

_PUBLIC = {
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::SQS::Queue": "arn:aws:sqs:{region}:{account}:{name}",
    "AWS::SNS::Topic": "arn:aws:sns:{region}:{account}:{name}",
    "AWS::KMS::Key": "arn:aws:kms:{region}:{account}:key/{name}",
    "AWS::Lambda::Function": "arn:aws:lambda:{region}:{account}:function:{name}",
    "AWS::SecretsManager::Secret": "arn:aws:secretsmanager:{region}:{account}:secret:{name}",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:{region}:{account}:table/{name}",
    "AWS::IAM::AssumeRolePolicyDocument": "arn:aws:iam::{account}:role/{name}",
}


def check(operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Answer one check: ``result`` (``PASS`` or ``FAIL``), ``message``, ``reasons``.

    :raises AwsError: ``InvalidParameterException``, ``ValidationException``, ``UnprocessableEntityException``
    """
    try:
        if operation == "CheckNoNewAccess":
            return _no_new_access(params)
        if operation == "CheckAccessNotGranted":
            return _access_not_granted(params)
        return _no_public_access(params)
    except space.TooComplex:
        raise AwsError("UnprocessableEntityException", "The policy is too complex to be decided.", 422) from None


def _document(text: str, identity: bool, trust: bool = False) -> dict[str, Any]:
    try:
        return validate_policy(text, "trust" if trust else "user" if identity else "resource", limit=1 << 20)
    except MalformedPolicy as problem:
        raise AwsError(
            "InvalidParameterException", f"The policy document is not valid: {problem.message}", 400
        ) from None


# -- requests ----------------------------------------------------------------------------------------------------------


class _Question:
    """All documents of one check, and the requests that they tell apart."""

    def __init__(self, documents: list[dict[str, Any]], identity: bool, extra: Iterable[str] = ()) -> None:
        self.identity = identity
        statements = [statement for document in documents for statement in space.statements_in(document)]
        self.actions = _all_words(statements, "Action")
        self.resources = [*_all_words(statements, "Resource"), *extra]
        values = space.condition_values(documents)
        self.words = [text for pairs in values.values() for _, text in pairs]
        fixed = () if identity else space.PRINCIPAL_KEYS
        self.keys = {key: space.values_to_try(key, pairs) for key, pairs in values.items() if key not in fixed}
        self.callers = [_IDENTITY] if identity else list(_callers(documents, self.words))

    def policies(self, document: dict[str, Any]) -> PolicySet:
        """The document as the only policy that speaks."""
        policy = Policy(document, name="policy")
        if self.identity:
            return PolicySet(identity=(policy,))
        return PolicySet(identity=(ALLOW_ALL,), resource=policy)

    def requests(self, actions: Iterable[str], resources: Iterable[str]) -> Iterator[Request]:
        """Every request about these actions and resources."""
        actions, resources = list(actions), list(resources)
        tried = 0
        for context in space.contexts(self.keys):
            for caller in self.callers:
                for action in actions:
                    for resource in resources:
                        tried += 1
                        if tried > space.LIMIT:
                            raise space.TooComplex
                        account = "" if self.identity else OWNER
                        yield Request(caller.principal, action, resource, account, {**context, **self._of(caller)})

    def _of(self, caller: Caller) -> Mapping[str, Any]:
        return {} if self.identity else caller.keys

    def actions_of(self, statement: Mapping[str, Any]) -> list[str]:
        """Concrete actions of an Allow statement, one for each word of any document that overlaps with it."""
        if "NotAction" in statement:
            return [*space.matching(["*:*"], self.actions), "zq:Zq"]
        words = [word if word != "*" else "*:*" for word in strings(statement.get("Action"))]
        found = space.matching(words, [*self.actions, *(a for word in words for a in _known(word))])
        return [action for action in found if ":" in action.strip(":")]

    def resources_of(self, statement: Mapping[str, Any]) -> list[str]:
        """Concrete resources of an Allow statement."""
        if "NotResource" in statement:
            return [*space.matching(["*"], self.resources), f"arn:aws:zq:::{space.FRESH}"]
        words = strings(statement.get("Resource"))
        found = space.matching(words, self.resources) if words else [f"arn:aws:iam::{OWNER}:role/{space.FRESH}"]
        return [*found, f"arn:aws:zq:::{space.FRESH}"] if "*" in words else found


_IDENTITY = space.role_caller(f"arn:aws:iam::{OWNER}:role/{space.FRESH}")


def _all_words(statements: list[dict[str, Any]], element: str) -> list[str]:
    found = [
        word for statement in statements for name in (element, f"Not{element}") for word in strings(statement.get(name))
    ]
    return list(dict.fromkeys(found))


def _known(word: str) -> list[str]:
    """AWS's own actions under a pattern, so that two patterns are also compared by what exists."""
    prefix = word.partition(":")[0].lower()
    if "*" not in word or "*" in prefix:
        return []
    return [
        f"{prefix}:{action.name}"
        for action in reference.service(prefix).actions.values()
        if space.intersection(f"{prefix}:{action.name.lower()}", word.lower())
    ]


def _callers(documents: list[dict[str, Any]], words: list[str]) -> Iterator[Caller]:
    unknown = space.stranger([*words, OWNER])
    yield space.ANONYMOUS
    for account in (unknown, OWNER):
        yield space.role_caller(f"arn:aws:iam::{account}:role/{space.FRESH}")
    for document in documents:
        for word in space.principal_words(document, "AWS"):
            if word != "*":
                yield space.named_caller(word, None)
        for provider in space.principal_words(document, "Federated"):
            yield space.federated_caller(provider)
    for key, pairs in space.condition_values(documents).items():
        for _, value in pairs:
            if key == "aws:principalorgid":
                yield space.role_caller(f"arn:aws:iam::{unknown}:role/{space.FRESH}", (value, f"{value}/r-zq/"))
            elif key in ("aws:principalaccount", "kms:calleraccount") and value.isdigit():
                yield space.named_caller(value, None)
            elif key == "aws:principalarn":
                for arn in space.concrete(value.replace("::*:", f"::{unknown}:")):
                    if arn.startswith("arn:") and arn.count(":") >= 5:
                        yield space.named_caller(arn, None)


# -- the three checks --------------------------------------------------------------------------------------------------


def _no_new_access(params: Mapping[str, Any]) -> dict[str, Any]:
    identity = params["policyType"] == "IDENTITY_POLICY"
    new, old = (_document(params[name], identity) for name in ("newPolicyDocument", "existingPolicyDocument"))
    question = _Question([new, old], identity)
    before, after = question.policies(old), question.policies(new)
    reasons = []
    for index, statement in enumerate(space.statements_in(new)):
        if statement.get("Effect") != "Allow":
            continue
        asked = question.requests(question.actions_of(statement), question.resources_of(statement))
        if any(evaluate(one, after).allowed and not evaluate(one, before).allowed for one in asked):
            reasons.append(_reason("New access in the statement with", index, statement))
    if not reasons:
        return {
            "result": "PASS",
            "message": "The modified permissions do not grant new access compared to your existing policy.",
            "reasons": [],
        }
    return {
        "result": "FAIL",
        "message": "The modified permissions grant new access compared to your existing policy.",
        "reasons": reasons,
    }


def _access_not_granted(params: Mapping[str, Any]) -> dict[str, Any]:
    identity = params["policyType"] == "IDENTITY_POLICY"
    document = _document(params["policyDocument"], identity)
    listed = params.get("access") or []
    if not listed or not all(one.get("actions") or one.get("resources") for one in listed):
        raise AwsError("ValidationException", "access: name actions, resources or both.", 400)
    reasons = []
    for index, statement in enumerate(space.statements_in(document)):
        if statement.get("Effect") == "Allow" and any(_grants(document, statement, one, identity) for one in listed):
            reasons.append(
                _reason("One or more of the listed actions or resources in the statement with", index, statement)
            )
    if not reasons:
        return {
            "result": "PASS",
            "message": "The policy document does not grant access to perform the listed actions or resources.",
            "reasons": [],
        }
    return {
        "result": "FAIL",
        "message": "The policy document grants access to perform one or more of the listed actions or resources.",
        "reasons": reasons,
    }


def _grants(document: dict[str, Any], statement: dict[str, Any], access: Mapping[str, Any], identity: bool) -> bool:
    """Whether the policy allows something within ``access`` through this statement."""
    actions = access.get("actions") or ["*:*"]
    resources = access.get("resources") or ["*"]
    denies = [one for one in space.statements_in(document) if one.get("Effect") == "Deny"]
    narrowed = {**document, "Statement": [statement, *denies]}
    question = _Question([narrowed], identity, extra=resources)
    words = strings(statement.get("Action")) if "NotAction" not in statement else ("*:*",)
    words = tuple("*:*" if word == "*" else word for word in words)
    overlap = [
        text for word in words for action in actions if (text := _overlap(word.lower(), action.lower())) is not None
    ]
    tried_actions = space.matching(overlap, [word.lower() for word in question.actions])
    wide = strings(statement.get("Resource")) or ("*",)
    if "NotResource" in statement:
        wide = ("*",)
    inside = [text for word in wide for resource in resources if (text := _overlap(word, resource)) is not None]
    policies = question.policies(narrowed)
    return any(
        evaluate(one, policies).allowed
        for one in question.requests(tried_actions, space.matching(inside, question.resources))
    )


def _overlap(left: str, right: str) -> str | None:
    """The narrower of two patterns where one contains the other, else one text within both."""
    if left.strip("*") == "" or left == "*:*":
        return right
    if right.strip("*") == "" or right == "*:*":
        return left
    return left if left == right else space.intersection(left, right)


def _no_public_access(params: Mapping[str, Any]) -> dict[str, Any]:
    kind = params["resourceType"]
    if kind not in _PUBLIC:
        raise AwsError("InvalidParameterException", f"resourceType: this endpoint decides {', '.join(_PUBLIC)}.", 400)
    trust = kind == "AWS::IAM::AssumeRolePolicyDocument"
    document = _document(params["policyDocument"], identity=False, trust=trust)
    arn = _named(document, _PUBLIC[kind])
    resource = Resource(arn, "AWS::IAM::Role" if trust else kind, OWNER, document)
    found = external_access(resource, Zone(lambda account: account == OWNER, lambda account: None))
    statements = space.statements_in(document)
    open_ones = sorted({index for access in found if access.is_public for index in access.statements})
    if not open_ones:
        return {
            "result": "PASS",
            "message": "The resource policy does not grant public access for the given resource type.",
            "reasons": [],
        }
    reasons = [
        _reason("Public access granted in the following statement with", index, statements[index])
        for index in open_ones
    ]
    return {
        "result": "FAIL",
        "message": "The resource policy grants public access for the given resource type.",
        "reasons": reasons,
    }


def _named(document: Mapping[str, Any], template: str) -> str:
    """An ARN that the document speaks about: the first of the right service, else a made-up one."""
    service = template.split(":")[2]
    for statement in space.statements_in(document):
        for word in strings(statement.get("Resource")):
            parts = word.split(":", 5)
            if len(parts) == 6 and parts[2] == service:
                text = space.concrete(word)[0]
                return text.partition("/")[0] if service == "s3" else text
    return template.format(region="us-east-1", account=OWNER, name=space.FRESH)


def _reason(description: str, index: int, statement: Mapping[str, Any]) -> dict[str, Any]:
    sid = statement.get("Sid")
    where = f"sid: {sid}." if sid else f"index: {index}."
    reason: dict[str, Any] = {"description": f"{description} {where}", "statementIndex": index}
    return {**reason, "statementId": sid} if sid else reason
