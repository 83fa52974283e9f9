"""Which events a trail wants: basic and advanced event selectors, checked when they are put and matched per event.

CloudTrail User Guide, "Logging management events" and "Logging data events"; CloudTrail API Reference,
"PutEventSelectors", "DataResource", "AdvancedFieldSelector".  Data events are those of S3 objects, Lambda functions,
DynamoDB tables, SQS queues and SNS topics; other resource types, network activity and Insights are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from labs.aws.gateway.calls import AwsError

Matches = Callable[[Mapping[str, Any]], bool]

BASIC_TYPES = {
    "AWS::S3::Object": "arn:aws:s3",
    "AWS::Lambda::Function": "arn:aws:lambda",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb",
}
"""Types of basic selectors with the ARN prefix that means "all of them"."""
DATA_TYPES = (*BASIC_TYPES, "AWS::SQS::Queue", "AWS::SNS::Topic")
EXCLUDABLE = ("kms.amazonaws.com", "rdsdata.amazonaws.com")
DEFAULT = [
    {
        "ReadWriteType": "All",
        "IncludeManagementEvents": True,
        "DataResources": [],
        "ExcludeManagementEventSources": [],
    }
]
"""What a new trail logs: all management events and no data event."""

_OPERATORS: dict[str, Callable[[str, list[str]], bool]] = {
    "Equals": lambda value, wanted: value in wanted,
    "NotEquals": lambda value, wanted: value not in wanted,
    "StartsWith": lambda value, wanted: value.startswith(tuple(wanted)),
    "NotStartsWith": lambda value, wanted: not value.startswith(tuple(wanted)),
    "EndsWith": lambda value, wanted: value.endswith(tuple(wanted)),
    "NotEndsWith": lambda value, wanted: not value.endswith(tuple(wanted)),
}
_FIELDS = {
    "Management": (
        "eventCategory",
        "readOnly",
        "eventSource",
        "eventName",
        "eventType",
        "userIdentity.arn",
        "sessionCredentialFromConsole",
    ),
    "Data": (
        "eventCategory",
        "readOnly",
        "eventSource",
        "eventName",
        "eventType",
        "userIdentity.arn",
        "sessionCredentialFromConsole",
        "resources.type",
        "resources.ARN",
    ),
}


def _invalid(text: str) -> AwsError:
    return AwsError("InvalidEventSelectorsException", text, 400)


def check(basic: Any, advanced: Any) -> None:
    """Refuse what AWS refuses.

    :raises AwsError: ``InvalidEventSelectorsException``
    """
    if bool(basic) == bool(advanced):
        raise _invalid("Specify either EventSelectors or AdvancedEventSelectors, and not both.")
    if basic:
        _check_basic(basic)
    else:
        _check_advanced(advanced)


def _check_basic(selectors: list[Mapping[str, Any]]) -> None:
    if not 1 <= len(selectors) <= 5:
        raise _invalid("Specify a valid number of event selectors (1 to 5) for your trail.")
    named = 0
    for selector in selectors:
        if selector.get("ReadWriteType", "All") not in ("All", "ReadOnly", "WriteOnly"):
            raise _invalid("Valid values for ReadWriteType are ReadOnly, WriteOnly and All.")
        if set(selector.get("ExcludeManagementEventSources") or []) - set(EXCLUDABLE):
            raise _invalid(f"Valid values for ExcludeManagementEventSources are {', '.join(EXCLUDABLE)}.")
        for resource in selector.get("DataResources") or []:
            _check_data_resource(resource)
            named += len(resource["Values"])
    if named > 250:
        raise _invalid("Specify a valid number of data resources (1 to 250) for your event selectors.")


def _check_data_resource(resource: Mapping[str, Any]) -> None:
    kind, values = resource.get("Type"), resource.get("Values")
    if kind not in BASIC_TYPES:
        raise _invalid(f"Valid values for the type of a data resource are {', '.join(BASIC_TYPES)}.")
    if not values or not isinstance(values, list):
        raise _invalid("A data resource needs at least one value.")
    every = BASIC_TYPES[kind]
    for value in values:
        if value != every and not (isinstance(value, str) and value.startswith(f"{every}:")):
            raise _invalid(f"Value {value} for DataResources.Values is invalid for {kind}.")


def _check_advanced(selectors: list[Mapping[str, Any]]) -> None:
    conditions = 0
    for selector in selectors:
        fields = _field_selectors(selector)
        category = fields.get("eventCategory", {}).get("Equals")
        if not isinstance(category, list) or len(category) != 1 or category[0] not in _FIELDS:
            raise _invalid("Each advanced event selector needs the field eventCategory, Equals Management or Data.")
        unknown = set(fields) - set(_FIELDS[category[0]])
        if unknown:
            raise _invalid(f"Field {sorted(unknown)[0]} is not valid for event category {category[0]}.")
        if category[0] == "Data":
            kinds = fields.get("resources.type", {}).get("Equals")
            if not isinstance(kinds, list) or len(kinds) != 1 or kinds[0] not in DATA_TYPES:
                raise _invalid(f"Field resources.type must equal one of {', '.join(DATA_TYPES)}.")
        conditions += sum(len(values) for field in fields.values() for values in field.values())
    if conditions > 500:
        raise _invalid("A trail can have up to 500 values in all its advanced event selectors.")


def _field_selectors(selector: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """``{field: {operator: values}}``; refuses a field given twice or without a value."""
    fields: dict[str, dict[str, list[str]]] = {}
    for one in selector.get("FieldSelectors") or []:
        field = one.get("Field", "")
        operators = {name: list(one[name]) for name in _OPERATORS if one.get(name)}
        if field in fields or not operators:
            raise _invalid(f"Field {field} is given twice, or has no operator with a value.")
        fields[field] = operators
    return fields


# -- matching ------------------------------------------------------------------------------------------------------


def matcher(basic: Iterable[Mapping[str, Any]] | None, advanced: Iterable[Mapping[str, Any]] | None) -> Matches:
    """A predicate over CloudTrail records; the selectors must have been checked."""
    tests = [_advanced(one) for one in advanced] if advanced else [_basic(one) for one in basic or DEFAULT]
    return lambda record: any(test(record) for test in tests)


def wants_data(basic: Iterable[Mapping[str, Any]] | None, advanced: Iterable[Mapping[str, Any]] | None) -> bool:
    """Whether any data event can match."""
    if advanced:
        return any("Data" in _field_selectors(one)["eventCategory"]["Equals"] for one in advanced)
    return any(one.get("DataResources") for one in basic or ())


def _basic(selector: Mapping[str, Any]) -> Matches:
    access = selector.get("ReadWriteType", "All")
    management = selector.get("IncludeManagementEvents", True)
    excluded = set(selector.get("ExcludeManagementEventSources") or [])
    resources = [(one["Type"], one["Values"]) for one in selector.get("DataResources") or []]

    def test(record: Mapping[str, Any]) -> bool:
        if access != "All" and record["readOnly"] != (access == "ReadOnly"):
            return False
        if record["eventCategory"] == "Management":
            return bool(management) and record["eventSource"] not in excluded
        return any(_covers(kind, values, record) for kind, values in resources)

    return test


def _covers(kind: str, values: list[str], record: Mapping[str, Any]) -> bool:
    arns = _arns(record, kind)
    every = (BASIC_TYPES[kind], f"{BASIC_TYPES[kind]}:::")
    if kind == "AWS::S3::Object":  # a bucket's objects, or those that begin with a prefix
        return any(value in every or arn.startswith(value) for arn in arns for value in values)
    return any(value in every or arn == value or arn.startswith(f"{value}:") for arn in arns for value in values)


def _arns(record: Mapping[str, Any], kind: str) -> list[str]:
    found = (one.get("ARN") or one.get("ARNPrefix") for one in record.get("resources", ()) if one.get("type") == kind)
    return [arn for arn in found if arn]


def _advanced(selector: Mapping[str, Any]) -> Matches:
    fields = _field_selectors(selector)
    kind = fields.get("resources.type", {}).get("Equals", [""])[0]

    def test(record: Mapping[str, Any]) -> bool:
        return all(
            any(_OPERATORS[operator](value, wanted) for value in _values(record, field, kind))
            for field, operators in fields.items()
            for operator, wanted in operators.items()
        )

    return test


def _values(record: Mapping[str, Any], field: str, kind: str) -> list[str]:
    if field == "resources.type":
        return [one["type"] for one in record.get("resources", ()) if "type" in one]
    if field == "resources.ARN":
        return _arns(record, kind)
    if field == "readOnly":
        return [str(record["readOnly"]).lower()]
    if field == "userIdentity.arn":
        return [str(record["userIdentity"].get("arn", ""))]
    return [str(record.get(field, "false" if field == "sessionCredentialFromConsole" else ""))]
