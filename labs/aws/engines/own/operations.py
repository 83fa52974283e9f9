"""What services here have in common: an operation is a method, a list is answered in pages."""

from __future__ import annotations

import base64
import copy
import re
from collections.abc import Mapping
from typing import Any

from labs.aws.engines.own import Neighbours
from labs.aws.gateway.calls import AwsError, ServiceCall

Params = dict[str, Any]


class Operations:
    """``GetTrace`` is answered by ``_do_get_trace(params, neighbours)``; an operation without a method is refused."""

    async def handle(self, call: ServiceCall, neighbours: Neighbours) -> Params:
        """Answer one call.

        :raises AwsError: as the service does; UnknownOperationException for what is left out
        """
        operation = getattr(self, "_do_" + snake(call.operation), None)
        if operation is None:
            text = f"The operation {call.operation} of {call.service} is not available in this lab."
            raise AwsError("UnknownOperationException", text, 400)
        await self.settle(neighbours)
        return copy.deepcopy(dict(await operation(*self.place(neighbours), dict(call.params), neighbours)))

    def place(self, neighbours: Neighbours) -> tuple[Any, ...]:
        """What every operation is given before its parameters: nothing, or what this account has in this region."""
        return ()

    async def settle(self, neighbours: Neighbours) -> None:
        """Let time pass: called before each operation."""


def snake(name: str) -> str:
    """``GetTrace`` → ``get_trace``; a run of capitals stays together."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def page(
    items: list[Any], params: Mapping[str, Any], member: str, size: str, token: str = "NextToken", most: int = 100,
    invalid: str = "InvalidParameterValueException", said: str = "The pagination token is not valid.",
) -> Params:  # fmt: skip
    """One page of a list; the token is the position of the next.

    :param member: what the answer calls the list
    :param size: the parameter that says how long a page may be
    :param most: items of a page when the caller does not say
    :param invalid: code of the error for a token that was never given out
    :param said: its text
    """
    given = params.get(token)
    try:
        start = int(base64.urlsafe_b64decode(str(given)).decode()) if given else 0
    except ValueError as error:
        raise AwsError(invalid, said, 400) from error
    stop = start + int(params.get(size) or most)
    answer: Params = {member: items[start:stop]}
    if stop < len(items):
        answer[token] = base64.urlsafe_b64encode(str(stop).encode()).decode()
    return answer
