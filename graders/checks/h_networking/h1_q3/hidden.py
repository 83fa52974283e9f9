"""Many requests, and whether the front is open for more than the shop now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.trials import NOT_COUNTED
from graders.checks.h_networking.h1_q3.fronted import Standing, standing
from graders.exercise import Finding
from labs.aws.balancing.addresses import address_of
from labs.scenarios.h_networking.front import HTTPS, NO_SUCH_SITE, entrance
from labs.scenarios.h_networking.sent import send

REQUESTS = 8


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    with standing(live, answer["calls"]) as stands:
        yield from _looked(stands)


def _looked(stands: Standing) -> Iterator[Finding]:
    through = stands.come().stopped is None
    failed = [] if not through else [seen for _ in range(REQUESTS) if (seen := stands.request()).stopped]
    ended = "; ".join(f"{seen.answer} at {seen.stopped.name}" for seen in failed if seen.stopped)
    yield Finding("every request comes through", 1, through and not failed,
                  (ended[:600] or f"{REQUESTS} of {REQUESTS}") if through else NOT_COUNTED, f"{REQUESTS} requests",
                  "A target that is down must be one that the health check has found to be down.")
    opened = _opened(stands) if through else ""
    yield Finding("the front is open for the shop and for nothing else", 1, through and not opened,
                  (opened or "port 443, the shop's name") if through else NOT_COUNTED, "port 443, the shop's name",
                  "Open what is needed: one port, one host.")


def _opened(stands: Standing) -> str:
    """What else the front lets through; "" for nothing."""
    found = stands.front.found()
    rules = stands.front.ec2.describe_security_groups(GroupIds=[found.security_group])["SecurityGroups"][0]
    for each in rules["IpPermissions"]:
        if each.get("IpProtocol") != "tcp" or {each.get("FromPort"), each.get("ToPort")} - {HTTPS, 80}:
            return f"the security group lets in ports {each.get('FromPort', 'all')} to {each.get('ToPort', 'all')}"
    values = stands.front.values
    other = send(f"https://{values['host']}/", address_of(found.balancer_name), entrance(), values["trust"],
                 host=f"other.{values['host']}")
    if other.body == NO_SUCH_SITE["FixedResponseConfig"]["MessageBody"]:
        return ""
    return f"status {other.status} from behind the load balancer for the host other.{values['host']}"
