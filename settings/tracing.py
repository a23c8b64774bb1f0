"""Traces for OpenTelemetry: where they are sent, and what of them leaves the process.

The SDK is loaded only where an address is set. What else can be set of it (headers, certificates, sampling,
the service's name) it reads itself from OTEL_… variables.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opentelemetry import trace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

LEAVE = frozenset(
    {
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "plixo.events",
        "plixo.intent",
        "plixo.object",
        "plixo.operation",
        "plixo.request",
        "stripe.request_id",
        "temporalActivityID",
        "temporalActivityType",
        "temporalRunID",
        "temporalUpdateID",
        "temporalWorkflowID",
        "url.template",
    }
)
"""The attributes that are sent: ids and templates of paths. A library's update brings no others along."""

ENDS_WITHIN = 4.0
"""Seconds that the end of a process waits for what is still to be sent: a collector may be away."""


def configure(address: str | None, service: str) -> None:
    """For the whole process, which is called `service` where OTEL_SERVICE_NAME doesn't say otherwise."""
    if not address:  # Compose passes what is unset as nothing
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    class Batches(BatchSpanProcessor):
        def shutdown(self) -> None:
            # Its own waits for 30 s, and can't be told otherwise.
            self._batch_processor.shutdown(timeout_millis=int(ENDS_WITHIN * 1000))

    made = provider(service)
    exporter = OTLPSpanExporter(endpoint=f"{address.rstrip('/')}/v1/traces")
    made.add_span_processor(Batches(discreet(exporter)))
    trace.set_tracer_provider(made)


def end() -> None:
    """Sends what is still to be sent, for `ENDS_WITHIN` at most. A process that ends by itself does so
    anyway; one that a signal ends on the spot has to call it before."""
    shutdown = getattr(trace.get_tracer_provider(), "shutdown", None)
    if shutdown is not None:
        shutdown()


def provider(service: str) -> "TracerProvider":
    """Makes spans, and sends them nowhere yet."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    named = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": service}
    return TracerProvider(resource=Resource.create(named))


def discreet(exporter: "SpanExporter") -> "SpanExporter":
    """Sends of each span what `LEAVE` names. What an exception says stays here, and is in the log: it may
    quote people, or Stripe."""
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import Status

    def without_words(span: ReadableSpan) -> ReadableSpan:
        attributes = {name: value for name, value in (span.attributes or {}).items() if name in LEAVE}
        return ReadableSpan(
            name=span.name,
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=attributes,
            links=span.links,
            kind=span.kind,
            instrumentation_scope=span.instrumentation_scope,
            status=Status(span.status.status_code),
            start_time=span.start_time,
            end_time=span.end_time,
        )

    class Discreet(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return exporter.export([without_words(span) for span in spans])

        def shutdown(self) -> None:
            exporter.shutdown()

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return exporter.force_flush(timeout_millis)

    return Discreet()
