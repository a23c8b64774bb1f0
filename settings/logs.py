"""The log of a process: a line for people, or JSON for what collects logs, with what it is about.

What is bound with `about` (request, organization, person, workflow, operation) stands in every line that is
written meanwhile, whoever writes it: product code logs by the standard library and knows none of this. These
are ids, never names or secrets.
"""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, TextIO

import structlog
from opentelemetry import trace
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars, merge_contextvars
from structlog.stdlib import ExtraAdder, ProcessorFormatter

TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"

QUIET = ("httpx", "stripe")
"""httpx tells every address that it asks, and that of an invoice's PDF opens it to whoever reads the log.
Stripe's SDK writes two lines a request without the operation's id: `worker.interceptors` says more in one."""


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


def configure(form: LogFormat, stream: TextIO | None = None) -> None:
    """For the whole process: everything from INFO on goes to standard error."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_json() if form is LogFormat.JSON else _Text(TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def about(**facts: str | None) -> Iterator[None]:
    """Within, every line of this task is about these, too; what is None is not said."""
    before = get_contextvars()
    try:
        learned(**facts)
        yield
    finally:
        clear_contextvars()
        bind_contextvars(**before)


def learned(**facts: str | None) -> None:
    """The same, from now on to the end of the `about` around it."""
    bind_contextvars(**{name: value for name, value in facts.items() if value is not None})


class _Text(logging.Formatter):
    """What is known goes behind the line."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        facts = get_contextvars() | _place()
        said = " ".join(f"{name}={value}" for name, value in sorted(facts.items()))
        line = super().formatMessage(record)
        return f"{line} [{said}]" if said else line


def _place() -> dict[str, str]:
    """Where the line is in a trace, as OpenTelemetry writes it."""
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return {}
    return {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}


def _placed(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    line.update(_place())
    return line


def _json() -> logging.Formatter:
    return ProcessorFormatter(
        foreign_pre_chain=[
            merge_contextvars,
            _placed,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            ExtraAdder(),
        ],
        processors=[
            ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(sort_keys=True, default=str),
        ],
    )
