"""boto3 clients of one account, all pointed at the gateway."""

from __future__ import annotations

import functools
import threading
import types
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

KEPT = 16  # clients; each takes half a megabyte
made: dict[str, None] = {}
"""Names of the services that this process has made clients of."""
_making = threading.Lock()
_caller: ContextVar[Any] = ContextVar("caller")


@dataclass(frozen=True)
class AwsAccount:
    """An account behind the gateway at ``endpoint`` (``http://127.0.0.1:4566``).

    Without keys of its own it uses the account's root user, by the shorthand that the host listener offers
    (access key id = account number, secret ``test``).
    """

    endpoint: str
    account: str
    access_key_id: str = ""
    secret_access_key: str = ""
    region: str = "us-east-1"

    def client(self, service: str, region: str | None = None) -> Any:
        """A boto3 client with this account's own credentials."""
        return self.client_as(
            service, self.access_key_id or self.account, self.secret_access_key or "test", region=region
        )

    def client_as(
        self,
        service: str,
        access_key_id: str,
        secret_access_key: str,
        session_token: str | None = None,
        region: str | None = None,
        source_ip: str = "",
    ) -> Any:
        """A boto3 client with somebody else's credentials.  Denials are not retried.

        :param source_ip: a documentation address (RFC 5737) that the calls shall seem to come from
        """
        client = SignedAs(
            (self.endpoint, service, region or self.region), access_key_id, secret_access_key, session_token
        )
        if source_ip:
            _send_from(client, source_ip)
        return client


class SignedAs:
    """A boto3 client whose calls are signed with these keys.

    Made in no time: it shares everything else, connections included, with every other caller of the same service; until
    somebody asks for ``meta``, where event handlers are registered, and gets a client of its own.

    :param of: endpoint, service and region
    """

    def __init__(
        self, of: tuple[str, str, str], access_key_id: str, secret_access_key: str, session_token: str | None
    ) -> None:
        from botocore.credentials import ReadOnlyCredentials

        self._of = of
        self._shared = True
        self._client = _client(*of)
        self._keys = ReadOnlyCredentials(access_key_id, secret_access_key, session_token)

    def __getattr__(self, name: str) -> Any:
        if name == "_client":
            raise AttributeError(name)  # not made yet: somebody copies this object
        if name == "meta" and self._shared:
            self._client, self._shared = _client.__wrapped__(*self._of), False
        found = getattr(self._client, name)
        if name in self._client.meta.method_to_api_mapping or name.startswith("generate_presigned"):
            return self._signed(found)
        if isinstance(found, types.MethodType) and not name.startswith("_"):
            return types.MethodType(found.__func__, self)  # paginators and waiters call operations of their client
        return found

    def __dir__(self) -> list[str]:
        return dir(self._client)

    def _signed(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(operation)
        def call(*args: Any, **params: Any) -> Any:
            before = _caller.set(self._keys)
            try:
                return operation(*args, **params)
            finally:
                _caller.reset(before)

        return call


@lru_cache(maxsize=KEPT)
def _client(endpoint: str, service: str, region: str) -> Any:
    """A client that signs as whoever calls it (``SignedAs``); kept, since making one takes as long as a dozen calls."""
    from botocore.config import Config

    with _making:
        made[service] = None
        return _session().client(
            service,
            endpoint_url=endpoint,
            region_name=region,
            config=Config(retries={"total_max_attempts": 5, "mode": "standard"}, s3={"addressing_style": "path"}),
        )


@cache
def _session() -> Any:
    import boto3.session
    import botocore.session
    from botocore.credentials import Credentials

    class Caller(Credentials):
        """Whoever makes the present call."""

        def get_frozen_credentials(self) -> Any:
            return _caller.get()

    session = botocore.session.Session()
    session._credentials = Caller("-", "-")  # as boto3 itself does with credentials it was given
    return boto3.session.Session(botocore_session=session)


def forget() -> None:
    """Let go of the clients that are kept."""
    _client.cache_clear()


def _send_from(client: Any, source_ip: str) -> None:
    """Let a client's requests leave from the loopback address that stands for ``source_ip``.

    :raises labs.errors.PermanentError: this machine has only 127.0.0.1
    """
    import urllib3
    from botocore.awsrequest import AWSResponse

    from labs.aws.gateway.addresses import loopback

    address = (loopback(source_ip), 0)
    _require_sendable(address)
    pool = urllib3.PoolManager(source_address=address)

    def send(request: Any, **_: Any) -> AWSResponse:
        answer = pool.urlopen(
            request.method,
            request.url,
            body=request.body,
            headers={name: value for name, value in request.headers.items() if name.lower() != "expect"},
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        response = AWSResponse(request.url, answer.status, answer.headers, answer)
        if not request.stream_output:
            response.content  # noqa: B018  # reading it gives the connection back to the pool
        return response

    client.meta.events.register("before-send", send)


def _require_sendable(address: tuple[str, int]) -> None:
    import socket

    from labs.errors import PermanentError

    with socket.socket() as probe:
        try:
            probe.bind(address)
        except OSError as error:
            raise PermanentError(
                f"this machine cannot send from {address[0]}: {error}",
                "Linux and WSL2 can; elsewhere use the devcontainer.",
            ) from error


def learner_account() -> AwsAccount:
    """The learner's own account on the running gateway.

    :raises labs.errors.LabError: the gateway is not up, or nobody is enrolled yet
    """
    from labs.services import endpoint, learner

    person = learner()
    return AwsAccount(endpoint("aws"), person["account"], person["access_key_id"], person["secret_access_key"])
