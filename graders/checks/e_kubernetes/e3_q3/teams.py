"""The three teams' workloads under the learner's budgets, asked to leave."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from graders import manifests
from graders.checks.e_kubernetes.trials import not_busy
from graders.exercise import Finding
from labs.cluster.observation import Observation
from labs.cluster.space import until
from labs.errors import TemporaryError
from labs.scenarios.e_kubernetes.e3 import BLOCKS, PAIR, stuck, teams_there
from labs.scenarios.e_kubernetes.racks import Leaving, evict_all

READY_WITHIN, LEFT_WITHIN = 40.0, 25.0
HINTS = {
    "perfect": "A budget that wants every pod grants nothing, ever. How many pods does the text ask for?",
    "twice": "Read the refusal: the eviction API does not choose between budgets. How many hold these pods?",
    "sick": "These pods serve nobody, and still they are held. Which policy lets pods go that are not healthy?",
}
BELOW = "Too many pods were let go at once. Every workload needs a budget that holds one pod."


def maintained(live: Any, answer: dict[str, Any], *, sick: bool) -> tuple[dict[str, Leaving], dict[str, int]]:
    """By reason what became of the workload's pods, and the fewest that were Ready at a time.

    :param sick: do the third team's pods never become Ready?  Then all teams' pods are asked at once; else one team's
        after the other's, so that no team lives on what another has to spare
    :raises graders.manifests.Unusable: the API server refuses a budget
    :raises TemporaryError: the pods were not there in time
    """
    space, teams = live.space, live.values["teams"]
    found = manifests.objects(answer["budgets"], {"PodDisruptionBudget"})
    space.apply(*stuck(live.values, sick=sick))
    manifests.apply(space, *found)
    if not until(lambda: teams_there(space, teams, sick=sick), READY_WITHIN):
        not_busy(", ".join(teams.values()))
        raise TemporaryError(f"the pods of {', '.join(teams.values())} do not run after {READY_WITHIN:.0f} s")
    with ExitStack() as watched, ThreadPoolExecutor(len(BLOCKS)) as at_once:
        seen = {why: watched.enter_context(Observation(space, teams[why])) for why in BLOCKS}
        pods = [space.pods(teams[why]) for why in BLOCKS]
        each_by_each = at_once.map if sick else map
        left = list(each_by_each(lambda each: evict_all(space, each, LEFT_WITHIN), pods))
        seen["twice"].watch(1.0)
    for why in BLOCKS:
        not_busy(teams[why], seen[why].starved())
    return dict(zip(BLOCKS, left, strict=True)), {why: seen[why].fewest_ready() for why in BLOCKS}


def finding(live: Any, why: str, left: Leaving, fewest: int, points: float, *, needs: int) -> Finding:
    """Whether a workload's pods left, and ``needs`` of them were Ready all the time."""
    team = live.values["teams"][why]
    told = f"{'all left' if left.done else 'not all left'}; fewest Ready: {fewest} of {PAIR}"
    if not left.done and left.refused:
        told += f"; the API server: {left.refused.most_common(1)[0][0]}"[:300]
    wanted = "all left" + (f"; fewest Ready: {needs} of {PAIR}" if needs else "")
    return Finding(f"maintenance of {team} ends{f', with {needs} pod Ready' * bool(needs)}", points,
                   left.done and fewest >= needs, told, wanted, BELOW if left.done else HINTS[why])
