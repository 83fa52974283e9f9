"""boto3 clients of one account, all pointed at the gateway."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any


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
        make = _client.__wrapped__ if source_ip else _client
        client = make(
            self.endpoint, service, access_key_id, secret_access_key, session_token, region or self.region
        )
        if source_ip:
            _send_from(client, source_ip)
        return client


@lru_cache(maxsize=64)
def _client(endpoint: str, service: str, key: str, secret: str, token: str | None, region: str) -> Any:
    """A boto3 client; kept, since making one takes as long as a dozen calls.  Clients are safe in several threads."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 5, "mode": "standard"}, s3={"addressing_style": "path"}),
    )


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
