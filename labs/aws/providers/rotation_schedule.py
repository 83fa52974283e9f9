"""When a secret rotates next: ``AutomaticallyAfterDays``, ``rate(…)`` and ``cron(…)``, always in UTC.

Pure functions.  Pages: "RotationRulesType" (Secrets Manager API Reference) and "Schedule expressions in Secrets Manager
rotation" (Secrets Manager User Guide).
"""

from __future__ import annotations

import calendar
import datetime
import re
from collections.abc import Mapping
from typing import Any

from labs.aws.gateway.calls import AwsError

SHORTEST = 4  # hours between rotations
SEARCHED = 366 * 4  # days that are looked through for the next match of a cron expression
_RATE = re.compile(r"rate\((\d+) (hours?|days?)\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_DURATION = re.compile(r"[1-9][0-9]*h")
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}


def check_rules(rules: Mapping[str, Any]) -> None:
    """:raises AwsError: InvalidParameterException for rules that cannot be followed"""
    days, expression = rules.get("AutomaticallyAfterDays"), rules.get("ScheduleExpression")
    if days is not None and expression is not None:
        raise _invalid("You can't specify both AutomaticallyAfterDays and ScheduleExpression.")
    if days is not None and not 1 <= int(days) <= 1000:
        raise _invalid("RotationRules.AutomaticallyAfterDays must be within 1-1000.")
    duration = rules.get("Duration")
    if duration is not None and not _DURATION.fullmatch(str(duration)):
        raise _invalid(f"The rotation window duration {duration} isn't valid. Give it in hours, such as 3h.")
    if expression is not None:
        next_rotation(rules, datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))


def next_rotation(rules: Mapping[str, Any], since: datetime.datetime) -> datetime.datetime:
    """The end of the next rotation window after ``since`` (aware): Secrets Manager rotates "on or before this date".

    :raises AwsError: InvalidParameterException for an expression that is not one
    """
    expression = rules.get("ScheduleExpression")
    if not expression:
        days = int(rules.get("AutomaticallyAfterDays") or 0)
        return _end_of_day(since + datetime.timedelta(days=days))
    if rate := _RATE.fullmatch(str(expression)):
        hours = int(rate[1]) * (24 if rate[2].startswith("day") else 1)
        if not SHORTEST <= hours <= 1000 * 24:
            raise _invalid(f"The schedule expression {expression} isn't valid: from 4 hours to 1000 days.")
        begin = since + datetime.timedelta(hours=hours)
        return _window(begin, rules, hours)
    if cron := _CRON.fullmatch(str(expression)):
        begin, following = _matches(cron.groups(), since)
        return _window(begin, rules, int((following - begin).total_seconds() // 3600))
    raise _invalid(f"The schedule expression {expression} isn't valid.")


def _window(begin: datetime.datetime, rules: Mapping[str, Any], hours: int) -> datetime.datetime:
    """A window lasts ``Duration``, else to the end of the day, or an hour where rotations are hours apart."""
    duration = rules.get("Duration")
    if duration:
        return begin + datetime.timedelta(hours=int(str(duration)[:-1]))
    return begin + datetime.timedelta(hours=1) if hours < 24 else _end_of_day(begin)


def _end_of_day(moment: datetime.datetime) -> datetime.datetime:
    return moment.replace(hour=23, minute=59, second=59, microsecond=0)


def _matches(fields: tuple[str, ...], since: datetime.datetime) -> tuple[datetime.datetime, datetime.datetime]:
    """The next two moments that a cron expression names."""
    minute, hour, day, month, weekday, year = fields
    if minute != "0":
        raise _invalid("The schedule expression isn't valid: the minutes field must be 0.")
    if (day == "?") == (weekday == "?"):
        raise _invalid("The schedule expression isn't valid: one of day-of-month and day-of-week must be ?.")
    hours = _field(hour, 0, 23, {})
    months = _field(month, 1, 12, _MONTHS)
    years = _field(year, 1970, 2199, {})
    found: list[datetime.datetime] = []
    date = since.date()
    for _ in range(SEARCHED):
        if date.month in months and date.year in years and _day_matches(date, day, weekday):
            for at in sorted(hours):
                moment = datetime.datetime(date.year, date.month, date.day, at, tzinfo=datetime.UTC)
                if moment > since:
                    found.append(moment)
        if len(found) > 1:
            return found[0], found[1]
        date += datetime.timedelta(days=1)
    if found:
        return found[0], found[0] + datetime.timedelta(days=SEARCHED)
    raise _invalid("The schedule expression isn't valid: it never matches.")


def _day_matches(date: datetime.date, day: str, weekday: str) -> bool:
    if weekday == "?":
        last = calendar.monthrange(date.year, date.month)[1]
        return date.day == last if day == "L" else date.day in _field(day, 1, 31, {})
    number = date.isoweekday() % 7 + 1  # Sunday is 1
    if "#" in weekday:
        name, _, which = weekday.partition("#")
        return number in _field(name, 1, 7, _DAYS) and str((date.day - 1) // 7 + 1) == which
    if weekday != "L" and weekday.endswith("L"):
        final = date.day + 7 > calendar.monthrange(date.year, date.month)[1]
        return number in _field(weekday[:-1], 1, 7, _DAYS) and final
    return number == 7 if weekday == "L" else number in _field(weekday, 1, 7, _DAYS)


def _field(text: str, least: int, most: int, names: Mapping[str, int]) -> set[int]:
    """The numbers of one field: ``*``, a list, a range, a step.

    :raises AwsError: InvalidParameterException
    """
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        try:
            low = least if span == "*" else _number(first, names)
            high = most if span == "*" or (step and not dash) else _number(last, names) if dash else low
            found.update(range(low, high + 1, int(step) if step else 1))
        except ValueError as error:
            raise _invalid(f"The schedule expression isn't valid: {part!r} is no field value.") from error
    if not found or min(found) < least or max(found) > most:
        raise _invalid(f"The schedule expression isn't valid: {text!r} is not within {least}-{most}.")
    return found


def _number(text: str, names: Mapping[str, int]) -> int:
    return names[text.upper()] if text.upper() in names else int(text)


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message, 400)
