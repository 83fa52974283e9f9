"""Policy evaluation, the picture that moves: a request walks through the gates that AWS puts in its way.

An anywidget where JavaScript runs; beside it, in the same output, plain text and a static SVG.  It explains a decision
that was made; it makes none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import anywidget
import traitlets

from labs.errors import PermanentError, TemporaryError
from labs.visuals.front_end import module, style
from labs.visuals.story import tell
from labs.visuals.svg import as_svg
from labs.visuals.text import as_text

_TIMEOUT = 5.0  # seconds


class PolicyEvaluation(anywidget.AnyWidget):
    """The picture of one decision.

    ``decision`` is its JSON form; setting it redraws.  ``step`` is 0 at the request, n at gate n, and one more at the
    outcome.  ``pace`` is seconds a step while it plays.  ``text`` and ``svg`` are the forms without JavaScript.
    """

    _esm = module("policy_evaluation")
    _css = style("policy_evaluation")
    story = traitlets.Dict().tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    pace = traitlets.Float(1.8).tag(sync=True)
    decision = traitlets.Dict()

    def __init__(self, decision: Mapping[str, Any], **options: Any) -> None:
        super().__init__(decision=dict(decision), story=tell(decision), **options)

    @traitlets.observe("decision")
    def _tell_again(self, change: Any) -> None:
        self.story = tell(change["new"])
        self.step = min(self.step, len(self.story["gates"]) + 1)

    @property
    def text(self) -> str:
        """The whole trace as plain text."""
        return as_text(self.story)

    @property
    def svg(self) -> str:
        """The picture as one static ``<svg>`` element."""
        return as_svg(self.story)

    def __str__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return with_static_forms(super()._repr_mimebundle_(**kwargs), self)


def with_static_forms(bundle: Any, picture: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A widget's MIME bundle with the ``text`` and ``svg`` of a picture put beside the widget view."""
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
    return {**data, "text/plain": picture.text, "image/svg+xml": picture.svg}, dict(metadata)


def policy_evaluation(
    decision: Any = None, *, request_id: str | None = None, endpoint: str | None = None, account: str | None = None
) -> PolicyEvaluation:
    """The picture of ``decision``, of the call ``request_id``, or, without either, of the account's last denial.

    :param decision: a ``labs.aws.iam`` ``Decision``, its JSON form, or the gateway's ``{"decision": …}``
    :param endpoint: of the gateway; else ``AWS_ENDPOINT_URL``, else the running lab's
    :param account: 12 digits; else the account of the caller's own credentials
    :raises PermanentError: nothing was recorded, or no gateway answers there
    """
    if decision is None:
        decision = recorded(request_id, endpoint=endpoint, account=account)
    return PolicyEvaluation(as_json(decision))


def explain(
    error_or_decision: Any, *, endpoint: str | None = None, account: str | None = None
) -> PolicyEvaluation:
    """The picture behind a botocore ``ClientError`` (found by its request id) or a decision.

    :raises PermanentError: the error carries no request id, or its call was not recorded
    """
    response = getattr(error_or_decision, "response", None)
    if response is None:
        return policy_evaluation(error_or_decision, endpoint=endpoint, account=account)
    request_id = response.get("ResponseMetadata", {}).get("RequestId")
    if not request_id:
        raise PermanentError(
            f"this error carries no request id: {error_or_decision}",
            "Pass an error that the lab's AWS endpoint answered with.",
        )
    return policy_evaluation(request_id=request_id, endpoint=endpoint, account=account)


def as_json(decision: Any) -> dict[str, Any]:
    """The JSON form of a decision, however it comes."""
    if isinstance(decision, Mapping):
        inner = decision.get("decision", decision)
        if "gates" in inner and "request" in inner:
            return dict(inner)
    elif hasattr(decision, "gates"):
        from labs.aws.iam import decision_to_dict

        return decision_to_dict(decision)
    raise PermanentError(
        f"this is no decision: {type(decision).__name__}",
        "Pass what labs.aws.iam.evaluate or the gateway returned, or a ClientError to explain().",
    )


def recorded(request_id: str | None, *, endpoint: str | None, account: str | None) -> dict[str, Any]:
    """The gateway's record of one call, or of the account's last denial: ``{"decision", "call", "time"}``."""
    endpoint = (endpoint or os.environ.get("AWS_ENDPOINT_URL") or _lab_endpoint()).rstrip("/")
    if request_id:
        found = _get(f"{endpoint}/_lab/decisions/{request_id}", {})
    else:
        account = account or _own_account(endpoint)
        found = _get(f"{endpoint}/_lab/decisions/last", {"account": account})
    if found is not None:
        return found
    if request_id:
        raise PermanentError(
            f"no decision is recorded under request id {request_id}",
            "Only recent calls are kept; make the call again and explain that one.",
        )
    raise PermanentError("no denial recorded yet: make a call that is refused first", f"(account {account})")


def _get(url: str, query: Mapping[str, str]) -> dict[str, Any] | None:
    """JSON at ``url``; ``None`` when there is none (404)."""
    import httpx

    try:
        answer = httpx.get(url, params=query, timeout=_TIMEOUT, trust_env=False)
    except httpx.TimeoutException as error:
        raise TemporaryError(f"{url} did not answer within {_TIMEOUT:g} s", retry_after=1.0) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PermanentError(f"no AWS endpoint answers at {url}: {error}", "Start it with `lab up aws`.") from error
    try:
        found = answer.json()
    except ValueError:
        found = None
    if answer.status_code == 404 and isinstance(found, dict) and "error" in found:
        return None
    if answer.status_code == 200 and isinstance(found, dict) and "decision" in found:
        return found
    raise PermanentError(
        f"{url} answered {answer.status_code} and no decision: it is not the lab's gateway",
        "Let AWS_ENDPOINT_URL name the one that `lab up aws` starts.",
    )


def _lab_endpoint() -> str:
    from labs import services

    return services.endpoint("aws")


def _own_account(endpoint: str) -> str:
    """The account of the credentials that boto3 would use here; the learner's own where there are none."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        region = os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
        client = boto3.client("sts", endpoint_url=endpoint, region_name=region)
        return str(client.get_caller_identity()["Account"])
    except (BotoCoreError, ClientError):
        from labs import services

        return str(services.learner()["account"])
