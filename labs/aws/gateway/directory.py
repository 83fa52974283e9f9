"""Which botocore service a request is for, without loading any service model.

``services.json`` is a digest of every botocore model's metadata.  ``python -m labs.aws.gateway.directory`` writes it
anew after an upgrade of botocore (the tests fail when the two differ).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

FILE = Path(__file__).with_name("services.json")

# Where several services share a name the first that can serve the request wins; these come before their siblings.
_FIRST = (
    "rds", "lambda", "elbv2", "sesv2", "ses", "s3", "apigateway", "iam", "events", "bedrock", "bedrock-runtime",
    "dynamodb", "sagemaker", "kinesisvideo", "opensearch", "servicecatalog", "appconfig", "chime", "signer", "connect",
)  # fmt: skip

# Signing names that the clients' endpoint rules put in place of the model's own.
_ALSO_SIGNED_AS = {"s3express": "s3", "s3-object-lambda": "s3"}

# Sibling services of REST protocols that their paths tell apart, so that the wrong model is not loaded.
_PATHS = {
    "apigateway": (("/v2/", "apigatewayv2"),),
    "ses": (("/v2/", "sesv2"), ("/v1/", "pinpoint-email")),
    "es": (("/2015-01-01/", "es"), ("/2021-01-01/", "opensearch")),
}

_HOST_TAIL = re.compile(
    r"(?:\.dualstack)?(?:[.-](?P<region>[a-z]{2}(?:-[a-z]+)+-\d))?"
    r"\.(?:amazonaws\.com(?:\.cn)?|api\.aws|on\.aws|localhost\.localstack\.cloud|localhost)$"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A service's metadata: SigV4 name, host prefix, ``X-Amz-Target`` prefix, protocols (default first), version."""

    name: str
    signing: str
    endpoint: str
    target: str
    protocols: tuple[str, ...]
    version: str

    @property
    def rest(self) -> bool:
        """Whether operations are told apart by method and path."""
        return self.protocols[0] in ("rest-json", "rest-xml")

    @property
    def query(self) -> bool:
        """Whether operations may be named by the parameter ``Action``."""
        return "query" in self.protocols or self.protocols[0] == "ec2" or self.name == "sqs"


@lru_cache(maxsize=1)
def entries() -> dict[str, Entry]:
    """Every service by its botocore name."""
    rows = json.loads(FILE.read_text())
    return {name: Entry(name, row[0], row[1], row[2], tuple(row[3]), row[4]) for name, row in rows.items()}


@cache
def _index(field: str) -> dict[str, tuple[Entry, ...]]:
    index: dict[str, list[Entry]] = {}
    order = {name: place for place, name in enumerate(_FIRST)}
    for entry in sorted(entries().values(), key=lambda e: (order.get(e.name, len(order)), e.name)):
        index.setdefault(getattr(entry, field), []).append(entry)
    return {key: tuple(found) for key, found in index.items()}


@lru_cache(maxsize=512)
def by_signing_name(name: str) -> tuple[Entry, ...]:
    """Services whose requests are signed for ``name``, preferred first; empty for an unknown name."""
    found = _index("signing").get(_ALSO_SIGNED_AS.get(name, name), ())
    return (*found, entries()["s3control"]) if name == "s3-outposts" else found


def by_target(prefix: str) -> tuple[Entry, ...]:
    """Services of an ``X-Amz-Target`` prefix such as ``DynamoDB_20120810``."""
    return _index("target").get(prefix, ()) if prefix else ()


def by_version(version: str) -> tuple[Entry, ...]:
    """Query services of an API ``Version`` such as ``2011-06-15``."""
    return tuple(entry for entry in _index("version").get(version, ()) if entry.query)


@lru_cache(maxsize=512)
def by_host(host: str) -> tuple[Entry, ...]:
    """Services of a host such as ``sqs.us-east-1.amazonaws.com`` or ``portal.sso.localhost:4566``."""
    bare = host.partition(":")[0].lower()
    tail = _HOST_TAIL.search(bare)
    if tail is None:
        return ()
    prefix = bare[: tail.start()]
    while prefix:
        if found := _index("endpoint").get(prefix):
            return found
        prefix = prefix.partition(".")[2]
    return ()


def in_order(found: Iterable[Entry], path: str, host: str) -> list[Entry]:
    """REST services in the order in which their routes are worth trying."""
    rest = [entry for entry in found if entry.rest]
    if len(rest) < 2:
        return rest
    named = {entry.name for entry in by_host(host)}
    for prefix, name in _PATHS.get(rest[0].signing, ()):
        if path.startswith(prefix):
            named = {name}
    return sorted(rest, key=lambda entry: entry.name not in named)


def build() -> dict[str, list[object]]:
    """The digest, read from the installed botocore."""
    from botocore.loaders import Loader

    loader = Loader()
    rows: dict[str, list[object]] = {}
    for name in loader.list_available_services("service-2"):
        meta = Loader().load_service_model(name, "service-2")["metadata"]
        target = meta.get("targetPrefix", "")
        protocols = [meta["protocol"], *(p for p in meta.get("protocols", ()) if p != meta["protocol"])]
        signing = meta.get("signingName", meta["endpointPrefix"])
        rows[name] = [signing, meta["endpointPrefix"], target, protocols, meta["apiVersion"]]
    return rows


def text(rows: dict[str, list[object]]) -> str:
    """The digest as it stands in the file, one service a line."""
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(rows.items())) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(text(build()))
