"""The path of credentials: who stood at the beginning, what proved it, which role and session came of it, which calls.

Drawn from CloudTrail events alone: an ``AssumeRole…`` event names its caller and, in its answer, the access key that
it gave out; every later event names the key that signed it.  Chained roles are followed back to the start.  Read-only
and static (SVG beside plain text); it knows nothing that the trail does not say, so data events such as GetObject show
only where the trail holds them.

Pages: "CloudTrail userIdentity element" (CloudTrail User Guide), "Logging IAM and AWS STS API calls with AWS
CloudTrail" (IAM User Guide).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labs.errors import PermanentError
from labs.visuals.svg import INK, MONO, SOFT, TONES, WIDTH, Canvas, wrap

MOST_CALLS = 6  # shown; the rest is counted
MOST_PAGES = 6  # of LookupEvents, 50 events each
Event = Mapping[str, Any]


@dataclass(frozen=True)
class Stop:
    """One box: ``word`` says what it is, ``name`` which one; ``proof`` is what leads on to the next box."""

    word: str
    name: str
    facts: tuple[str, ...] = ()
    proof: str = ""
    tone: str = "neutral"
    shape: str = "ring"


@dataclass(frozen=True)
class CredentialPath:
    """The path as text (``text``), as one ``<svg>`` element (``svg``), and as Jupyter shows it."""

    stops: tuple[Stop, ...]

    @property
    def text(self) -> str:
        """The whole path as plain text."""
        return "\n".join(_lines(self.stops))

    @property
    def svg(self) -> str:
        """The picture, with ``<title>`` and ``<desc>`` that say the same."""
        return _as_svg(self.stops, self.text)

    def __str__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return {"text/plain": self.text, "image/svg+xml": self.svg}


def credential_path(trail: Any, access_key_id: str) -> CredentialPath:
    """The path that led to an access key, and what was done with it.

    :param trail: a boto3 ``cloudtrail`` client, or CloudTrail events as dictionaries
    :param access_key_id: of a session (``ASIA…``) or a user (``AKIA…``)
    :raises PermanentError: the trail says nothing of this key
    """
    events = (
        list(trail) if not hasattr(trail, "lookup_events") else _looked_up(trail, access_key_id)[::-1]
    )  # oldest first
    events.sort(key=lambda event: str(event.get("eventTime", "")))
    return CredentialPath((*_way_to(events, access_key_id, 0), _calls(events, access_key_id)))


def _looked_up(trail: Any, key: str) -> list[Event]:
    """The newest events, as far back as the path to ``key`` needs (LookupEvents answers twice a second at most)."""
    found: list[Event] = []
    token: dict[str, str] = {}
    for _ in range(MOST_PAGES):
        page = trail.lookup_events(MaxResults=50, **token)
        found += [json.loads(item["CloudTrailEvent"]) for item in page["Events"]]
        if "NextToken" not in page or _begins(found, key):
            break
        token = {"NextToken": page["NextToken"]}
    return found


def _begins(events: list[Event], key: str) -> bool:
    """Whether these events hold the beginning of the path to ``key``."""
    seen: set[str] = set()
    while key not in seen:
        seen.add(key)
        issued = next((event for event in events if _given(event).get("accessKeyId") == key), None)
        if issued is None:
            return key.startswith("AKIA") and any(
                event.get("userIdentity", {}).get("accessKeyId") == key for event in events
            )
        key = issued["userIdentity"].get("accessKeyId") or key  # nobody's key: the path begins here
    return True


# --- reading the trail --------------------------------------------------------------------------------------------


def _way_to(events: list[Event], key: str, depth: int) -> tuple[Stop, ...]:
    """The boxes from the beginning to the session that ``key`` belongs to."""
    issued = [event for event in events if _given(event).get("accessKeyId") == key]
    if not issued:
        return (_holder(events, key),)
    sts = next((event for event in issued if event["eventSource"] == "sts.amazonaws.com"), issued[-1])
    request, answer = sts.get("requestParameters") or {}, sts["responseElements"]
    who = sts["userIdentity"]
    if who.get("accessKeyId") and depth < 5:
        before = _way_to(events, who["accessKeyId"], depth + 1)
        start = (*before[:-1], _shows(before[-1], f"signs {sts['eventName']} with {who['accessKeyId']}"))
    else:
        start = (_beginning(who, issued),)
    role = Stop("Role", request.get("roleArn", "?"), (), "opens a session")
    session = answer.get("assumedRoleUser") or {}
    facts = [f"access key {key}", f"opened {sts['eventTime']}"]
    if _given(sts).get("expiration"):
        facts.append(f"ends {_given(sts)['expiration']} UTC")
    facts += [f"session tag {tag['key']} = {tag['value']}" for tag in request.get("tags") or ()]
    if request.get("policy"):
        facts.append("narrowed by a session policy")
    return (*start, role, Stop("Session", session.get("arn", "?"), tuple(facts), "signs calls", "allow", "ring"))


def _given(event: Event) -> Mapping[str, Any]:
    """The credentials in an event's answer."""
    given = (event.get("responseElements") or {}).get("credentials")
    return given if isinstance(given, Mapping) else {}


def _shows(stop: Stop, proof: str) -> Stop:
    return Stop(stop.word, stop.name, stop.facts, proof, stop.tone, stop.shape)


def _holder(events: list[Event], key: str) -> Stop:
    """Whoever signs with a key that no event gave out: a user's long-term key."""
    mine = [event["userIdentity"] for event in events if event.get("userIdentity", {}).get("accessKeyId") == key]
    if not mine:
        raise PermanentError(
            f"The trail knows no access key {key}.", "Make a management call with it, such as GetCallerIdentity."
        )
    who = mine[0]
    word = {"Root": "Root user", "IAMUser": "User"}.get(who.get("type", ""), "Session")
    long_lived = key.startswith("AKIA")
    facts = (f"access key {key}, valid until somebody deletes it",) if long_lived else (f"access key {key}",)
    return Stop(word, who.get("arn", "?"), facts, "signs calls", "deny" if long_lived else "neutral", "octagon")


def _beginning(who: Mapping[str, Any], issued: list[Event]) -> Stop:
    """The first box where no access key stood at the beginning."""
    if who.get("type") == "WebIdentityUser":
        subject, provider = who.get("userName", "?"), who.get("identityProvider", "?")
        host = provider.partition(":oidc-provider/")[2] or provider
        audience = str(who.get("principalId", "")).removeprefix(f"{provider}:").removesuffix(f":{subject}")
        word = "Pod" if subject.startswith("system:serviceaccount:") else "CI job" if ":" in subject else "Visitor"
        proof = f"shows a token for {audience}, signed by {host}"
        return Stop(word, subject, ("no access key",), proof, "allow", "check")
    pod = next((event for event in issued if event["eventSource"] == "eks-auth.amazonaws.com"), None)
    if pod is not None:
        subject = pod["responseElements"].get("subject") or {}
        name = f"service account {subject.get('serviceAccount', '?')} in namespace {subject.get('namespace', '?')}"
        return Stop(
            "Pod", name, ("no access key",), "shows its token to EKS, which takes the role for it", "allow", "check"
        )
    service = who.get("invokedBy", who.get("type", "?"))
    return Stop("AWS service", service, (), "takes the role for its resource", "neutral", "check")


def _calls(events: list[Event], key: str) -> Stop:
    made = [event for event in events if event.get("userIdentity", {}).get("accessKeyId") == key]
    lines = [
        f"{event['eventTime'][11:19]}  {event['eventSource'].partition('.')[0]}:{event['eventName']}  "
        + (event["errorCode"] if event.get("errorCode") else "allowed")
        for event in made
    ]
    if len(lines) > MOST_CALLS:
        lines = [f"{len(lines) - MOST_CALLS} earlier calls", *lines[-MOST_CALLS:]]
    count = f"{len(made)} in the trail" if made else "none in the trail yet"
    return Stop("Calls", count, tuple(lines), "", "neutral" if made else "muted", "star" if made else "dots")


# --- telling it ---------------------------------------------------------------------------------------------------


def _lines(stops: Iterable[Stop]) -> Iterator[str]:
    yield "The path of credentials"
    for number, stop in enumerate(stops, 1):
        yield f"{number:>2}. {stop.word:<12} {stop.name}"
        yield from (f"    {'':<12} {fact}" for fact in stop.facts)
        if stop.proof:
            yield f"    {'|':<12} {stop.proof}"


def _as_svg(stops: tuple[Stop, ...], text: str) -> str:
    canvas = Canvas()
    canvas.text(24, 34, "The path of credentials", 16, INK, font_weight="700")
    y = 58
    for stop in stops:
        y = _box(canvas, stop, y)
    return canvas.card("cp", y, f"Path of credentials from {stops[0].word} {stops[0].name}", text)


def _box(canvas: Canvas, stop: Stop, y: int) -> int:
    """One stop and the arrow below it; returns where the next one begins."""
    ink, fill = TONES[stop.tone]
    names = wrap(stop.name, 88)
    height = 16 + 20 * len(names) + 18 * len(stop.facts) + 6
    canvas.box(24, y, WIDTH - 48, height, fill, ink, 8)
    canvas.shape(52, y + 26, stop.shape, stop.tone, 0.9)
    canvas.text(78, y + 30.5, stop.word, 13.5, ink, font_weight="700")
    for line in names:
        canvas.text(176, y + 30, line, 12.5, INK, font_family=MONO)
        y += 20
    for fact in stop.facts:
        canvas.text(176, y + 28, fact, 12, SOFT, font_family=MONO)
        y += 18
    y += 22
    if stop.proof:
        canvas.parts.append(f'<path d="M52 {y}V{y + 26}M47 {y + 20}l5 7 5-7" stroke="{INK}" fill="none"/>')
        canvas.text(78, y + 19, stop.proof, 12.5, INK)
        y += 30
    else:
        y += 20
    return y
