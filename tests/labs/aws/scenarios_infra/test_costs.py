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


def test_cost_and_usage_shape(cloud: Any, refused: Any) -> None:
    today = datetime.date.today()
    start = (today.replace(day=1) - datetime.timedelta(days=1)).replace(day=1)
    period = {"Start": start.isoformat(), "End": today.replace(day=1).isoformat()}
    answer = cloud.ce.get_cost_and_usage(
        TimePeriod=period, Granularity="MONTHLY", Metrics=["UnblendedCost"],
        GroupBy=[{"Type": "DIMENSION", "Key": "SERVICE"}],
    )
    assert [r["TimePeriod"] for r in answer["ResultsByTime"]] == [period]
    backwards = {"Start": period["End"], "End": period["Start"]}
    refused("ValidationException", cloud.ce.get_cost_and_usage, TimePeriod=backwards, Granularity="MONTHLY",
            Metrics=["UnblendedCost"])


def test_cost_categories(cloud: Any, refused: Any) -> None:
    ce = cloud.ce
    rule = {"Value": "shop", "Rule": {"Tags": {"Key": "team", "Values": ["shop"]}}}
    arn = ce.create_cost_category_definition(Name="team", RuleVersion="CostCategoryExpression.v1", Rules=[rule])[
        "CostCategoryArn"
    ]
    assert ce.describe_cost_category_definition(CostCategoryArn=arn)["CostCategory"]["Rules"] == [rule]
    ce.delete_cost_category_definition(CostCategoryArn=arn)
    refused("ResourceNotFoundException", ce.describe_cost_category_definition, CostCategoryArn=arn)


def test_cost_allocation_tags_are_activated(cloud: Any) -> None:
    ce = cloud.ce
    ce.update_cost_allocation_tags_status(CostAllocationTagsStatus=[{"TagKey": "team", "Status": "Active"}])
    tags = {t["TagKey"]: t["Status"] for t in ce.list_cost_allocation_tags()["CostAllocationTags"]}
    assert tags["team"] == "Active"


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
