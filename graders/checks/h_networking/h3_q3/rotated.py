"""The learner's plan carried out for a site, and what became of customers and of the record in ACM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.exercise import Finding
from labs.scenarios.h_networking.rotation import Rotation, rotate

LEAST = 30
"""Requests that must have been made for the count of failures to mean something."""
REASONS = {
    "self-signed certificate": (
        "The ingress had no certificate for the host and showed its own. Was the Secret that the Ingress named there?"
    ),
    "unable to get local issuer certificate": (
        "A customer was shown a certificate of an authority that it did not trust at that moment. In which order do "
        "customers and the ingress change?"
    ),
}
OVER = "At the end the new certificate is served, customers trust the new root only, and the old Secret is gone."
LUCK = "It went well this time: a busier ingress shows the old certificate for longer. Look before you take away."
SERVED = "wait until it is served"
NARROW = ("trust the new root only", "delete the old Secret")
RECORD = (
    "Whoever uses the certificate in AWS names its ARN, and ACM renews nothing that was imported. What must be "
    "imported, where to, and with which chain?"
)


def judged(live: Any, answer: dict[str, Any], site: str, points: float) -> Iterator[Finding]:
    """Findings of 2, 1 and 1 times ``points``."""
    seen = rotate(live.space, live.certificates, live.values, site, answer["plan"], live.admin("acm"))
    hint = next((REASONS[each] for each in seen.failed if each in REASONS), REASONS["self-signed certificate"])
    passed = not seen.failed and seen.requests >= LEAST and seen.served == seen.wanted != ""
    yield Finding(f"no request to {live.values['sites'][site]['host']} fails while the certificate changes", 2 * points,
                  passed, str(seen), "0 failed, and the new certificate at the end", hint)
    early = _early(answer["plan"])
    told = _left(seen) + "".join(f"; nobody had looked before: {each}" for each in early)
    yield Finding("the rotation is over", points, _over(seen) and not early, told,
                  OVER.removeprefix("At the end "), LUCK if early else OVER)
    new = seen.recorded == seen.wanted != ""
    told = f"serial {seen.recorded} under the ARN, {'the' if new else 'not the'} new certificate's"
    told += f"; certificates in the account: {seen.imported}"
    told += "".join(f"; {each}" for each in seen.notes if "ACM" in each)
    yield Finding("ACM has the new certificate under the ARN that is in use", points, new and seen.imported == 1, told,
                  "the new certificate's serial number, and no other certificate", RECORD)


def _early(plan: list[str]) -> list[str]:
    """Steps that take away what the old certificate needs, before it was seen that it is not shown any more."""
    waited = plan.index(SERVED) if SERVED in plan else len(plan)
    return [each for each in plan[:waited] if each in NARROW]


def _over(seen: Rotation) -> bool:
    return seen.served == seen.wanted != "" and seen.trusted == ("new",) and not seen.old_secret


def _left(seen: Rotation) -> str:
    served = "the new" if seen.served == seen.wanted != "" else "no new"
    old = "there" if seen.old_secret else "gone"
    return f"{served} certificate is served; customers trust: {' and '.join(seen.trusted)}; the old Secret is {old}"
