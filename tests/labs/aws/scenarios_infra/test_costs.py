"""Cost Explorer, Budgets, Price List.  Pages: AWS Billing and Cost Management API Reference."""

from __future__ import annotations

import datetime
import json
from typing import Any


def budget(name: str = "monthly", limit: str = "100") -> dict[str, Any]:
    return {
        "BudgetName": name,
        "BudgetLimit": {"Amount": limit, "Unit": "USD"},
        "TimeUnit": "MONTHLY",
        "BudgetType": "COST",
        "CostFilters": {"TagKeyValue": ["user:team$shop"]},
    }


def alert(threshold: float, kind: str = "ACTUAL") -> dict[str, Any]:
    return {"NotificationType": kind, "ComparisonOperator": "GREATER_THAN", "Threshold": threshold,
            "ThresholdType": "PERCENTAGE"}


def test_budget_with_alerts(cloud: Any, refused: Any) -> None:
    budgets, account = cloud.budgets, {"AccountId": cloud.number}
    mail = {"SubscriptionType": "EMAIL", "Address": "ops@example.com"}
    budgets.create_budget(
        **account, Budget=budget(), NotificationsWithSubscribers=[{"Notification": alert(80), "Subscribers": [mail]}]
    )
    refused("DuplicateRecordException", budgets.create_budget, **account, Budget=budget())
    named = {**account, "BudgetName": "monthly"}
    read = budgets.describe_budget(**named)["Budget"]
    assert float(read["BudgetLimit"]["Amount"]) == 100
    assert read["CalculatedSpend"]["ActualSpend"]["Unit"] == "USD"
    (found,) = budgets.describe_notifications_for_budget(**named)["Notifications"]
    assert found["Threshold"] == 80
    budgets.create_notification(**named, Notification=alert(100, "FORECASTED"), Subscribers=[mail])
    refused("DuplicateRecordException", budgets.create_notification, **named, Notification=alert(100, "FORECASTED"),
            Subscribers=[mail])
    assert len(budgets.describe_notifications_for_budget(**named)["Notifications"]) == 2
    assert budgets.describe_subscribers_for_notification(**named, Notification=alert(80))["Subscribers"] == [mail]
    budgets.update_budget(**account, NewBudget=budget(limit="250"))
    assert float(budgets.describe_budget(**named)["Budget"]["BudgetLimit"]["Amount"]) == 250
    budgets.delete_notification(**named, Notification=alert(80))
    assert len(budgets.describe_notifications_for_budget(**named)["Notifications"]) == 1
    assert [b["BudgetName"] for b in budgets.describe_budgets(**account)["Budgets"]] == ["monthly"]
    budgets.delete_budget(**named)
    refused("NotFoundException", budgets.describe_budget, **named)
    refused("NotFoundException", budgets.delete_budget, **named)


def test_budget_permissions(cloud: Any, refused: Any) -> None:
    for name in ("one", "two"):
        cloud.budgets.create_budget(AccountId=cloud.number, Budget=budget(name))
    arn = f"arn:aws:budgets::{cloud.number}:budget/one"
    user = cloud.user({"Effect": "Allow", "Action": "budgets:ViewBudget", "Resource": arn})
    user.budgets.describe_budget(AccountId=cloud.number, BudgetName="one")
    refused("AccessDeniedException", user.budgets.describe_budget, AccountId=cloud.number, BudgetName="two")
    refused("AccessDeniedException", user.budgets.delete_budget, AccountId=cloud.number, BudgetName="one")


def test_cost_categories(cloud: Any, refused: Any) -> None:
    ce = cloud.ce
    rule = {"Value": "shop", "Rule": {"Tags": {"Key": "team", "Values": ["shop"]}}}
    arn = ce.create_cost_category_definition(Name="team", RuleVersion="CostCategoryExpression.v1", Rules=[rule])[
        "CostCategoryArn"
    ]
    assert ce.describe_cost_category_definition(CostCategoryArn=arn)["CostCategory"]["Rules"] == [rule]
    ce.delete_cost_category_definition(CostCategoryArn=arn)
    refused("ResourceNotFoundException", ce.describe_cost_category_definition, CostCategoryArn=arn)


def month() -> dict[str, str]:
    """The current month until tomorrow, and so a piece that is not over."""
    today = datetime.datetime.now(datetime.UTC).date()
    return {"Start": today.replace(day=1).isoformat(), "End": (today + datetime.timedelta(days=1)).isoformat()}


def test_cost_and_usage_shape(cloud: Any, refused: Any) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    start = (today.replace(day=1) - datetime.timedelta(days=1)).replace(day=1)
    period = {"Start": start.isoformat(), "End": today.replace(day=1).isoformat()}
    ask = cloud.ce.get_cost_and_usage
    by_service = [{"Type": "DIMENSION", "Key": "SERVICE"}]
    answer = ask(TimePeriod=period, Granularity="MONTHLY", Metrics=["UnblendedCost"], GroupBy=by_service)
    assert [r["TimePeriod"] for r in answer["ResultsByTime"]] == [period]
    assert answer["GroupDefinitions"] == by_service
    daily = ask(TimePeriod=period, Granularity="DAILY", Metrics=["UnblendedCost"])["ResultsByTime"]
    assert len(daily) == (today.replace(day=1) - start).days
    assert daily[0]["Total"]["UnblendedCost"] == {"Amount": "0", "Unit": "USD"}
    good = {"TimePeriod": period, "Granularity": "MONTHLY", "Metrics": ["UnblendedCost"]}
    refused("ValidationException", ask, **{**good, "TimePeriod": {"Start": period["End"], "End": period["Start"]}})
    refused("ValidationException", ask, **{**good, "Metrics": ["Dollars"]})
    refused("ValidationException", ask, **good, GroupBy=[{"Type": "DIMENSION", "Key": "COLOUR"}])
    refused("ValidationException", ask, **{**good, "TimePeriod": {**period, "Start": "2020-01-01"}})


def test_costs_are_those_of_what_runs(cloud: Any) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "team", "Value": "shop"}]}]
    cloud.ec2.run_instances(ImageId=cloud.image(), InstanceType="m5.large", MinCount=1, MaxCount=1,
                            TagSpecifications=tags)  # fmt: skip
    ask = {"TimePeriod": month(), "Granularity": "MONTHLY", "Metrics": ["UnblendedCost", "UsageQuantity"]}
    by = lambda kind, key: [{"Type": kind, "Key": key}]  # noqa: E731
    result = cloud.ce.get_cost_and_usage(**ask, GroupBy=by("DIMENSION", "SERVICE"))["ResultsByTime"][-1]
    groups = {group["Keys"][0]: group["Metrics"] for group in result["Groups"]}
    assert {"Amazon Elastic Compute Cloud - Compute", "EC2 - Other"} == set(groups)
    assert result["Estimated"] is True
    chosen = {"Dimensions": {"Key": "SERVICE", "Values": ["Amazon Elastic Compute Cloud - Compute"]}}
    result = cloud.ce.get_cost_and_usage(**ask, GroupBy=by("TAG", "team"), Filter=chosen)["ResultsByTime"][-1]
    (group,) = result["Groups"]
    assert group["Keys"] == ["team$shop"]
    assert float(group["Metrics"]["UnblendedCost"]["Amount"]) > 0
    values = cloud.ce.get_dimension_values(TimePeriod=month(), Dimension="INSTANCE_TYPE")["DimensionValues"]
    assert "m5.large" in [value["Value"] for value in values]
    assert cloud.ce.get_tags(TimePeriod=month(), TagKey="team")["Tags"] == ["", "shop"]


def test_a_forecast_carries_the_rate_on(cloud: Any, refused: Any) -> None:
    cloud.ec2.run_instances(ImageId=cloud.image(), InstanceType="m5.large", MinCount=1, MaxCount=1)
    today = datetime.datetime.now(datetime.UTC).date()
    ahead = {"Start": (today + datetime.timedelta(days=1)).isoformat(),
             "End": (today + datetime.timedelta(days=11)).isoformat()}  # fmt: skip
    forecast = cloud.ce.get_cost_forecast(TimePeriod=ahead, Metric="UNBLENDED_COST", Granularity="DAILY")
    assert len(forecast["ForecastResultsByTime"]) == 10
    assert float(forecast["Total"]["Amount"]) >= 10 * 24 * 0.096
    back = {"Start": "2026-01-01", "End": "2026-02-01"}
    refused("ValidationException", cloud.ce.get_cost_forecast, TimePeriod=back, Metric="UNBLENDED_COST",
            Granularity="MONTHLY")  # fmt: skip


def test_anomaly_monitors_and_subscriptions(cloud: Any, refused: Any) -> None:
    ce = cloud.ce
    service = {"MonitorName": "services", "MonitorType": "DIMENSIONAL", "MonitorDimension": "SERVICE"}
    monitor = ce.create_anomaly_monitor(AnomalyMonitor=service)["MonitorArn"]
    refused("LimitExceededException", ce.create_anomaly_monitor, AnomalyMonitor=service)
    above = {"Dimensions": {"Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE", "MatchOptions": ["GREATER_THAN_OR_EQUAL"],
                            "Values": ["100"]}}  # fmt: skip
    wanted = {"SubscriptionName": "daily", "MonitorArnList": [monitor], "Frequency": "DAILY",
              "Subscribers": [{"Type": "EMAIL", "Address": "ops@example.com"}], "ThresholdExpression": above}
    made = ce.create_anomaly_subscription(AnomalySubscription=wanted)["SubscriptionArn"]
    refused("ValidationException", ce.create_anomaly_subscription,
            AnomalySubscription={**wanted, "Frequency": "IMMEDIATE"})  # fmt: skip
    unknown = f"arn:aws:ce::{cloud.number}:anomalymonitor/{'0' * 8}-0000-0000-0000-{'0' * 12}"
    refused("UnknownMonitorException", ce.create_anomaly_subscription,
            AnomalySubscription={**wanted, "MonitorArnList": [unknown]})  # fmt: skip
    (read,) = ce.get_anomaly_subscriptions(MonitorArn=monitor)["AnomalySubscriptions"]
    assert (read["SubscriptionArn"], read["Subscribers"][0]["Status"]) == (made, "CONFIRMED")
    ce.update_anomaly_monitor(MonitorArn=monitor, MonitorName="renamed")
    assert ce.get_anomaly_monitors(MonitorArnList=[monitor])["AnomalyMonitors"][0]["MonitorName"] == "renamed"
    assert ce.get_anomalies(DateInterval={"StartDate": month()["Start"]})["Anomalies"] == []
    ce.delete_anomaly_subscription(SubscriptionArn=made)
    refused("UnknownSubscriptionException", ce.delete_anomaly_subscription, SubscriptionArn=made)
    ce.delete_anomaly_monitor(MonitorArn=monitor)
    refused("UnknownMonitorException", ce.get_anomaly_monitors, MonitorArnList=[monitor])


def test_cost_allocation_tags_are_activated(cloud: Any) -> None:
    ce = cloud.ce
    tag = [{"ResourceType": "volume", "Tags": [{"Key": "team", "Value": "shop"}]}]
    cloud.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, TagSpecifications=tag)
    assert [t["TagKey"] for t in ce.list_cost_allocation_tags(Status="Inactive")["CostAllocationTags"]] == ["team"]
    ce.update_cost_allocation_tags_status(CostAllocationTagsStatus=[{"TagKey": "team", "Status": "Active"}])
    tags = {t["TagKey"]: t["Status"] for t in ce.list_cost_allocation_tags()["CostAllocationTags"]}
    assert tags == {"team": "Active"}


def test_price_of_an_instance(cloud: Any, refused: Any) -> None:
    pricing = cloud.pricing
    codes = {service["ServiceCode"] for service in pricing.describe_services()["Services"]}
    assert {"AmazonEC2", "AmazonS3", "AmazonRDS"} <= codes
    match = lambda field, value: {"Type": "TERM_MATCH", "Field": field, "Value": value}  # noqa: E731
    products = pricing.get_products(
        ServiceCode="AmazonEC2",
        Filters=[match("instanceType", "m5.large"), match("regionCode", "us-east-1"),
                 match("operatingSystem", "Linux"), match("tenancy", "Shared")],
    )["PriceList"]
    (product,) = [json.loads(item) for item in products]
    assert product["product"]["attributes"]["vcpu"] == "2"
    (term,) = product["terms"]["OnDemand"].values()
    (dimension,) = term["priceDimensions"].values()
    assert dimension["unit"] == "Hrs"
    assert float(dimension["pricePerUnit"]["USD"]) > 0
    values = pricing.get_attribute_values(ServiceCode="AmazonEC2", AttributeName="instanceType")["AttributeValues"]
    assert "m5.large" in {value["Value"] for value in values}
    refused("InvalidParameterException", pricing.get_products, ServiceCode="AmazonNothing")
