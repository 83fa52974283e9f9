"""When a secret rotates next, rule by rule ("Schedule expressions in Secrets Manager rotation")."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from labs.aws.gateway.calls import AwsError
from labs.aws.providers.rotation_schedule import check_rules, next_rotation

SINCE = datetime.datetime(2026, 11, 25, 10, 30, tzinfo=datetime.UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"AutomaticallyAfterDays": 30}, "2026-12-25 23:59:59"),
        ({"ScheduleExpression": "rate(10 days)"}, "2026-12-05 23:59:59"),
        ({"ScheduleExpression": "rate(10 days)", "Duration": "3h"}, "2026-12-05 13:30:00"),
        ({"ScheduleExpression": "rate(4 hours)"}, "2026-11-25 15:30:00"),
        ({"ScheduleExpression": "cron(0 8 * * ? *)"}, "2026-11-26 23:59:59"),
        ({"ScheduleExpression": "cron(0 16 ? * SUN *)", "Duration": "2h"}, "2026-11-29 18:00:00"),
        ({"ScheduleExpression": "cron(0 0/8 * * ? *)"}, "2026-11-25 17:00:00"),
        ({"ScheduleExpression": "cron(0 2 L * ? *)"}, "2026-11-30 23:59:59"),
        ({"ScheduleExpression": "cron(0 2 1 JAN,JUL ? *)"}, "2027-01-01 23:59:59"),
        ({"ScheduleExpression": "cron(0 2 ? * MON#2 *)"}, "2026-12-14 23:59:59"),
        ({"ScheduleExpression": "cron(0 2 ? * 6L *)"}, "2026-11-27 23:59:59"),
    ],
)
def test_next_rotation_is_the_end_of_the_next_window(rules: dict[str, Any], expected: str) -> None:
    assert next_rotation(rules, SINCE).strftime("%Y-%m-%d %H:%M:%S") == expected


@pytest.mark.parametrize(
    "rules",
    [
        {"AutomaticallyAfterDays": 0},
        {"AutomaticallyAfterDays": 1001},
        {"ScheduleExpression": "every day"},
        {"ScheduleExpression": "rate(3 hours)"},
        {"ScheduleExpression": "cron(0 8 1 * MON *)"},
        {"ScheduleExpression": "cron(0 24 * * ? *)"},
        {"ScheduleExpression": "cron(0 8 30 FEB ? *)"},
        {"ScheduleExpression": "cron(0 8 x * ? *)"},
        {"Duration": "soon"},
    ],
)
def test_rules_that_cannot_be_followed_are_refused(rules: dict[str, Any]) -> None:
    with pytest.raises(AwsError, match="InvalidParameterException"):
        check_rules(rules)
