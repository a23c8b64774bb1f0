"""What OpenTelemetry would be sent by everything that runs in this process."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from settings import tracing


class Traces:
    """The spans that have left so far."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def called(self, name: str) -> list[ReadableSpan]:
        """Those of this name."""
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        """The only one of this name."""
        found = self.called(name)
        assert len(found) == 1, sorted(span.name for span in self.spans)
        return found[0]

    def way(self, span: ReadableSpan) -> list[str]:
        """From the beginning of its trace to a span, by their names."""
        names, by_id = [span.name], {one.context.span_id: one for one in self.spans if one.context}
        while span.parent is not None and span.parent.span_id in by_id:
            span = by_id[span.parent.span_id]
            names.append(span.name)
        return names[::-1]


@contextmanager
def traced() -> Iterator[Traces]:
    """Within, this process is traced as by `tracing.configure`, and sends nothing anywhere."""
    exporter = InMemorySpanExporter()
    made = tracing.provider("plixo-test")
    made.add_span_processor(SimpleSpanProcessor(tracing.discreet(exporter)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trace, "_TRACER_PROVIDER", made)
        yield Traces(exporter)


def trace_of(span: ReadableSpan) -> str:
    """Its trace, as log lines and rows have it."""
    assert span.context is not None
    return f"{span.context.trace_id:032x}"
