"""Lists in pages, for engines that answer with everything at once whatever page was asked for."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import ask
from labs.aws.models import loader

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

_ROUNDS = 200  # pages read from an engine at most


@dataclass(frozen=True)
class Page:
    """How one operation is cut: names of parameters and members, as botocore's paginators have them."""

    items: str
    limit: str
    token_in: str
    token_out: str
    more: str | None  # the member that says whether there is more
    default: int  # items of a page when the caller does not say
    bad_token: str  # the error code for a token that was never given out

    async def answer(self, exchange: Exchange, params: dict[str, Any]) -> dict[str, Any]:
        """One page of all that the engine has.

        :raises AwsError: a token that was never given out, or the engine's own error
        """
        whole = await self._whole(exchange, params)
        items = whole.get(self.items) or []
        start = self._start(params.get(self.token_in))
        stop = start + int(params.get(self.limit) or self.default)
        answer = {**whole, self.items: items[start:stop]}
        if self.more:
            answer[self.more] = stop < len(items)
        if stop < len(items):
            answer[self.token_out] = base64.urlsafe_b64encode(b"page:%d" % stop).decode()
        return answer

    async def _whole(self, exchange: Exchange, params: dict[str, Any]) -> dict[str, Any]:
        assert exchange.call is not None
        rest = {name: value for name, value in params.items() if name not in (self.limit, self.token_in)}
        whole = await ask(exchange, exchange.call.operation, **rest)
        items = list(whole.get(self.items) or [])
        token = whole.pop(self.token_out, None)
        for _ in range(_ROUNDS):
            if not token:
                break
            more = await ask(exchange, exchange.call.operation, **rest, **{self.token_in: token})
            items += more.get(self.items) or []
            token = more.get(self.token_out)
        whole.pop("ResponseMetadata", None)
        return {**whole, self.items: items}

    def _start(self, token: Any) -> int:
        if not token:
            return 0
        try:
            kind, _, number = base64.urlsafe_b64decode(str(token).encode()).partition(b":")
            if kind == b"page":
                return int(number)
        except (binascii.Error, ValueError):
            pass
        raise AwsError(self.bad_token, f"The {self.token_in} that was provided is not valid.", 400)


def pages(
    service: str, default: int, bad_token: str, only: tuple[str, ...] = (), never: tuple[str, ...] = ()
) -> dict[str, Page]:
    """The pages of a service's lists by operation, from botocore's paginators.

    :param only: these operations; all that have a single list of items, when empty
    """
    described = loader().load_service_model(service, "paginators-1")["pagination"]
    table: dict[str, Page] = {}
    for operation, page in described.items():
        items, token_out = page["result_key"], page["output_token"]
        simple = isinstance(items, str) and "limit_key" in page and isinstance(token_out, str)
        if not simple or operation in never or (only and operation not in only) or "." in items:
            continue
        table[operation] = Page(
            items, page["limit_key"], page["input_token"], token_out, page.get("more_results"), default, bad_token
        )
    return table
