"""Budgets: amounts and names that AWS refuses, actions, and how a budget did before.

An action waits: nothing here spends so much that it would be carried out by itself; ``ExecuteBudgetAction`` attaches
its IAM policy and ``REVERSE_BUDGET_ACTION`` detaches it.  Pages: CreateBudget, CreateBudgetAction, ExecuteBudgetAction
(AWS Billing and Cost Management API Reference); "Configuring budget actions" (Cost Management User Guide).
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, ask

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

SUBSCRIBERS = 11  # "1 SNS subscription and up to 10 email subscriptions"


def _invalid(text: str) -> AwsError:
    return AwsError("InvalidParameterException", text, 400)


async def _create(exchange: Exchange, params: Params) -> None:
    budget = params.get("Budget") or params.get("NewBudget") or {}
    limit = (budget.get("BudgetLimit") or {}).get("Amount")
    try:
        fine = limit is None or float(limit) > 0
    except ValueError:
        fine = False
    if not fine:
        raise _invalid(f"Budget limit amount must be a number greater than 0, not {limit}.")
    name = str(budget.get("BudgetName", ""))
    if any(letter in name for letter in ":\\\\") or "/action/" in name or not 1 <= len(name) <= 100:
        raise _invalid(f"The budget name is not valid: {name}")
    period = budget.get("TimePeriod") or {}
    if period.get("Start") and period.get("End") and period["Start"] >= period["End"]:
        raise _invalid("Start date of a budget must be before its end date.")


def _actions(exchange: Exchange, budget: Any) -> dict[str, Params]:
    found: dict[str, Params] = exchange.gateway.notes.setdefault(("budgets", "actions", exchange.account, budget), {})
    return found


async def _create_action(exchange: Exchange, params: Params) -> Params:
    name = params.get("BudgetName")
    await ask(exchange, "DescribeBudget", AccountId=params.get("AccountId"), BudgetName=name)
    kind = params.get("ActionType")
    needed = {"APPLY_IAM_POLICY": "IamActionDefinition", "APPLY_SCP_POLICY": "ScpActionDefinition",
              "RUN_SSM_DOCUMENTS": "SsmActionDefinition"}.get(str(kind), "")  # fmt: skip
    if not (params.get("Definition") or {}).get(needed):
        raise _invalid(f"The definition of a {kind} action needs {needed}.")
    if not 1 <= len(params.get("Subscribers") or []) <= SUBSCRIBERS:
        raise _invalid(f"An action has 1 to {SUBSCRIBERS} subscribers.")
    identifier = str(uuid.uuid4())
    names = ("BudgetName", "NotificationType", "ActionType", "ActionThreshold", "Definition", "ExecutionRoleArn",
             "ApprovalModel", "Subscribers")  # fmt: skip
    record = {"ActionId": identifier, **{key: params.get(key) for key in names}, "Status": "STANDBY"}
    record["History"] = [_event(exchange, "STANDBY", "CREATE_ACTION", "The action was created.", record)]
    _actions(exchange, name)[identifier] = record
    return {"AccountId": params.get("AccountId"), "BudgetName": name, "ActionId": identifier}


def _event(exchange: Exchange, status: str, kind: str, text: str, record: Params) -> Params:
    shown = {key: value for key, value in record.items() if key != "History"}
    details = {"Message": text, "Action": shown}
    return {"Timestamp": exchange.now, "Status": status, "EventType": kind, "ActionHistoryDetails": details}


def _action(exchange: Exchange, params: Params) -> Params:
    found = _actions(exchange, params.get("BudgetName")).get(str(params.get("ActionId")))
    if found is None:
        raise AwsError("NotFoundException", f"Unable to find action: {params.get('ActionId')}", 400)
    return found


def _shown(record: Params) -> Params:
    return {key: value for key, value in record.items() if key != "History"}


def _named(params: Params) -> Params:
    return {key: params.get(key) for key in ("AccountId", "BudgetName")}


async def _describe_action(exchange: Exchange, params: Params) -> Params:
    return {**_named(params), "Action": _shown(_action(exchange, params))}


async def _list_actions(exchange: Exchange, params: Params) -> Params:
    return {"Actions": [_shown(record) for record in _actions(exchange, params.get("BudgetName")).values()]}


async def _every_action(exchange: Exchange, params: Params) -> Params:
    place = ("budgets", "actions", exchange.account)
    mine = [value for key, value in exchange.gateway.notes.items() if key[:3] == place]
    return {"Actions": [_shown(record) for actions in mine for record in actions.values()]}


async def _update_action(exchange: Exchange, params: Params) -> Params:
    record = _action(exchange, params)
    old = _shown(record)
    names = ("NotificationType", "ActionThreshold", "Definition", "ExecutionRoleArn", "ApprovalModel", "Subscribers")
    record.update({key: params[key] for key in names if params.get(key) is not None})
    record["History"].append(_event(exchange, record["Status"], "UPDATE_ACTION", "The action was updated.", record))
    return {**_named(params), "OldAction": old, "NewAction": _shown(record)}


async def _delete_action(exchange: Exchange, params: Params) -> Params:
    record = _action(exchange, params)
    del _actions(exchange, params.get("BudgetName"))[record["ActionId"]]
    return {**_named(params), "Action": _shown(record)}


async def _execute(exchange: Exchange, params: Params) -> Params:
    """Attach the policy to users, groups and roles, or take it away again."""
    record, kind = _action(exchange, params), str(params.get("ExecutionType"))
    back = kind == "REVERSE_BUDGET_ACTION"
    if kind not in ("APPROVE_BUDGET_ACTION", "RETRY_BUDGET_ACTION", "RESET_BUDGET_ACTION") and not back:
        raise _invalid(f"Unknown execution type: {kind}")
    definition = (record["Definition"] or {}).get("IamActionDefinition") or {}
    if definition and kind != "RESET_BUDGET_ACTION":
        verb = "Detach" if back else "Attach"
        for plural, one in (("Users", "User"), ("Groups", "Group"), ("Roles", "Role")):
            for name in definition.get(plural) or []:
                await ask(exchange, f"{verb}{one}Policy", "iam", **{f"{one}Name": name},
                          PolicyArn=definition["PolicyArn"])  # fmt: skip
                exchange.gateway.policies.forget_everything()
    record["Status"] = {"REVERSE_BUDGET_ACTION": "REVERSE_SUCCESS", "RESET_BUDGET_ACTION": "STANDBY"}.get(
        kind, "EXECUTION_SUCCESS"
    )
    record["History"].append(_event(exchange, record["Status"], "EXECUTE_ACTION", f"{kind} was carried out.", record))
    return {**_named(params), "ActionId": record["ActionId"], "ExecutionType": kind}


async def _histories(exchange: Exchange, params: Params) -> Params:
    return {"ActionHistories": _action(exchange, params)["History"]}


async def _performance(exchange: Exchange, params: Params) -> Params:
    """What was budgeted and spent in the present period; nothing is known of earlier ones."""
    budget = (await ask(exchange, "DescribeBudget", **_named(params)))["Budget"]
    amounts: Params = {"BudgetedAmount": budget.get("BudgetLimit")}
    amounts["ActualAmount"] = (budget.get("CalculatedSpend") or {}).get("ActualSpend")
    start = exchange.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    amounts["TimePeriod"] = {"Start": start, "End": exchange.now}
    kept = {"BudgetName": budget["BudgetName"], "BudgetType": budget.get("BudgetType"),
            "TimeUnit": budget.get("TimeUnit"), "BudgetedAndActualAmountsList": [amounts]}  # fmt: skip
    return {"BudgetPerformanceHistory": kept}


async def _deleted(exchange: Exchange, params: Params, result: Params) -> None:
    exchange.gateway.notes.pop(("budgets", "actions", exchange.account, params.get("BudgetName")), None)


CORRECTIONS = Corrections(
    before={"CreateBudget": _create, "UpdateBudget": _create},
    instead={
        "CreateBudgetAction": _create_action,
        "DescribeBudgetAction": _describe_action,
        "DescribeBudgetActionsForBudget": _list_actions,
        "DescribeBudgetActionsForAccount": _every_action,
        "UpdateBudgetAction": _update_action,
        "DeleteBudgetAction": _delete_action,
        "ExecuteBudgetAction": _execute,
        "DescribeBudgetActionHistories": _histories,
        "DescribeBudgetPerformanceHistory": _performance,
    },
    after={"DeleteBudget": _deleted},
)
