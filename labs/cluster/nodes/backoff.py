"""How long something that failed waits for its next try.

"How Pods handle problems with containers" (Pod Lifecycle): the first restart is immediate, then 10 s, 20 s, 40 s, … up
to five minutes; what ran for ten minutes starts afresh.  Images wait the same way ("ImagePullBackOff", Images).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds: ``initial`` doubles up to ``most``."""

    initial: float = 10.0
    most: float = 300.0

    def after(self, previous: float, ran: float = 0.0) -> float:
        """The wait after one more failure.

        :param previous: the wait before this try; 0 for none yet
        :param ran: how long this try went well
        """
        if ran >= 2 * self.most or not previous:
            return self.initial
        return min(2 * previous, self.most)
