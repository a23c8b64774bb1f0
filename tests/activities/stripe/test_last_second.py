"""What Stripe may have counted within a second: never more than the pace, however late a request was."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.stripe.last_second import IN_DOUBT, KNOWN_AFTER, Departure, LastSecond

LIST, PREVIEW = "GET /v1/customers", "POST /v1/invoices/create_preview"
QUICKEST = 0.05
"""Seconds, of an answer."""


def test_as_many_as_the_pace_leave_at_once_and_the_next_a_second_after_the_first_was_counted() -> None:
    last = LastSecond()
    for number in range(3):
        assert last.free_at(3.0) <= 0.1 * number
        last.leaves(LIST, 0.1 * number)
    assert last.free_at(3.0) == pytest.approx(1 + IN_DOUBT)


def test_an_answer_tells_by_when_a_request_was_counted() -> None:
    last = LastSecond()
    last.answered(last.leaves(LIST, 0.0), 0.010)
    assert last.free_at(1.0) == pytest.approx(1.010)


def known(last: LastSecond, endpoint: str, quickest: float) -> None:
    """So many answers that the quickest counts."""
    for number in range(KNOWN_AFTER):
        departs = 2.0 * number - 1000
        last.answered(last.leaves(endpoint, departs), departs + quickest)


def test_what_even_the_quickest_answer_takes_is_not_in_doubt() -> None:
    last = LastSecond()
    known(last, LIST, 0.010)
    known(last, PREVIEW, 0.5)
    last.answered(last.leaves(LIST, 1.0), 1.030)
    # Another one may be some 8 ms on its way as well.
    assert last.free_at(1.0) == pytest.approx(2.022, abs=0.001)
    last.answered(last.leaves(PREVIEW, 3.0), 3.5)
    assert last.free_at(1.0) == pytest.approx(4.002, abs=0.011)


def test_one_that_is_answered_late_was_on_its_way_for_a_moment_only() -> None:
    last = LastSecond()
    last.answered(last.leaves(LIST, 0.0), 0.010)
    last.answered(last.leaves(LIST, 1.0), 9.0)
    assert last.free_at(1.0) == pytest.approx(2.0 + IN_DOUBT)


def test_less_than_one_a_second_leaves_so_much_later() -> None:
    last = LastSecond()
    last.leaves(LIST, 0.0)
    assert last.free_at(0.25) == pytest.approx(4.0 + IN_DOUBT)


@settings(max_examples=50)
@given(
    st.integers(1, 6),
    st.lists(st.tuples(*[st.sampled_from((0, 1, 7, 20, 50))] * 3), min_size=10, max_size=40),
)
def test_no_second_counts_more_than_the_pace_says(pace: int, course: list[tuple[int, int, int]]) -> None:
    """`course`, in milliseconds: how long after it may each leaves, how long it is on its way beyond the
    quickest, and how long it is worked on."""
    last, now, counted = LastSecond(), 0.0, []
    known(last, LIST, QUICKEST)
    unanswered: list[tuple[float, Departure]] = []
    for late, on_its_way, worked_on in course:
        now = max(now, last.free_at(float(pace))) + late / 1000
        for at, departure in unanswered:
            if at <= now:
                last.answered(departure, at)
        unanswered = [(at, departure) for at, departure in unanswered if at > now]
        arrives = now + QUICKEST + on_its_way / 1000
        unanswered.append((arrives + worked_on / 100, last.leaves(LIST, now)))
        counted.append(arrives)
    counted.sort()
    spans = [later - earlier for earlier, later in zip(counted, counted[pace:], strict=False)]
    assert min(spans) >= 1.0
