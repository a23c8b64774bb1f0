"""A row goes on with the trace that it was written in."""

from collections.abc import Iterator

import pytest
from opentelemetry.trace import StatusCode

from db.tracing import trace

from ...support.traced import Traces, trace_of, traced

ONE, OTHER = f"00-{'a' * 32}-{'b' * 16}-01", f"00-{'c' * 32}-{'d' * 16}-01"
GARBAGE = ("", "x", "00-0-0-00", f"00-{'0' * 32}-{'b' * 16}-01", f"ff-{'a' * 32}-{'b' * 16}-01", "é" * 55)


@pytest.fixture
def traces() -> Iterator[Traces]:
    with traced() as found:
        yield found


def test_a_row_has_no_trace_where_nothing_is_traced() -> None:
    with trace.arrived("request"), trace.called("call"):
        assert trace.here() is None


def test_a_row_has_none_where_no_span_was_begun(traces: Traces) -> None:
    assert trace.here() is None


def test_what_goes_on_with_a_row_is_in_its_trace_and_below_its_span(traces: Traces) -> None:
    with trace.arrived("request"):
        row = trace.here()
    with trace.continued(row):
        assert trace.here() == row
        with trace.called("call"):
            pass
    assert trace.here() is None
    assert traces.way(traces.one("call")) == ["request", "call"]
    assert row is not None
    assert row.split("-")[1] == trace_of(traces.one("call"))


def test_a_row_without_a_trace_changes_nothing(traces: Traces) -> None:
    with trace.arrived("request"):
        before = trace.here()
        with trace.continued(None):
            assert trace.here() == before


@pytest.mark.parametrize("row", GARBAGE)
def test_a_row_with_what_is_no_trace_begins_none_and_fails_nothing(traces: Traces, row: str) -> None:
    with trace.continued(row):
        assert trace.here() is None
    with trace.span("follow", [row]):
        pass
    assert traces.one("follow").parent is None


def test_a_request_begins_a_trace_of_its_own_wherever_it_arrives(traces: Traces) -> None:
    with trace.continued(ONE), trace.arrived("request"):
        pass
    assert traces.one("request").parent is None
    assert trace_of(traces.one("request")) != "a" * 32


def test_what_several_rows_begin_is_in_the_first_ones_trace_and_linked_once_with_each_other(
    traces: Traces,
) -> None:
    with trace.span("follow", [None, ONE, OTHER, ONE, OTHER, None]):
        pass
    follow = traces.one("follow")
    assert trace_of(follow) == "a" * 32
    assert [f"{link.context.trace_id:032x}" for link in follow.links] == ["c" * 32]


def test_what_rows_without_a_trace_begin_is_in_none_of_whoever_follows_them(traces: Traces) -> None:
    with trace.continued(ONE), trace.span("follow", [None]):
        pass
    assert traces.one("follow").parent is None
    assert trace_of(traces.one("follow")) != "a" * 32


def test_a_callers_trace_is_linked_where_it_is_one(traces: Traces) -> None:
    with trace.arrived("request") as span:
        for said in (None, *GARBAGE, ONE):
            trace.link(span, said)
    assert [f"{link.context.trace_id:032x}" for link in traces.one("request").links] == ["a" * 32]


def test_what_is_raised_is_seen_without_its_words(traces: Traces) -> None:
    with pytest.raises(ValueError, match="Wilhelmina"), trace.called("call"):
        raise ValueError("Wilhelmina")
    call = traces.one("call")
    assert call.status.status_code is StatusCode.ERROR
    assert "Wilhelmina" not in call.to_json()
