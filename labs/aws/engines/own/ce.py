"""AWS Cost Explorer: the bill of what the account runs, its forecast, anomaly monitors, cost categories and tags.

Costs are those of ``usage``: of what exists now, since it exists, which is shown at once instead of a day later.  All
cost metrics are equal, since there are no discounts.  A forecast carries the present rate on.  No anomaly is ever found
and nothing is recommended: both need weeks of history.

Pages: "AWS Cost Explorer API Reference" (each operation and "Expression"); "Activating user-defined cost allocation
tags", "Getting started with AWS Cost Anomaly Detection" (AWS Billing and Cost Management User Guide).
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from labs.aws.engines.own import Neighbours
from labs.aws.engines.own.operations import Operations, Params, page
from labs.aws.engines.own.usage import Line, lines
from labs.aws.gateway.calls import AwsError

METRICS = ("AmortizedCost", "BlendedCost", "NetAmortizedCost", "NetUnblendedCost", "NormalizedUsageAmount",
           "UnblendedCost", "UsageQuantity")  # fmt: skip
_PAGES: tuple[str, str, int, str] = ("MaxResults", "NextPageToken", 1000, "InvalidNextTokenException")
_HISTORY = datetime.timedelta(days=14 * 31)  # "up to 14 months"
_FREQUENCIES = ("DAILY", "IMMEDIATE", "WEEKLY")
_READERS: dict[str, Callable[[Line, Neighbours], str]] = {
    "SERVICE": lambda line, _: line.service,
    "USAGE_TYPE": lambda line, _: line.usage_type,
    "OPERATION": lambda line, _: line.operation,
    "INSTANCE_TYPE": lambda line, _: line.instance_type,
    "REGION": lambda _, neighbours: neighbours.region,
    "LINKED_ACCOUNT": lambda _, neighbours: neighbours.account,
    "RESOURCE_ID": lambda line, _: line.resource,
    "RECORD_TYPE": lambda *_: "Usage",
    "PURCHASE_TYPE": lambda line, _: "Spot Instances" if "Spot" in line.usage_type else "On Demand Instances",
    "AZ": lambda *_: "NoAZ",
    "PLATFORM": lambda line, _: "Linux/UNIX" if line.operation == "RunInstances" else "NoPlatform",
    "TENANCY": lambda *_: "Shared",
    "USAGE_TYPE_GROUP": lambda line, _: "EC2: Running Hours" if "BoxUsage" in line.usage_type else "NoUsageTypeGroup",
    "DATABASE_ENGINE": lambda *_: "NoDatabaseEngine",
    "INVOICING_ENTITY": lambda *_: "Amazon Web Services, Inc.",
    "LEGAL_ENTITY_NAME": lambda *_: "Amazon Web Services, Inc.",
    "BILLING_ENTITY": lambda *_: "AWS",
}


def _invalid(text: str) -> AwsError:
    return AwsError("ValidationException", text, 400)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Bill:
    """What one account has set up."""

    def __init__(self) -> None:
        self.monitors: dict[str, Params] = {}
        self.subscriptions: dict[str, Params] = {}
        self.categories: dict[str, Params] = {}
        self.allocation: dict[str, Params] = {}  # tag key → its status
        self.tags: dict[str, dict[str, str]] = {}


class CostExplorer(Operations):
    """The service, by account."""

    def __init__(self) -> None:
        self._bills: dict[str, Bill] = {}

    def reset(self) -> None:
        """Forget everything."""
        self._bills.clear()

    def _bill(self, neighbours: Neighbours) -> Bill:
        return self._bills.setdefault(neighbours.account, Bill())

    # -- costs ---------------------------------------------------------------------------------------------------------

    async def _do_get_cost_and_usage(self, params: Params, neighbours: Neighbours) -> Params:
        metrics, groups = params.get("Metrics") or [], params.get("GroupBy") or []
        for metric in metrics:
            if metric not in METRICS:
                raise _invalid(f"Unsupported metric: {metric}. Valid values are: {', '.join(METRICS)}")
        if not metrics:
            raise _invalid("Metrics is required.")
        if len(groups) > 2:
            raise _invalid("You can group by up to two groups.")
        keys = [self._key(group, neighbours) for group in groups]
        periods = _periods(params)
        wanted = [line for line in await lines(neighbours) if self._matches(params.get("Filter"), line, neighbours)]
        results = []
        for start, end in periods:
            used = [(line, line.quantity(start, end)) for line in wanted]
            result: Params = {
                "TimePeriod": {"Start": _shown(start, params), "End": _shown(end, params)},
                "Total": {} if groups else _sums(metrics, used),
                "Groups": [],
                "Estimated": end > _now().replace(day=1, hour=0, minute=0, second=0, microsecond=0),
            }
            by: dict[tuple[str, ...], list[tuple[Line, float]]] = {}
            for line, quantity in used if groups else []:
                if quantity > 0:
                    by.setdefault(tuple(key(line) for key in keys), []).append((line, quantity))
            result["Groups"] = [
                {"Keys": list(names), "Metrics": _sums(metrics, entries)} for names, entries in sorted(by.items())
            ]
            results.append(result)
        answer = page(results, params, "ResultsByTime", *_PAGES)
        answer["DimensionValueAttributes"] = []
        if groups:
            answer["GroupDefinitions"] = [{"Type": g.get("Type"), "Key": g.get("Key")} for g in groups]
        return answer

    async def _do_get_cost_and_usage_with_resources(self, params: Params, neighbours: Neighbours) -> Params:
        start = _day(params, "Start")
        if start < _now() - datetime.timedelta(days=15):
            raise _invalid("Resource-level data is available for the past 14 days.")
        return await self._do_get_cost_and_usage(params, neighbours)

    async def _do_get_cost_forecast(self, params: Params, neighbours: Neighbours) -> Params:
        return await self._forecast(params, neighbours, lambda line: line.rate * line.price, "USD")

    async def _do_get_usage_forecast(self, params: Params, neighbours: Neighbours) -> Params:
        return await self._forecast(params, neighbours, lambda line: line.rate, "N/A")

    async def _forecast(
        self, params: Params, neighbours: Neighbours, rate: Callable[[Line], float], unit: str
    ) -> Params:
        """The present rate carried on, with a margin that grows with the level asked for."""
        level = int(params.get("PredictionIntervalLevel") or 80)
        if not 51 <= level <= 99:
            raise _invalid("PredictionIntervalLevel must be between 51 and 99.")
        if params.get("Granularity") == "HOURLY":
            raise _invalid("HOURLY granularity is not supported for forecasts.")
        if _day(params, "End") <= _now():
            raise _invalid("End date should be in the future")
        if _day(params, "Start") < _now() - datetime.timedelta(days=1):
            raise _invalid("Start date should not be earlier than today")
        wanted = [line for line in await lines(neighbours) if self._matches(params.get("Filter"), line, neighbours)]
        hourly = sum(rate(line) for line in wanted)
        results, total = [], 0.0
        for start, end in _periods(params, future=True):
            mean = hourly * (end - start).total_seconds() / 3600
            total += mean
            margin = mean * level / 1000
            results.append(
                {
                    "TimePeriod": {"Start": _shown(start, params), "End": _shown(end, params)},
                    "MeanValue": _number(mean),
                    "PredictionIntervalLowerBound": _number(mean - margin),
                    "PredictionIntervalUpperBound": _number(mean + margin),
                }
            )
        return {"Total": {"Amount": _number(total), "Unit": unit}, "ForecastResultsByTime": results}

    async def _do_get_dimension_values(self, params: Params, neighbours: Neighbours) -> Params:
        reader = _READERS.get(str(params.get("Dimension")))
        if reader is None:
            raise _invalid(f"Unsupported dimension: {params.get('Dimension')}")
        _periods({**params, "Granularity": "MONTHLY"})
        wanted = [line for line in await lines(neighbours) if self._matches(params.get("Filter"), line, neighbours)]
        values = sorted({reader(line, neighbours) for line in wanted})
        search = str(params.get("SearchString") or "").lower()
        found = [{"Value": value, "Attributes": {}} for value in values if search in value.lower()]
        answer = page(found, params, "DimensionValues", *_PAGES)
        return {**answer, "ReturnSize": len(answer["DimensionValues"]), "TotalSize": len(found)}

    async def _do_get_tags(self, params: Params, neighbours: Neighbours) -> Params:
        _periods({**params, "Granularity": "MONTHLY"})
        every = [line.tags for line in await lines(neighbours)]
        key = params.get("TagKey")
        names = {name for tags in every for name in tags} if key is None else {tags.get(key, "") for tags in every}
        search = str(params.get("SearchString") or "").lower()
        found = [name for name in sorted(names) if search in name.lower()]
        answer = page(found, params, "Tags", *_PAGES)
        return {**answer, "ReturnSize": len(answer["Tags"]), "TotalSize": len(found)}

    def _key(self, group: Mapping[str, Any], neighbours: Neighbours) -> Callable[[Line], str]:
        """How a line is named in a group; a tag's group is ``key$value`` (GetCostAndUsage, example)."""
        kind, name = group.get("Type"), str(group.get("Key"))
        if kind == "TAG":
            return lambda line: f"{name}${line.tags.get(name, '')}"
        if kind == "COST_CATEGORY":
            return lambda line: f"{name}${self._category(name, line, neighbours)}"
        reader = _READERS.get(name)
        if kind != "DIMENSION" or reader is None:
            raise _invalid(f"Group Definition dimension is invalid: {name}")
        return lambda line: reader(line, neighbours)

    def _category(self, name: str, line: Line, neighbours: Neighbours) -> str:
        for category in self._bill(neighbours).categories.values():
            if category["Name"] == name:
                for rule in category["Rules"]:
                    if self._matches(rule.get("Rule"), line, neighbours):
                        return str(rule.get("Value"))
                return str(category.get("DefaultValue") or "")
        return ""

    def _matches(self, wanted: Mapping[str, Any] | None, line: Line, neighbours: Neighbours) -> bool:
        """An Expression, as CE's reference describes it."""
        if not wanted:
            return True
        if wanted.get("And"):
            return all(self._matches(part, line, neighbours) for part in wanted["And"])
        if wanted.get("Or"):
            return any(self._matches(part, line, neighbours) for part in wanted["Or"])
        if wanted.get("Not"):
            return not self._matches(wanted["Not"], line, neighbours)
        kinds = ("Dimensions", "Tags", "CostCategories")
        kind, about = next(((kind, wanted[kind]) for kind in kinds if wanted.get(kind)), ("", {}))
        name = str(about.get("Key"))
        if kind == "Dimensions":
            reader = _READERS.get(name)
            if reader is None:
                raise _invalid(f"Invalid filter dimension: {name}")
            value = reader(line, neighbours)
        elif kind == "Tags":
            value = line.tags.get(name, "")
        elif kind == "CostCategories":
            value = self._category(name, line, neighbours)
        else:
            raise _invalid("Expression needs one of And, Or, Not, Dimensions, Tags, CostCategories.")
        return _compared(value, about.get("Values") or [], about.get("MatchOptions") or ["EQUALS"])

    # -- anomalies -----------------------------------------------------------------------------------------------------

    async def _do_create_anomaly_monitor(self, params: Params, neighbours: Neighbours) -> Params:
        given = dict(params.get("AnomalyMonitor") or {})
        kind = given.get("MonitorType")
        if kind == "DIMENSIONAL" and not given.get("MonitorDimension"):
            raise _invalid("MonitorDimension is required for a DIMENSIONAL monitor.")
        if kind == "CUSTOM" and not given.get("MonitorSpecification"):
            raise _invalid("MonitorSpecification is required for a CUSTOM monitor.")
        monitors = self._bill(neighbours).monitors
        by_service = [monitor for monitor in monitors.values() if monitor.get("MonitorDimension") == "SERVICE"]
        if by_service and given.get("MonitorDimension") == "SERVICE":
            raise AwsError("LimitExceededException", "Limit exceeded on dimensional spend monitor creation", 400)
        arn = f"arn:aws:ce::{neighbours.account}:anomalymonitor/{uuid.uuid4()}"
        today = _now().date().isoformat()
        monitors[arn] = {**given, "MonitorArn": arn, "CreationDate": today, "LastUpdatedDate": today,
                         "DimensionalValueCount": 0}  # fmt: skip
        self._label(arn, params, neighbours)
        return {"MonitorArn": arn}

    def _monitor(self, arn: Any, neighbours: Neighbours) -> Params:
        found = self._bill(neighbours).monitors.get(str(arn))
        if found is None:
            raise AwsError("UnknownMonitorException", f"The cost anomaly monitor does not exist: {arn}", 400)
        return found

    async def _do_get_anomaly_monitors(self, params: Params, neighbours: Neighbours) -> Params:
        arns = params.get("MonitorArnList") or list(self._bill(neighbours).monitors)
        found = [self._monitor(arn, neighbours) for arn in arns]
        return page(found, params, "AnomalyMonitors", *_PAGES)

    async def _do_update_anomaly_monitor(self, params: Params, neighbours: Neighbours) -> Params:
        monitor = self._monitor(params.get("MonitorArn"), neighbours)
        monitor.update(MonitorName=params.get("MonitorName") or monitor["MonitorName"],
                       LastUpdatedDate=_now().date().isoformat())  # fmt: skip
        return {"MonitorArn": monitor["MonitorArn"]}

    async def _do_delete_anomaly_monitor(self, params: Params, neighbours: Neighbours) -> Params:
        arn = self._monitor(params.get("MonitorArn"), neighbours)["MonitorArn"]
        bill = self._bill(neighbours)
        del bill.monitors[arn]
        for subscription in bill.subscriptions.values():
            subscription["MonitorArnList"] = [a for a in subscription["MonitorArnList"] if a != arn]
        return {}

    async def _do_create_anomaly_subscription(self, params: Params, neighbours: Neighbours) -> Params:
        given = dict(params.get("AnomalySubscription") or {})
        _checked_subscription(given)
        for arn in given.get("MonitorArnList") or []:
            self._monitor(arn, neighbours)
        arn = f"arn:aws:ce::{neighbours.account}:anomalysubscription/{uuid.uuid4()}"
        subscribers = [{**s, "Status": "CONFIRMED"} for s in given["Subscribers"]]
        self._bill(neighbours).subscriptions[arn] = {
            **given, "Subscribers": subscribers, "SubscriptionArn": arn, "AccountId": neighbours.account
        }  # fmt: skip
        self._label(arn, params, neighbours)
        return {"SubscriptionArn": arn}

    def _subscription(self, arn: Any, neighbours: Neighbours) -> Params:
        found = self._bill(neighbours).subscriptions.get(str(arn))
        if found is None:
            raise AwsError("UnknownSubscriptionException", f"The subscription does not exist: {arn}", 400)
        return found

    async def _do_get_anomaly_subscriptions(self, params: Params, neighbours: Neighbours) -> Params:
        arns = params.get("SubscriptionArnList") or list(self._bill(neighbours).subscriptions)
        found = [self._subscription(arn, neighbours) for arn in arns]
        monitor = params.get("MonitorArn")
        found = [entry for entry in found if monitor is None or monitor in entry["MonitorArnList"]]
        return page(found, params, "AnomalySubscriptions", *_PAGES)

    async def _do_update_anomaly_subscription(self, params: Params, neighbours: Neighbours) -> Params:
        subscription = self._subscription(params.get("SubscriptionArn"), neighbours)
        for arn in params.get("MonitorArnList") or []:
            self._monitor(arn, neighbours)
        names = ("Threshold", "ThresholdExpression", "Frequency", "MonitorArnList", "Subscribers", "SubscriptionName")
        changed = {**subscription, **{name: params[name] for name in names if params.get(name) is not None}}
        _checked_subscription(changed)
        subscription.update(changed)
        return {"SubscriptionArn": subscription["SubscriptionArn"]}

    async def _do_delete_anomaly_subscription(self, params: Params, neighbours: Neighbours) -> Params:
        arn = self._subscription(params.get("SubscriptionArn"), neighbours)["SubscriptionArn"]
        del self._bill(neighbours).subscriptions[arn]
        return {}

    async def _do_get_anomalies(self, params: Params, neighbours: Neighbours) -> Params:
        if params.get("MonitorArn"):
            self._monitor(params["MonitorArn"], neighbours)
        return {"Anomalies": []}

    # -- cost categories and allocation tags ---------------------------------------------------------------------------

    async def _do_create_cost_category_definition(self, params: Params, neighbours: Neighbours) -> Params:
        bill, name = self._bill(neighbours), params.get("Name")
        if any(category["Name"] == name for category in bill.categories.values()):
            raise _invalid(f"Failed to create Cost Category: Cost category name '{name}' already exists")
        arn = f"arn:aws:ce::{neighbours.account}:costcategory/{uuid.uuid4()}"
        start = params.get("EffectiveStart") or _now().strftime("%Y-%m-01T00:00:00Z")
        names = ("Name", "RuleVersion", "Rules", "DefaultValue", "SplitChargeRules")
        given = {key: params[key] for key in names if params.get(key) is not None}
        bill.categories[arn] = {"CostCategoryArn": arn, "EffectiveStart": start, **given,
                                "ProcessingStatus": [{"Component": "COST_EXPLORER", "Status": "APPLIED"}]}  # fmt: skip
        self._label(arn, params, neighbours)
        return {"CostCategoryArn": arn, "EffectiveStart": start}

    def _found(self, params: Params, neighbours: Neighbours) -> Params:
        arn = params.get("CostCategoryArn")
        found = self._bill(neighbours).categories.get(str(arn))
        if found is None:
            raise AwsError("ResourceNotFoundException", f"No Cost Categories found with ID {arn}", 400)
        return found

    async def _do_describe_cost_category_definition(self, params: Params, neighbours: Neighbours) -> Params:
        return {"CostCategory": self._found(params, neighbours)}

    async def _do_list_cost_category_definitions(self, params: Params, neighbours: Neighbours) -> Params:
        names = ("CostCategoryArn", "Name", "EffectiveStart", "ProcessingStatus", "DefaultValue")
        found = [
            {
                **{name: category[name] for name in names if name in category},
                "NumberOfRules": len(category["Rules"]),
                "Values": [rule["Value"] for rule in category["Rules"] if rule.get("Value")],
            }
            for category in self._bill(neighbours).categories.values()
        ]
        return page(found, params, "CostCategoryReferences", "MaxResults", invalid="ValidationException")

    async def _do_update_cost_category_definition(self, params: Params, neighbours: Neighbours) -> Params:
        category = self._found(params, neighbours)
        names = ("RuleVersion", "Rules", "DefaultValue", "SplitChargeRules", "EffectiveStart")
        category.update({name: params[name] for name in names if params.get(name) is not None})
        return {name: category[name] for name in ("CostCategoryArn", "EffectiveStart")}

    async def _do_delete_cost_category_definition(self, params: Params, neighbours: Neighbours) -> Params:
        arn = self._found(params, neighbours)["CostCategoryArn"]
        del self._bill(neighbours).categories[arn]
        return {"CostCategoryArn": arn, "EffectiveEnd": _now().strftime("%Y-%m-01T00:00:00Z")}

    async def _do_get_cost_categories(self, params: Params, neighbours: Neighbours) -> Params:
        names = [category["Name"] for category in self._bill(neighbours).categories.values()]
        return {"CostCategoryNames": names, "ReturnSize": len(names), "TotalSize": len(names)}

    async def _do_list_cost_allocation_tags(self, params: Params, neighbours: Neighbours) -> Params:
        """The keys in use, inactive until somebody activates them."""
        known = self._bill(neighbours).allocation
        for key in sorted({key for line in await lines(neighbours) for key in line.tags}):
            known.setdefault(key, _allocation(key, "Inactive"))
        found = [
            entry
            for entry in known.values()
            if params.get("Status") in (None, entry["Status"])
            and params.get("Type") in (None, entry["Type"])
            and (not params.get("TagKeys") or entry["TagKey"] in params["TagKeys"])
        ]
        return page(found, params, "CostAllocationTags", "MaxResults", invalid="ValidationException")

    async def _do_update_cost_allocation_tags_status(self, params: Params, neighbours: Neighbours) -> Params:
        for entry in params.get("CostAllocationTagsStatus") or []:
            key = str(entry.get("TagKey"))
            self._bill(neighbours).allocation[key] = _allocation(key, str(entry.get("Status")))
        return {"Errors": []}

    # -- recommendations, which need weeks of history ------------------------------------------------------------------

    async def _do_get_rightsizing_recommendation(self, params: Params, neighbours: Neighbours) -> Params:
        if params.get("Service") != "AmazonEC2":
            raise _invalid("Only AmazonEC2 is supported.")
        summary = {"TotalRecommendationCount": "0", "EstimatedTotalMonthlySavingsAmount": "0",
                   "SavingsCurrencyCode": "USD", "SavingsPercentage": "0"}  # fmt: skip
        return {"Summary": summary, "RightsizingRecommendations": [], "Metadata": {"LookbackPeriodInDays": "14"}}

    async def _do_get_savings_plans_purchase_recommendation(self, params: Params, neighbours: Neighbours) -> Params:
        return {"Metadata": {"GenerationTimestamp": _now().isoformat()}, "SavingsPlansPurchaseRecommendation": {}}

    async def _do_get_reservation_purchase_recommendation(self, params: Params, neighbours: Neighbours) -> Params:
        return {"Metadata": {"GenerationTimestamp": _now().isoformat()}, "Recommendations": []}

    async def _do_get_reservation_coverage(self, params: Params, neighbours: Neighbours) -> Params:
        _periods({**params, "Granularity": params.get("Granularity") or "MONTHLY"})
        return {"CoveragesByTime": []}

    async def _do_get_savings_plans_coverage(self, params: Params, neighbours: Neighbours) -> Params:
        _periods({**params, "Granularity": params.get("Granularity") or "MONTHLY"})
        return {"SavingsPlansCoverages": []}

    async def _no_data(self, params: Params, neighbours: Neighbours) -> Params:
        raise AwsError("DataUnavailableException", "The requested data is unavailable.", 400)

    _do_get_savings_plans_utilization = _no_data
    _do_get_savings_plans_utilization_details = _no_data
    _do_get_reservation_utilization = _no_data

    # -- tags ----------------------------------------------------------------------------------------------------------

    def _label(self, arn: str, params: Params, neighbours: Neighbours) -> None:
        self._bill(neighbours).tags[arn] = {t["Key"]: t["Value"] for t in params.get("ResourceTags") or []}

    def _labels(self, params: Params, neighbours: Neighbours) -> dict[str, str]:
        bill, arn = self._bill(neighbours), str(params.get("ResourceArn"))
        if arn not in {**bill.monitors, **bill.subscriptions, **bill.categories}:
            raise AwsError("ResourceNotFoundException", f"Resource not found: {arn}", 400)
        return bill.tags[arn]

    async def _do_list_tags_for_resource(self, params: Params, neighbours: Neighbours) -> Params:
        return {"ResourceTags": [{"Key": k, "Value": v} for k, v in self._labels(params, neighbours).items()]}

    async def _do_tag_resource(self, params: Params, neighbours: Neighbours) -> Params:
        self._labels(params, neighbours).update({t["Key"]: t["Value"] for t in params.get("ResourceTags") or []})
        return {}

    async def _do_untag_resource(self, params: Params, neighbours: Neighbours) -> Params:
        for key in params.get("ResourceTagKeys") or []:
            self._labels(params, neighbours).pop(key, None)
        return {}


def _allocation(key: str, status: str) -> Params:
    kind = "AWSGenerated" if key.startswith("aws:") else "UserDefined"
    day = _now().strftime("%Y-%m-%dT00:00:00Z")
    return {"TagKey": key, "Type": kind, "Status": status, "LastUpdatedDate": day, "LastUsedDate": day}


def _checked_subscription(given: Mapping[str, Any]) -> None:
    if given.get("Frequency") not in _FREQUENCIES:
        raise _invalid(f"Frequency must be one of {', '.join(_FREQUENCIES)}.")
    kinds = {subscriber.get("Type") for subscriber in given.get("Subscribers") or []}
    if given["Frequency"] == "IMMEDIATE" and kinds - {"SNS"}:
        raise _invalid("IMMEDIATE frequency supports only SNS subscribers.")
    if given["Frequency"] != "IMMEDIATE" and kinds - {"EMAIL"}:
        raise _invalid("DAILY and WEEKLY frequencies support only EMAIL subscribers.")
    if given.get("Threshold") is None and not given.get("ThresholdExpression"):
        raise _invalid("Either Threshold or ThresholdExpression is required.")


def _compared(value: str, wanted: list[Any], options: list[str]) -> bool:
    if "ABSENT" in options:
        return value == ""
    tests: dict[str, Callable[[str, str], bool]] = {
        "EQUALS": str.__eq__,
        "CONTAINS": lambda text, part: part in text,
        "STARTS_WITH": str.startswith,
        "ENDS_WITH": str.endswith,
    }
    test = next((tests[option] for option in options if option in tests), str.__eq__)
    fold = str.lower if "CASE_INSENSITIVE" in options else str
    return any(test(fold(value), fold(str(candidate))) for candidate in wanted)


def _day(params: Mapping[str, Any], edge: str) -> datetime.datetime:
    text = str((params.get("TimePeriod") or {}).get(edge))
    try:
        return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
    except ValueError as error:
        raise _invalid(f"{edge} date is not valid: {text}; expected yyyy-MM-dd") from error


def _periods(params: Mapping[str, Any], future: bool = False) -> list[tuple[datetime.datetime, datetime.datetime]]:
    """The pieces of a time period, as long as the granularity says."""
    start, end, granularity = _day(params, "Start"), _day(params, "End"), params.get("Granularity")
    if start >= end:
        raise _invalid("Start date (and hour) should be before end date (and hour)")
    if not future and start < _now() - _HISTORY:
        raise _invalid("Requested data is unavailable: the start date is more than 14 months ago")
    if granularity not in ("HOURLY", "DAILY", "MONTHLY"):
        raise _invalid("Granularity must be one of HOURLY, DAILY, MONTHLY.")
    pieces = []
    while start < end:
        if granularity == "MONTHLY":
            after = (start.replace(day=1) + datetime.timedelta(days=32)).replace(day=1)
        else:
            after = start + (datetime.timedelta(days=1) if granularity == "DAILY" else datetime.timedelta(hours=1))
        pieces.append((start, min(after, end)))
        start = after
    return pieces


def _shown(moment: datetime.datetime, params: Mapping[str, Any]) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ" if params.get("Granularity") == "HOURLY" else "%Y-%m-%d")


def _number(value: float) -> str:
    return f"{value:.10f}".rstrip("0").rstrip(".") or "0"


def _sums(metrics: list[str], used: list[tuple[Line, float]]) -> Params:
    units = {line.unit for line, quantity in used if quantity > 0}
    sums = {}
    for metric in metrics:
        if metric in ("UsageQuantity", "NormalizedUsageAmount"):
            amount, unit = sum(quantity for _, quantity in used), units.pop() if len(units) == 1 else "N/A"
        else:
            amount, unit = sum(quantity * line.price for line, quantity in used), "USD"
        sums[metric] = {"Amount": _number(amount), "Unit": unit}
    return sums


SERVICE = CostExplorer
