"""The shop as processes: settings, start, traces, the orderly end, memory."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from labs.shop.config import SETTINGS, ConfigError, from_environment, table
from tests.labs.shop.conftest import environment_of

ROOT = Path(__file__).resolve().parents[3]
MOST_MEGABYTES = 60  # PSS, of either program
MOST_SECONDS = 1.0  # of processor time until it serves


def get(shop: Any, path: str, **more: Any) -> httpx.Response:
    return httpx.get(f"{shop.url}{path}", trust_env=False, timeout=15, **more)


@pytest.mark.parametrize(
    ("role", "environ", "message"),
    [
        ("backend", {"SHOP_STORE": "mongo"}, "SHOP_STORE is 'mongo'; it must be one of postgres, dynamodb, memory"),
        ("backend", {"SHOP_DB_PASSWORD": "swordfish", "SHOP_DB_TLS": "no"}, "SHOP_DB_TLS is 'no'"),
        ("backend", {"SHOP_STORE": "memory", "SHOP_FAULT_KEY": "swordfish"}, "SHOP_FAULT_KEY must be the lab's public"),
        ("backend", {"SHOP_STORE": "memory", "OTEL_EXPORTER_OTLP_ENDPOINT": "tempo:4318"}, "must be a URL such as"),
        ("frontend", {"SHOP_BACKEND_URL": "backend"}, "SHOP_BACKEND_URL is 'backend'; it must be a URL"),
        ("frontend", {"SHOP_BACKEND_URL": "http://backend:port"}, "it must be a URL"),
        ("frontend", {"SHOP_SESSION_SECRET": "swordfish"}, "SHOP_SESSION_SECRET is too short"),
        ("frontend", {"SHOP_SESSION_SECRET": "swordfish" * 2, "SHOP_SESSION_SECRET_ID": "s"}, "not both"),
        ("frontend", {"SHOP_SECURE_COOKIES": "true"}, "SHOP_SECURE_COOKIES is 'true'; it must be one of yes, no"),
        ("migrate", {}, "Set SHOP_ADMIN_USER and SHOP_ADMIN_PASSWORD"),
    ],
)
def test_settings_without_sense_are_named_and_secrets_never_shown(
    role: str, environ: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        from_environment(environ, role)
    assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "host"),
    [
        ({}, "127.0.0.1"),
        ({"POD_IP": "127.244.1.5"}, "127.244.1.5"),
        ({"POD_IP": "127.244.1.5", "SHOP_HOST": "0.0.0.0"}, "127.244.1.5"),
        ({"POD_IP": "127.244.1.5", "SHOP_HOST": "127.0.0.9"}, "127.0.0.9"),
        ({"SHOP_HOST": "0.0.0.0"}, "0.0.0.0"),
    ],
)
def test_it_listens_where_the_pod_has_its_address(environ: dict[str, str], host: str) -> None:
    assert from_environment({"SHOP_STORE": "memory", **environ}).host == host


def test_the_documentation_has_the_table_of_settings_and_no_other() -> None:
    assert table() in (ROOT / "docs" / "shop.md").read_text(encoding="utf-8")


def test_every_setting_that_the_code_reads_is_in_the_table() -> None:
    source = (ROOT / "labs" / "shop" / "config.py").read_text(encoding="utf-8")
    read = set(re.findall(r'read\.\w+\(\s*"(\w+)"', source))
    assert len(read) > 25
    assert read <= {setting.name for setting in SETTINGS}


@pytest.mark.parametrize("role", ["backend", "frontend", "migrate"])
def test_bad_settings_end_the_program_with_status_2_and_one_clear_line(role: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "labs.shop", role],
        env={**os.environ, "SHOP_PORT": "eighty", "SHOP_STORE": "memory"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == ""
    assert "SHOP_PORT is 'eighty', not a number." in done.stdout


def test_a_port_in_use_ends_the_program_with_status_2(run_shop: Any) -> None:
    first = run_shop(SHOP_STORE="memory")
    port = first.url.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-m", "labs.shop"],
        env={**os.environ, "SHOP_PORT": port, "SHOP_STORE": "memory"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1 port {port}" in done.stdout


def test_after_sigterm_it_is_not_ready_serves_on_and_ends_with_0(run_shop: Any) -> None:
    shop = run_shop(SHOP_STORE="memory", SHOP_DRAIN_SECONDS="2")
    assert get(shop, "/readyz").status_code == 200
    began = time.monotonic()
    shop.process.send_signal(signal.SIGTERM)
    while get(shop, "/readyz").status_code == 200:
        assert time.monotonic() - began < 2
    answer = get(shop, "/api/products")
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")
    assert get(shop, "/livez").status_code == 200
    assert shop.process.wait(15) == 0
    assert time.monotonic() - began >= 2
    assert shop.log()[-1]["message"] == "stopped"


def test_ctrl_c_does_not_wait(run_shop: Any) -> None:
    shop = run_shop(SHOP_STORE="memory", SHOP_DRAIN_SECONDS="600")
    shop.process.send_signal(signal.SIGINT)
    assert shop.process.wait(15) == 0


class Collector:
    """What an OTLP collector receives: ``{(service, span name): span}``."""

    def __init__(self) -> None:
        received = self.received = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    import gzip

                    body = gzip.decompress(body)
                received.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def spans(self) -> list[tuple[str, Any]]:
        found = []
        for request in self.received:
            for resource in request.resource_spans:
                about = {a.key: a.value.string_value for a in resource.resource.attributes}
                found += [(about["service.name"], s) for scope in resource.scope_spans for s in scope.spans]
        return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture
def pair(run_shop: Any, login: dict[str, str], collector: Collector) -> tuple[Any, Any]:
    """Frontend and backend on PostgreSQL, exporting traces."""
    traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    backend = run_shop(**environment_of(login), **traces)
    return run_shop("frontend", SHOP_BACKEND_URL=backend.url, **traces), backend


def test_one_trace_spans_frontend_backend_and_database(pair: tuple[Any, Any], collector: Collector) -> None:
    frontend = pair[0]
    answer = get(frontend, "/products/1001")
    assert answer.status_code == 200
    for shop in pair:
        assert shop.stop() == 0  # what waited is sent before the end
    spans = {(service, span.name): span for service, span in collector.spans()}
    chain = [("shop-frontend", "GET /products/{sku}"), ("shop-frontend", "GET"),
             ("shop-backend", "GET /api/products/{sku}"), ("shop-backend", "product")]  # fmt: skip
    assert {spans[name].trace_id for name in chain} == {spans[chain[0]].trace_id}
    for outer, inner in itertools.pairwise(chain):
        assert spans[inner].parent_span_id == spans[outer].span_id
    identifier, trace = answer.headers["x-request-id"], spans[chain[0]].trace_id.hex()
    for shop in pair:
        (line,) = [x for x in shop.log() if x["message"] == "request" and x["request_id"] == identifier]
        assert line["trace_id"] == trace


def test_a_collector_that_is_gone_hurts_nobody(run_shop: Any) -> None:
    shop = run_shop(SHOP_STORE="memory", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert {get(shop, "/api/products").status_code for _ in range(20)} == {200}
    began = time.monotonic()
    assert shop.stop() == 0
    assert time.monotonic() - began < 12


def measured(shop: Any) -> tuple[float, float]:
    """MB of the process (its share of what it shares with others), and its processor seconds."""
    folder = Path(f"/proc/{shop.process.pid}")
    shares = re.search(r"\nPss:\s+(\d+)", (folder / "smaps_rollup").read_text())
    assert shares is not None
    ticks = (folder / "stat").read_text().rpartition(")")[2].split()[11:13]
    return int(shares[1]) / 1024, sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def test_each_program_fits_into_a_small_pod_and_starts_at_once(
    run_shop: Any, login: dict[str, str], collector: Collector
) -> None:
    """Processor time, because a busy machine says little by the clock; export on, because that costs most."""
    traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    backend = run_shop(**environment_of(login), **traces)
    frontend = run_shop("frontend", SHOP_BACKEND_URL=backend.url, **traces)
    starts = [measured(shop)[1] for shop in (backend, frontend)]
    assert max(starts) < MOST_SECONDS, starts
    for _ in range(50):
        assert get(frontend, "/").status_code == 200
    sizes = [measured(shop)[0] for shop in (backend, frontend)]
    print(f"backend, frontend: {sizes} MB, {starts} s of processor time to start")
    assert max(sizes) < MOST_MEGABYTES, sizes
