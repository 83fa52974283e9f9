"""What every lab is (:class:`Lab`) and what a notebook holds (:class:`Session`).

A lab keeps no state of its own: everything it made can be named again from the seed, so that ``reset`` works in another
process, after a kill, and twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from labs.errors import PermanentError

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount

Values = dict[str, Any]
Fault = Callable[["AwsAccount", Values], None]


class Lab:
    """A live environment that can be prepared, broken, observed and reset, any number of times and in any order.

    Subclasses set the class attributes and override the methods.  Each method takes the account and the settled values
    (:func:`settle`); each may run after a kill in the middle of any other, and twice.
    """

    id: ClassVar[str] = ""
    title: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ()  # names of services, as in `lab up`
    minutes: ClassVar[int] = 0
    faults: ClassVar[Mapping[str, Fault]] = MappingProxyType({})

    def values(self, seed: bytes) -> Values:
        """Names and numbers of one learner: JSON values, a pure function of the seed."""
        raise NotImplementedError

    def prepare(self, aws: AwsAccount, values: Values) -> None:
        """Bring about the declared start; repairs what is missing or different, and takes back every fault."""
        raise NotImplementedError

    def observe(self, aws: AwsAccount, values: Values) -> dict[str, Any]:
        """What is the case now, as JSON values."""
        raise NotImplementedError

    def reset(self, aws: AwsAccount, values: Values) -> list[str]:
        """Remove everything that this lab made, or that the learner made under its names; a line for each thing."""
        raise NotImplementedError

    def start(self, aws: AwsAccount, values: Values) -> Any:
        """Start the programs that belong to the lab on this machine; they end with this process.

        :raises PermanentError: the lab has none
        """
        raise PermanentError(f"lab {self.id} has no programs of its own")

    def solution(self, aws: AwsAccount, values: Values) -> None:
        """Repair the lab as its exercises ask."""
        raise NotImplementedError

    def credentials(self, aws: AwsAccount, values: Values, who: str) -> dict[str, str]:
        """Working credentials of a person or role of this lab, as keyword arguments of ``AwsAccount.client_as``.

        :raises PermanentError: the lab has nobody of that name
        """
        raise PermanentError(f"lab {self.id} has nobody called {who!r}")

    def run(self, aws: AwsAccount, values: Values, program: str, **options: Any) -> Any:
        """Run one of the lab's own programs, such as a pod or a CI job, and give back what it printed or made.

        :raises PermanentError: the lab has no such program
        """
        raise PermanentError(f"lab {self.id} has no program {program!r}")


class Hold:
    """One learner's hold on a lab.

    :param place: what the lab's methods get: an account, or a namespace of a cluster
    :param values: the learner's, settled
    """

    def __init__(self, lab: Lab, place: Any, values: Values) -> None:
        self.lab = lab
        self._place = place
        self.values = values

    def break_(self, fault: str) -> None:
        """Cause one of the lab's faults.

        :raises PermanentError: the lab has no such fault
        """
        if fault not in self.lab.faults:
            raise PermanentError(f"lab {self.lab.id} has no fault {fault!r}", f"It has: {', '.join(self.lab.faults)}.")
        self.lab.faults[fault](self._place, self.values)
        print(f"Something has changed in lab {self.lab.id}.")

    def observe(self) -> dict[str, Any]:
        """What is the case now."""
        return self.lab.observe(self._place, self.values)

    def reset(self) -> list[str]:
        """Remove all that the lab made, and say what that was."""
        removed = self.lab.reset(self._place, self.values)
        print("\n".join(f"removed {line}" for line in removed) if removed else "There was nothing to remove.")
        return removed

    def start(self) -> Any:
        """Start the lab's programs on this machine; returns what controls them."""
        return self.lab.start(self._place, self.values)

    def run(self, program: str, **options: Any) -> Any:
        """Run one of the lab's own programs (``session.run("pod", …)``); what it printed, or made."""
        return self.lab.run(self._place, self.values, program, **options)


class Session(Hold):
    """A learner's hold on a lab in an account: what a notebook gets from ``lab("b1")``."""

    def __init__(self, lab: Lab, aws: AwsAccount, seed: bytes) -> None:
        super().__init__(lab, aws, settle(lab.values(seed), aws.account))
        self.aws = aws

    def __repr__(self) -> str:
        return f"<lab {self.lab.id}: {self.lab.title}, account {self.aws.account}>"

    def prepare(self) -> Session:
        """Start the lab, or bring it back to its start; returns itself."""
        self.lab.prepare(self.aws, self.values)
        print(f"Lab {self.lab.id} is ready in account {self.aws.account}.")
        return self

    def attempt(self, call: Callable[..., Any], **params: Any) -> Exception | None:
        """Make a boto3 call and print AWS's answer in a line.

        Returns the error, for ``visuals.explain``, or ``None`` when the call was allowed.
        """
        from botocore.exceptions import ClientError

        try:
            call(**params)
        except ClientError as error:
            print(error)
            return error
        print("allowed")
        return None

    def client(self, service: str, as_: str | None = None, region: str | None = None) -> Any:
        """A boto3 client of the account's administrator, or of one of the lab's people (``as_="alice"``)."""
        if as_ is None:
            return self.aws.client(service, region)
        return self.aws.client_as(service, **self.lab.credentials(self.aws, self.values, as_), region=region)


def settle(values: Values, account: str) -> Values:
    """Values with ``{account}`` written out everywhere in them, and ``account`` itself added; idempotent."""
    return {**_fill(values, account), "account": account}


def pick(seed: bytes, label: str, choices: list[Any]) -> Any:
    """One of ``choices``, decided by the seed and a label, the same on every machine and Python version."""
    return choices[int(digest(seed, label), 16) % len(choices)]


def shuffled(seed: bytes, label: str, items: list[Any]) -> list[Any]:
    """``items`` in an order decided by the seed and a label."""
    return [items[i] for i in sorted(range(len(items)), key=lambda i: digest(seed, f"{label}:{i}"))]


def digest(seed: bytes, label: str) -> str:
    """64 hexadecimal digits that depend on both; a label gives no hint of another label's digits."""
    return hashlib.blake2b(label.encode(), key=seed[:64], digest_size=32).hexdigest()


def _fill(value: Any, account: str) -> Any:
    if isinstance(value, str):
        return value.replace("{account}", account)
    if isinstance(value, list):
        return [_fill(item, account) for item in value]
    if isinstance(value, dict):
        return {key: _fill(item, account) for key, item in value.items()}
    return value
