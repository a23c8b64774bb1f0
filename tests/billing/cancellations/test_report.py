"""What Stripe holds after a cancellation, field by field against what was approved."""

from datetime import UTC, datetime
from typing import Any

import pytest

from billing.cancellations.report import (
    cancellation_problem,
    ended_report,
    moved_problem,
    planned_report,
    taken_back_problem,
)

from .made import END, HALF, WAITS, a_cancellation, a_line, done, facts, invoice, last


def moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%b %-d, %Y at %-I:%M %p} UTC"


ON_END, ON_HALF = moment(END), moment(HALF)


@pytest.mark.parametrize("action", ["now", "at_period_end", "take_back"])
def test_what_is_as_approved_is_verified(action: Any) -> None:
    report = done(a_cancellation(action))
    assert (report.verified, report.differences, cancellation_problem(report)) == (True, (), None)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"cancel_at": END + 60, "at_period_end": True},
            f"the plan is set to end on {ON_END.replace(':00 ', ':01 ')}, not on {ON_END}",
        ),
        ({}, "the plan is not set to end"),
        (
            {"cancel_at": END, "at_period_end": False},
            "the plan is set to end on that day, whatever becomes of its period",
        ),
        ({"cancel_at": END, "at_period_end": True, "ended_at": HALF}, f"the plan ended on {ON_HALF}"),
    ],
)
def test_another_end_than_was_approved_is_told_with_its_day(fields: dict[str, Any], said: str) -> None:
    subject = a_cancellation("at_period_end")
    report = planned_report(subject, facts(**fields), subject.bill)
    assert not report.verified
    assert report.differences[0] == said
    problem = cancellation_problem(report)
    assert problem is not None
    assert problem.code == "cancellation_differs"


def test_a_renewal_that_costs_something_else_is_named_to_the_cent() -> None:
    subject = a_cancellation("take_back")
    report = planned_report(subject, facts(), invoice(a_line("renewal", 1_001, price="")))
    assert any("USD 10.01" in one for one in report.differences)


def test_the_balance_that_others_used_meanwhile_is_no_difference() -> None:
    subject = a_cancellation("at_period_end")
    ended = facts(status="canceled", ended_at=END)
    report = ended_report(subject, ended, last(WAITS, starting_balance=-300, amount_due=700))
    assert report.verified


def test_the_balance_is_not_said_to_differ_where_the_total_does() -> None:
    subject = a_cancellation("at_period_end")
    ended = facts(status="canceled", ended_at=END)
    report = ended_report(subject, ended, last(a_line("renewal", 1_900, price="")))
    assert not report.verified
    assert not [one for one in report.differences if "alance" in one or "due" in one]


@pytest.mark.parametrize(
    ("amount", "total", "ok"), [(-5_600, None, True), (-5_590, None, False), (-5_600, -4_000, False)]
)
def test_the_last_invoice_is_as_approved_but_for_the_time_that_has_passed(
    amount: int, total: int | None, ok: bool
) -> None:
    ended = facts(status="canceled", ended_at=HALF + 86_400)
    changed = {"total": total} if total is not None else {}
    found = last(a_line("credit", amount, HALF + 86_400), WAITS, **changed)
    assert ended_report(a_cancellation(), ended, found).verified is ok


def test_a_missing_last_invoice_and_one_too_many_are_named() -> None:
    ended = facts(status="canceled", ended_at=END)
    assert not ended_report(a_cancellation("at_period_end"), ended, None).verified
    bare = a_cancellation("at_period_end").model_copy(update={"bill": None})
    assert not ended_report(bare, ended, last(WAITS)).verified
    assert ended_report(bare, ended, None).verified


def test_one_that_goes_on_or_ended_too_soon_is_named() -> None:
    subject = a_cancellation("at_period_end")
    goes_on = ended_report(subject, facts(status="active"), last(WAITS))
    assert goes_on.differences == ("the plan has not ended: its subscription is active",)
    early = ended_report(subject, facts(status="canceled", ended_at=HALF), last(WAITS))
    assert early.differences == (f"the plan ended on {ON_HALF}, not on {ON_END}",)


def test_who_took_it_back_is_said() -> None:
    assert "op_2" in taken_back_problem("op_2").message
    assert "Stripe itself" in taken_back_problem(None).message
    assert ON_END in moved_problem(END).message
