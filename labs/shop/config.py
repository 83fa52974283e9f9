"""Settings, all from the environment ("Store config in the environment", The Twelve-Factor App).

``SETTINGS`` is the one table of them; ``docs/shop.md`` shows it.  A setting without sense ends the program at its start
with exit status 2 and a message that names the setting and never shows a secret.

With ``SHOP_DB_SECRET`` and ``SHOP_SESSION_SECRET_ID`` no secret is in the environment; the credentials for reading them
are found where every AWS SDK looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

BACKEND, FRONTEND, MIGRATE = "backend", "frontend", "migrate"
ROLES = (BACKEND, FRONTEND, MIGRATE)
EVERYWHERE = (BACKEND, FRONTEND)
STORES = ("postgres", "dynamodb", "memory")
TLS_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")


class ConfigError(Exception):
    """A setting is missing or has no sense; the message names it and never shows a secret."""


@dataclass(frozen=True)
class Setting:
    """A row of the table: ``roles`` are the programs that read it, ``default`` is shown as it would be written."""

    name: str
    roles: tuple[str, ...]
    default: str
    meaning: str


SETTINGS = (
    Setting("SHOP_HOST", EVERYWHERE, "127.0.0.1", "address to listen on; `0.0.0.0` means every one, or `POD_IP`"),
    Setting("POD_IP", EVERYWHERE, "", "the pod's own address, where the node says it"),
    Setting("SHOP_PORT", EVERYWHERE, "8080", "TCP port; 0 takes a free one"),
    Setting("SHOP_ENV", EVERYWHERE, "dev", "name of the environment, in logs, traces and metrics"),
    Setting("SHOP_VERSION", EVERYWHERE, "dev", "version of the program, in logs, traces and metrics"),
    Setting("SHOP_LOG_LEVEL", EVERYWHERE, "info", "`debug`, `info`, `warning` or `error`; `debug` logs probes too"),
    Setting("SHOP_DRAIN_SECONDS", EVERYWHERE, "5", "after SIGTERM, how long it serves on while it is not ready"),
    Setting("SHOP_GRACE_SECONDS", EVERYWHERE, "10", "after draining, how long running requests may still take"),
    Setting("SHOP_STORE", (BACKEND, MIGRATE), "postgres", "where data lives: `postgres`, `dynamodb` or `memory`"),
    Setting("SHOP_DB_SECRET", (BACKEND,), "", "name or ARN of the login's secret in Secrets Manager (production)"),
    Setting("SHOP_DB_USER", (BACKEND, MIGRATE), "shop", "user of the database (development)"),
    Setting("SHOP_DB_PASSWORD", (BACKEND, MIGRATE), "", "the user's password (development)"),
    Setting("SHOP_DB_HOST", (BACKEND, MIGRATE), "127.0.0.1", "where PostgreSQL is"),
    Setting("SHOP_DB_PORT", (BACKEND, MIGRATE), "5432", "its port"),
    Setting("SHOP_DB_NAME", (BACKEND, MIGRATE), "shop", "the database"),
    Setting("SHOP_DB_TLS", (BACKEND, MIGRATE), "prefer", "libpq's sslmode: " + ", ".join(f"`{m}`" for m in TLS_MODES)),
    Setting("SHOP_DB_CONNECTIONS", (BACKEND,), "4", "most connections at a time"),
    Setting("SHOP_DB_MAX_AGE", (BACKEND,), "300", "seconds after which a connection is replaced"),
    Setting("SHOP_ADMIN_USER", (MIGRATE,), "postgres", "who changes the schema and makes the shop's user"),
    Setting("SHOP_ADMIN_PASSWORD", (MIGRATE,), "", "that user's password"),
    Setting("SHOP_TABLE", (BACKEND, MIGRATE), "shop", "DynamoDB table of the store `dynamodb`"),
    Setting("SHOP_IMAGES_BUCKET", (BACKEND, MIGRATE), "", "S3 bucket of the product pictures; without it, no pictures"),
    Setting("SHOP_BACKEND_URL", (FRONTEND,), "http://127.0.0.1:8080", "where the backend is"),
    Setting("SHOP_BACKEND_SECONDS", (FRONTEND,), "2", "how long a page waits for the backend, retries included"),
    Setting("SHOP_SESSION_SECRET", (FRONTEND,), "", "signs cookies; without it each process makes its own"),
    Setting("SHOP_SESSION_SECRET_ID", (FRONTEND,), "", "the same from Secrets Manager, with its previous version"),
    Setting("SHOP_SECRET_SECONDS", (FRONTEND,), "60", "seconds after which that secret is read again"),
    Setting("SHOP_SECURE_COOKIES", (FRONTEND,), "no", "`yes` where customers come by HTTPS"),
    Setting("SHOP_FAULT_KEY", EVERYWHERE, "", "the lab's public key; without it there is no fault switch"),
    Setting("SHOP_FAULT_START_SECONDS", EVERYWHERE, "0", "a fault: so long the program starts"),
    Setting("SHOP_FAULT_ERRORS", EVERYWHERE, "0", "a fault: this share of the requests ends in status 500"),
    Setting("OTEL_EXPORTER_OTLP_ENDPOINT", EVERYWHERE, "", "where traces go (OTLP over HTTP); without it, nowhere"),
    Setting("AWS_ENDPOINT_URL", (BACKEND, FRONTEND, MIGRATE), "", "an endpoint instead of AWS's own"),
    Setting("AWS_REGION", (BACKEND, FRONTEND, MIGRATE), "us-east-1", "region; `AWS_DEFAULT_REGION` counts too"),
)


@dataclass(frozen=True)
class Settings:
    """The settings of one program.  ``login`` is the development login, ``None`` with a secret; times are seconds."""

    role: str = BACKEND
    host: str = "127.0.0.1"
    port: int = 8080
    environment: str = "dev"
    version: str = "dev"
    log_level: str = "info"
    drain_seconds: float = 5.0
    grace_seconds: float = 10.0
    store: str = "postgres"
    secret_id: str = ""
    login: Mapping[str, str] | None = field(default=None, repr=False)
    tls: str = "prefer"
    connections: int = 4
    max_age: float = 300.0
    admin: Mapping[str, str] | None = field(default=None, repr=False)
    table: str = "shop"
    images_bucket: str = ""
    backend_url: str = "http://127.0.0.1:8080"
    backend_seconds: float = 2.0
    session_secret: str = field(default="", repr=False)
    session_secret_id: str = ""
    secret_seconds: float = 60.0
    secure_cookies: bool = False
    fault_key: str = ""
    start_seconds: float = 0.0
    error_share: float = 0.0
    trace_endpoint: str = ""


def from_environment(environ: Mapping[str, str], role: str = BACKEND) -> Settings:
    """Read the settings of a program.

    :param role: one of ``ROLES``
    :raises ConfigError: something is missing, contradictory or without sense
    """
    read = _Reader(environ, role)
    common = {
        "role": role,
        "host": _host(read),
        "port": int(read.number("SHOP_PORT", 0, 65_535)),
        "environment": read.text("SHOP_ENV"),
        "version": read.text("SHOP_VERSION"),
        "log_level": read.choice("SHOP_LOG_LEVEL", ("debug", "info", "warning", "error")),
        "drain_seconds": read.number("SHOP_DRAIN_SECONDS", 0, 600),
        "grace_seconds": read.number("SHOP_GRACE_SECONDS", 0, 600),
        "fault_key": _fault_key(read),
        "start_seconds": read.number("SHOP_FAULT_START_SECONDS", 0, 600),
        "error_share": read.number("SHOP_FAULT_ERRORS", 0, 1),
        "trace_endpoint": _traces(read, environ),
    }
    if role == FRONTEND:
        return Settings(**common, **_frontend(read))  # type: ignore[arg-type]
    store = read.choice("SHOP_STORE", STORES)
    data = {
        "store": store,
        "tls": read.choice("SHOP_DB_TLS", TLS_MODES),
        "connections": int(read.number("SHOP_DB_CONNECTIONS", 1, 100)),
        "max_age": read.number("SHOP_DB_MAX_AGE", 0, 86_400),
        "table": read.text("SHOP_TABLE"),
        "images_bucket": read.text("SHOP_IMAGES_BUCKET"),
    }
    if store == "postgres":
        data |= _migrating(read) if role == MIGRATE else _login(read)
    return Settings(**common, **data)  # type: ignore[arg-type]


class _Reader:
    """Values by name, with the table's defaults."""

    def __init__(self, environ: Mapping[str, str], role: str) -> None:
        self._environ, self.role = environ, role
        self._defaults = {setting.name: setting.default for setting in SETTINGS}

    def text(self, name: str) -> str:
        return self._environ.get(name, "") or self._defaults[name]

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.text(name)
        if value not in choices:
            raise ConfigError(f"{name} is {value!r}; it must be one of {', '.join(choices)}.")
        return value

    def number(self, name: str, least: float, most: float) -> float:
        text = self.text(name)
        try:
            value = float(text)
        except ValueError:
            raise ConfigError(f"{name} is {text!r}, not a number.") from None
        if not least <= value <= most:
            raise ConfigError(f"{name} is {text}; it must be from {least:g} to {most:g}.")
        return value

    def url(self, name: str) -> str:
        value = self.text(name)
        try:
            parts = urlsplit(value)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            sound = False
        if not sound:
            raise ConfigError(f"{name} is {value!r}; it must be a URL such as http://backend:8080.")
        return value.rstrip("/")


def _host(read: _Reader) -> str:
    """Every address means the pod's own where the node says which that is (docs/nodes.md, "Network")."""
    host, pod = read.text("SHOP_HOST"), read.text("POD_IP")
    asked = read._environ.get("SHOP_HOST", "")
    return pod if pod and asked in ("", "0.0.0.0") else host


def _traces(read: _Reader, environ: Mapping[str, str]) -> str:
    name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
    if environ.get(name):
        return environ[name]
    return f"{read.url('OTEL_EXPORTER_OTLP_ENDPOINT')}/v1/traces" if read.text("OTEL_EXPORTER_OTLP_ENDPOINT") else ""


def _fault_key(read: _Reader) -> str:
    value = read.text("SHOP_FAULT_KEY")
    if value and (len(value) != 64 or set(value) - set("0123456789abcdef")):
        raise ConfigError("SHOP_FAULT_KEY must be the lab's public key: 64 hexadecimal digits.")
    return value


def _login(read: _Reader) -> dict[str, object]:
    secret, password = read.text("SHOP_DB_SECRET"), read.text("SHOP_DB_PASSWORD")
    if secret and password:
        raise ConfigError("Set SHOP_DB_SECRET or SHOP_DB_PASSWORD, not both: one of them would silently win.")
    if not secret and not password:
        raise ConfigError("Set SHOP_DB_SECRET (production) or SHOP_DB_USER and SHOP_DB_PASSWORD (development).")
    if secret:
        return {"secret_id": secret}
    return {"login": _database(read, read.text("SHOP_DB_USER"), password)}


def _migrating(read: _Reader) -> dict[str, object]:
    password = read.text("SHOP_ADMIN_PASSWORD")
    if not password:
        raise ConfigError("Set SHOP_ADMIN_USER and SHOP_ADMIN_PASSWORD: who changes the schema.")
    found: dict[str, object] = {"admin": _database(read, read.text("SHOP_ADMIN_USER"), password)}
    if read.text("SHOP_DB_PASSWORD"):
        found["login"] = _database(read, read.text("SHOP_DB_USER"), read.text("SHOP_DB_PASSWORD"))
    return found


def _database(read: _Reader, user: str, password: str) -> dict[str, str]:
    return {
        "username": user,
        "password": password,
        "host": read.text("SHOP_DB_HOST"),
        "port": str(int(read.number("SHOP_DB_PORT", 1, 65_535))),
        "dbname": read.text("SHOP_DB_NAME"),
    }


def _frontend(read: _Reader) -> dict[str, object]:
    secret, secret_id = read.text("SHOP_SESSION_SECRET"), read.text("SHOP_SESSION_SECRET_ID")
    if secret and secret_id:
        raise ConfigError("Set SHOP_SESSION_SECRET or SHOP_SESSION_SECRET_ID, not both: one would silently win.")
    if secret and len(secret) < 16:
        raise ConfigError("SHOP_SESSION_SECRET is too short; it must have 16 characters or more.")
    return {
        "backend_url": read.url("SHOP_BACKEND_URL"),
        "backend_seconds": read.number("SHOP_BACKEND_SECONDS", 0.05, 60),
        "session_secret": secret,
        "session_secret_id": secret_id,
        "secret_seconds": read.number("SHOP_SECRET_SECONDS", 0, 86_400),
        "secure_cookies": read.choice("SHOP_SECURE_COOKIES", ("yes", "no")) == "yes",
    }


def table() -> str:
    """The settings as a Markdown table."""
    lines = ["| variable | read by | default | meaning |", "|---|---|---|---|"]
    for one in SETTINGS:
        default = f"`{one.default}`" if one.default else "–"
        lines.append(f"| `{one.name}` | {', '.join(one.roles)} | {default} | {one.meaning} |")
    return "\n".join(lines) + "\n"
