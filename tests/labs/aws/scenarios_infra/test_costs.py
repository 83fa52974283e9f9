"""Cost Explorer, Budgets, Price List.  Pages: AWS Billing and Cost Management API Reference."""

from __future__ import annotations

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
