"""The trace of OpenTelemetry that a row belongs to: whoever goes on with the row goes on with the trace.

It stands in the row as W3C's `traceparent`. Where nothing is traced there is none, and nothing is done here.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

PARENT = "traceparent"

_PROPAGATOR = TraceContextTextMapPropagator()


def here() -> str | None:
    """Where we are in a trace; None where nothing is traced."""
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    # Without a caller's `tracestate`, which may say anything.
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


@contextmanager
def continued(traceparent: str | None) -> Iterator[None]:
    """Within, the trace of a row goes on."""
    if traceparent is None:
        yield
        return
    token = context.attach(_of(traceparent))
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def span(name: str, of: Sequence[str | None] = ()) -> Iterator[Span]:
    """A span of the first trace that these rows belong to, linked with those of the others; of none, the
    first of a new one. What is raised is noted without its words: they may be people's data."""
    known = dict.fromkeys(filter(None, of))
    first, *others = known or (None,)
    parent = _of(first) if first is not None else Context()
    links = [Link(trace.get_current_span(_of(one)).get_span_context()) for one in others if one is not None]
    with _begun(name, parent, SpanKind.CONSUMER, links) as begun:
        yield begun


def called(name: str) -> AbstractContextManager[Span]:
    """A span of what is asked of somebody else, within the trace that we are in."""
    return _begun(name, None, SpanKind.CLIENT)


def arrived(name: str) -> AbstractContextManager[Span]:
    """The first span of a new trace: of a request that has come."""
    return _begun(name, Context(), SpanKind.SERVER)


def link(span: Span, traceparent: str | None) -> None:
    """What a caller says that its own trace is: it is named, and decides nothing here."""
    if traceparent is None or not span.is_recording():
        return
    theirs = trace.get_current_span(_of(traceparent)).get_span_context()
    if theirs.is_valid:
        span.add_link(theirs)


@contextmanager
def _begun(name: str, parent: Context | None, kind: SpanKind, links: Sequence[Link] = ()) -> Iterator[Span]:
    # Where nothing is traced the tracer makes spans that do nothing.
    with trace.get_tracer("plixo").start_as_current_span(
        name, parent, kind=kind, links=links, record_exception=False, set_status_on_exception=False
    ) as begun:
        try:
            yield begun
        except Exception:
            begun.set_status(StatusCode.ERROR)
            raise


def _of(traceparent: str) -> Context:
    return _PROPAGATOR.extract({PARENT: traceparent}, Context())
