"""Six short stories about one name each: who asks when, what is changed in between, and what is answered at the end.

They are played on real resolvers whose clock goes ahead from one moment to the next, in the drill's zones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labs.scenarios.base import Values, pick
from labs.scenarios.h_networking import zones

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount
    from labs.scenarios.h_networking.resolvers import Resolvers

Case = dict[str, Any]
OLD, NEW, NEWER = "198.51.100.10", "198.51.100.20", "198.51.100.30"
SOA_TTL = 900


def cases(seed: bytes, values: Values) -> list[Case]:
    """``{"id", "start", "steps", "lines"}``: records at the start, then steps ``[second, "ask"|"put", …]``."""
    ttl, late = pick(seed, "h4 ttl", [120, 300, 600]), pick(seed, "h4 late", [True, False])
    negative, after = values["negative_ttl"], pick(seed, "h4 after", [True, False])
    told = [
        _case(1, [("one", "A", OLD, ttl)], [
            (0, "ask", "internet", "one", "A"), (10, "put", "one", "A", NEW, ttl),
            (ttl + 20 if late else ttl - 20, "ask", "internet", "one", "A")]),
        _case(2, [], [
            (0, "ask", "internet", "two", "A"), (30, "put", "two", "A", NEW, 60),
            (negative + 20 if after else negative - 20, "ask", "internet", "two", "A")]),
        _case(3, [("three", "A", OLD, 3600)], [
            (0, "ask", "internet", "three", "A"), (600, "put", "three", "A", OLD, 60),
            (720, "put", "three", "A", NEW, 60), (1500, "ask", "internet", "three", "A")]),
        _case(4, [("four", "CNAME", "blue", 1800), ("blue", "A", OLD, 60), ("green", "A", NEW, 60)], [
            (0, "ask", "internet", "four", "A"), (300, "put", "four", "CNAME", "green", 1800),
            (600, "put", "blue", "A", NEWER, 60), (900, "ask", "internet", "four", "A")]),
        _case(5, [("*.five", "A", OLD, 60), ("text.five", "TXT", '"hello"', 60)], [
            (0, "ask", "internet", "text.five", "A")]),
        _case(6, [("six", "A", OLD, 60)], [
            (0, "ask", "internet", "six", "A"), (10, "ask", "shop", "six", "A")]),
    ]  # fmt: skip
    return told


def _case(number: int, start: list[tuple[Any, ...]], steps: list[tuple[Any, ...]]) -> Case:
    lines = [f"before: {_record(each)}" for each in start] + [_line(each) for each in steps]
    lines[-1] += "   ← what is answered?"
    return {"id": f"case-{number}", "start": [list(each) for each in start], "steps": [list(each) for each in steps],
            "lines": lines}  # fmt: skip


def _record(each: tuple[Any, ...]) -> str:
    name, kind, value, ttl = each
    return f"{name} {kind} {value}, TTL {ttl}"


def _line(step: tuple[Any, ...]) -> str:
    if step[1] == "put":
        return f"{step[0]:>5} s: changed to {_record(step[2:])}"
    _, _, view, name, kind = step
    who = "a client on the internet" if view == "internet" else "a client in the shop's VPC"
    return f"{step[0]:>5} s: {who} asks for {name} {kind}"


def ensure(aws: AwsAccount, values: Values) -> None:
    """The drill's zones: the public one with its negative TTL and a wildcard's place, the private one with one name."""
    drill = values["drill"]
    zone = zones.ensure_zone(aws, drill, [])
    zones.put(aws, zone, zones.record(
        drill, "SOA", f"ns-1.awsdns-1.com. hostmaster.{drill}. 1 7200 900 1209600 {values['negative_ttl']}", SOA_TTL))
    zones.ensure_zone(aws, drill, [zones.record(f"api.{drill}", "A", "10.20.0.5")],
                      [zones.find_vpc(aws, values, "shop")])


def play(cases: list[Case], resolvers: Resolvers, aws: AwsAccount, values: Values) -> dict[str, str]:
    """What is really answered at the end of each case, by its id: an address, ``NXDOMAIN``, or ``NODATA``."""
    starts = [_full(each, values) for case in cases for each in case["start"]]
    zone = zones.ensure_zone(aws, values["drill"], starts)
    resolvers.fresh()
    return {case["id"]: _played(case, zone, resolvers, aws, values) for case in cases}


def _played(case: Case, zone: str, resolvers: Resolvers, aws: AwsAccount, values: Values) -> str:
    said, now = "", 0
    for moment, what, *rest in case["steps"]:
        resolvers.skip(moment - now)
        now = moment
        if what == "put":
            zones.put(aws, zone, _full(rest, values))
            resolvers.refresh()
        else:
            view, name, kind = rest
            said = short(resolvers.dig(view, f"{name}.{values['drill']}", kind))
    return said


def short(reply: Any) -> str:
    """An answer in a word: its values, ``NODATA``, or the status."""
    return "NODATA" if reply.nodata else ", ".join(reply.values) or str(reply.status)


def _full(each: Any, values: Values) -> zones.Record:
    name, kind, value, ttl = each
    below = f"{value}.{values['drill']}" if kind == "CNAME" else value
    return zones.record(f"{name}.{values['drill']}", kind, below, ttl)
