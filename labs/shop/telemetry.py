"""What the shop tells about itself while it runs: RED metrics for Prometheus, spans for OpenTelemetry.

Traces follow W3C Trace Context in and out.  They are exported (OTLP over HTTP) only where an endpoint is set; ids are
made in any case, so that the logs of one request belong together.  Exporter and its libraries load only when used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, exposition
from prometheus_client.openmetrics import exposition as openmetrics

from labs.shop.config import Settings

# From a cache hit on loopback to what a customer gives up on; 0.25 s is where a page begins to feel slow.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one program, in a registry of its own."""

    def __init__(self, settings: Settings) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        made: dict[str, Any] = {"registry": self.registry}
        about = ["role", "version", "environment"]
        Gauge("shop_build_info", "What runs here", about, **made).labels(
            settings.role, settings.version, settings.environment
        ).set(1)
        self.requests = Counter("http_requests", "Requests answered", ["method", "route", "status"], **made)
        timed = {"buckets": BUCKETS, **made}
        self.seconds = Histogram("http_request_duration_seconds", "Time of an answer", ["method", "route"], **timed)
        self.in_flight = Gauge("http_requests_in_flight", "Requests being answered", **made)
        self.calls = Counter("shop_dependency_calls", "Calls of what it depends on", ["dependency", "result"], **made)
        self.call_seconds = Histogram("shop_dependency_duration_seconds", "Time of a call", ["dependency"], **timed)
        self.orders = Counter("shop_orders", "Orders taken", **made)
        self.sold = Counter("shop_order_cents", "Value of orders taken, in cents", **made)
        self.refused = Counter("shop_orders_refused", "Orders not taken", ["reason"], **made)
        self.ready = Gauge("shop_ready", "1 while /readyz would say yes, as last seen", **made)
        self.fault = Gauge("shop_fault_active", "1 while a fault that the lab set is active", ["fault"], **made)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """The metrics in the format asked for, and its content type; OpenMetrics carries exemplars."""
        if "application/openmetrics-text" in accept:
            return openmetrics.generate_latest(self.registry), openmetrics.CONTENT_TYPE_LATEST
        return exposition.generate_latest(self.registry), exposition.CONTENT_TYPE_LATEST


class _Headers(Getter[Mapping[bytes, bytes]]):
    """Reads an ASGI request's headers."""

    def get(self, carrier: Mapping[bytes, bytes], key: str) -> list[str] | None:
        found = carrier.get(key.lower().encode())
        return [found.decode("latin-1")] if found is not None else None

    def keys(self, carrier: Mapping[bytes, bytes]) -> list[str]:
        return [name.decode("latin-1") for name in carrier]


_HEADERS, _W3C = _Headers(), TraceContextTextMapPropagator()


class Traces:
    """Starts spans.  ``close`` sends what is left (up to 3 s)."""

    def __init__(self, settings: Settings) -> None:
        about = {
            "service.name": f"shop-{settings.role}",
            "service.version": settings.version,
            "deployment.environment.name": settings.environment,
        }
        root = ALWAYS_ON if settings.trace_endpoint else ALWAYS_OFF
        self._provider = TracerProvider(
            sampler=ParentBased(root), resource=Resource.create(about), shutdown_on_exit=False
        )
        if settings.trace_endpoint:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            exporter = OTLPSpanExporter(endpoint=settings.trace_endpoint, timeout=2)
            self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
        self._tracer = self._provider.get_tracer("labs.shop")

    def parent(self, headers: Mapping[bytes, bytes]) -> Context:
        """The caller's context, from ``traceparent`` and ``tracestate``."""
        return _W3C.extract(headers, Context(), _HEADERS)

    @contextmanager
    def span(
        self, name: str, kind: SpanKind = SpanKind.INTERNAL, parent: Context | None = None, **attributes: str
    ) -> Iterator[Span]:
        """A span around a block; an exception that leaves it makes it an error.  Underscores stand for dots."""
        named = {key.replace("_", "."): value for key, value in attributes.items()}
        with self._tracer.start_as_current_span(name, parent, kind, named, record_exception=False) as span:
            yield span

    def close(self) -> None:
        """Export what waits."""
        self._provider.force_flush(3000)
        self._provider.shutdown()


def inject(headers: MutableMapping[str, str]) -> None:
    """Add the current span's ``traceparent``."""
    _W3C.inject(headers)


def trace_id_of(span: Span) -> str:
    """32 hexadecimal digits."""
    return trace.format_trace_id(span.get_span_context().trace_id)


def failed(span: Span) -> None:
    """Mark a span as an error."""
    span.set_status(StatusCode.ERROR)
