"""CloudWatch metric math, as a pure function over time series.

Source: Amazon CloudWatch User Guide, "Using math expressions with CloudWatch metrics".  Here are arithmetic, comparison
and logic, and the functions ABS, AVG, CEIL, DIFF, DIFF_TIME, FILL, FLOOR, IF, MAX, METRICS, METRIC_COUNT, MIN, PERIOD,
RATE, RUNNING_SUM, STDDEV and SUM.  Not here: SEARCH, ANOMALY_DETECTION_BAND, SORT, and Metrics Insights' SELECT.
"""

from __future__ import annotations

import ast
import itertools
import math
import operator
import re
import statistics
from collections.abc import Callable, Mapping

Series = dict[float, float]  # epoch seconds → value
Value = Series | float | list[Series]


class BadExpression(Exception):
    """The text cannot be evaluated; the message says why."""


_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.BitXor: operator.pow,
    ast.Pow: operator.pow,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def names_in(expression: str) -> set[str]:
    """The ids that an expression refers to.

    :raises BadExpression: it cannot be read
    """
    return {node.id for node in ast.walk(_read(expression)) if isinstance(node, ast.Name)}


def evaluate(expression: str, known: Mapping[str, Series], period: float) -> Series:
    """The time series of an expression.

    :param known: series by id
    :param period: seconds between the points of its metrics
    :raises BadExpression: it cannot be read, or names what does not exist
    """
    value = _Evaluation(known, period).of(_read(expression).body)
    if isinstance(value, list):
        raise BadExpression("The expression gives several time series where one is expected")
    if isinstance(value, dict):
        return value
    moments = {moment for series in known.values() for moment in series}
    return dict.fromkeys(sorted(moments), float(value))


def _read(expression: str) -> ast.Expression:
    text = expression.replace("&&", " and ").replace("||", " or ")
    text = re.sub(r"\bAND\b", " and ", re.sub(r"\bOR\b", " or ", text))
    try:
        return ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        raise BadExpression(f"The expression '{expression}' cannot be read") from error


class _Evaluation:
    def __init__(self, known: Mapping[str, Series], period: float) -> None:
        self._known = known
        self._period = period

    def of(self, node: ast.AST) -> Value:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return float(node.value)
        if isinstance(node, ast.Name):
            if node.id not in self._known:
                raise BadExpression(f"The expression refers to {node.id}, which does not exist")
            return self._known[node.id]
        if isinstance(node, ast.List | ast.Tuple):
            return [self._series(element) for element in node.elts]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return _each(lambda a, b: b - a, self.of(node.operand), 0.0)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _each(_OPERATORS[type(node.op)], self.of(node.left), self.of(node.right))
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _OPERATORS:
            return _each(_OPERATORS[type(node.ops[0])], self.of(node.left), self.of(node.comparators[0]))
        if isinstance(node, ast.BoolOp):
            join: Callable[[float, float], float] = (
                (lambda a, b: bool(a) and bool(b))
                if isinstance(node.op, ast.And)
                else (lambda a, b: bool(a) or bool(b))
            )
            value = self.of(node.values[0])
            for other in node.values[1:]:
                value = _each(join, value, self.of(other))
            return value
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node.func.id.upper(), node.args)
        raise BadExpression("The expression uses something that is not metric math")

    def _series(self, node: ast.AST) -> Series:
        value = self.of(node)
        if not isinstance(value, dict):
            raise BadExpression("A time series is expected")
        return value

    def _call(self, name: str, arguments: list[ast.expr]) -> Value:
        if name == "METRICS":
            wanted = str(ast.literal_eval(arguments[0])) if arguments else ""
            return [series for key, series in self._known.items() if wanted in key]
        if not arguments:
            raise BadExpression(f"{name} needs an argument")
        if name == "PERIOD":
            return self._period
        if name == "FILL" and isinstance(arguments[1], ast.Name):
            return self._repeated(self._series(arguments[0]))
        values = [self.of(argument) for argument in arguments]
        if name in _AGGREGATES:
            return _aggregated(_AGGREGATES[name], values[0])
        if name in _SINGLE and isinstance(values[0], dict):
            return {moment: _SINGLE[name](value) for moment, value in values[0].items()}
        if name in ("RATE", "DIFF", "DIFF_TIME", "RUNNING_SUM") and isinstance(values[0], dict):
            return _successive(name, values[0])
        if name == "METRIC_COUNT" and isinstance(values[0], list):
            return float(len(values[0]))
        if name == "IF" and len(values) >= 2:
            return _chosen(values[0], values[1], values[2] if len(values) > 2 else None)
        if name == "FILL" and isinstance(values[0], dict) and isinstance(values[1], float | dict):
            return {m: values[0].get(m, _at(values[1], m) or 0.0) for m in self._moments()}
        raise BadExpression(f"The function {name} is not known here, or has other arguments")

    def _moments(self) -> list[float]:
        return sorted({moment for series in self._known.values() for moment in series})

    def _repeated(self, series: Series) -> Series:
        """``FILL(m, REPEAT)``: a gap repeats the value before it."""
        filled: Series = {}
        last: float | None = None
        for moment in self._moments():
            last = series.get(moment, last)
            if last is not None:
                filled[moment] = last
        return filled


def _at(value: Value, moment: float) -> float | None:
    return value.get(moment) if isinstance(value, dict) else value if isinstance(value, float | int) else None


def _each(call: Callable[[float, float], float], left: Value, right: Value) -> Value:
    """Two series meet where both have a value; a division by zero gives no value."""
    if isinstance(left, list):
        raise BadExpression("An operation is applied to an array of time series")
    if isinstance(right, list):
        raise BadExpression("An operation is applied to an array of time series")
    if not isinstance(left, dict) and not isinstance(right, dict):
        try:
            return float(call(left, right))
        except ArithmeticError as error:
            raise BadExpression(str(error)) from error
    moments = left if isinstance(left, dict) else right
    assert isinstance(moments, dict)
    found: Series = {}
    for moment in moments:
        a, b = _at(left, moment), _at(right, moment)
        if a is None or b is None:
            continue
        try:
            found[moment] = float(call(a, b))
        except ArithmeticError:
            continue
    return found


_AGGREGATES: dict[str, Callable[[list[float]], float]] = {
    "SUM": math.fsum,
    "AVG": statistics.fmean,
    "MIN": min,
    "MAX": max,
    "STDDEV": statistics.pstdev,
}
_SINGLE: dict[str, Callable[[float], float]] = {
    "ABS": abs,
    "CEIL": lambda value: float(math.ceil(value)),
    "FLOOR": lambda value: float(math.floor(value)),
}


def _aggregated(call: Callable[[list[float]], float], value: Value) -> Value:
    """Over an array of series: a series; over one series: a number."""
    if isinstance(value, dict):
        return float(call(list(value.values()))) if value else 0.0
    if isinstance(value, list):
        moments = sorted({moment for series in value for moment in series})
        return {moment: float(call([series[moment] for series in value if moment in series])) for moment in moments}
    return value


def _successive(name: str, series: Series) -> Series:
    moments = sorted(series)
    if name == "RUNNING_SUM":
        total, sums = 0.0, {}
        for moment in moments:
            total += series[moment]
            sums[moment] = total
        return sums
    found: Series = {}
    for before, moment in itertools.pairwise(moments):
        change, span = series[moment] - series[before], moment - before
        found[moment] = {"RATE": change / span, "DIFF": change, "DIFF_TIME": span}[name]
    return found


def _chosen(condition: Value, yes: Value, no: Value | None) -> Value:
    if isinstance(condition, float):
        return yes if condition else (no if no is not None else {})
    if not isinstance(condition, dict):
        raise BadExpression("IF needs a time series or a number")
    found: Series = {}
    for moment, value in condition.items():
        chosen = _at(yes, moment) if value else None if no is None else _at(no, moment)
        if chosen is not None:
            found[moment] = chosen
    return found
