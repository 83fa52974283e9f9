"""How far a request comes, told by layers of its way: what h1-q2 and h1-q3 have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from graders.checks.e_kubernetes.trials import NOT_COUNTED, not_busy
from graders.exercise import Finding
from labs.cluster.space import until
from labs.visuals import Journey


@dataclass(frozen=True)
class Layer:
    """
    :param seen: what has to be seen
    :param hop: name of the hop that a request has to pass for it; "" for the whole way
    :param wrong: what is wrong with it even so; "" for nothing
    """

    seen: str
    hop: str
    hint: str
    wrong: str = ""


def layers(of: Iterable[Layer], seen: Journey) -> Iterator[Finding]:
    """A finding of one point for each layer, in order, as far as the request came."""
    behind = [hop.name for hop in seen.hops if hop.state == "passed"]
    ended, before = seen.stopped, True
    for layer in of:
        passed = before and not layer.wrong and (layer.hop in behind if layer.hop else ended is None)
        told = "yes" if passed else NOT_COUNTED
        if before and not passed:
            told = layer.wrong or told
            if ended is not None:
                told = f"{seen.answer}; the way ends at {ended.name} {ended.thing}: {ended.why}"[:600]
        yield Finding(layer.seen, 1, passed, told, "yes", layer.hint)
        before = passed


def come(request: Callable[[], Journey], sound: Callable[[], bool], within: float, what: str) -> Journey:
    """A request that comes through while everything is ``sound``, or the last one after some seconds.

    :param what: what was waited for
    :raises TemporaryError: none does, on a machine that is too busy
    """
    seen: list[Journey] = []

    def through() -> bool:
        seen[:] = [request()]
        return seen[0].stopped is None and sound()

    if not until(through, within):
        not_busy(what)
    return seen[0] if seen else request()
