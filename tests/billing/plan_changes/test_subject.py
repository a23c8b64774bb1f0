from typing import Any

import pytest

from billing.core.money import Money
from billing.core.operations import Problem
from billing.plan_changes.checks import before_trial_ends, discount_used_up, terms_after
from billing.plan_changes.messages import Target
from billing.plan_changes.proration import Difference, Line, NextInvoice, Period
from billing.plan_changes.subject import (
    PlanChangeSubject,
    build_subject,
    subject_hash,
)
from billing.plan_changes.verification import ResultLines, Verification, expected_lines
from billing.plan_changes.verification import verify as verify_found

from ..builders import (
    APRIL_END,
    APRIL_START,
    MAY_END,
    MID_APRIL,
    a_line,
    a_plan,
    a_query,
    a_subject,
    a_wish,
    previewed,
    some_facts,
    some_terms,
)

YEAR = 365 * 86_400
YEARLY = some_terms(plan="growth", price="price_growth_year", interval="year")

CREDIT = a_line(kind="credit", amount_minor=-2500, price="price_starter_month", quantity=5)
DEBIT = a_line(amount_minor=5000, quantity=5)
MAY = a_line(
    kind="renewal",
    description="5 × Growth",
    amount_minor=10_000,
    quantity=5,
    start=APRIL_END,
    end=MAY_END,
)


def a_year(start: int) -> Line:
    """The renewal that an interval change starts at that second."""
    return a_line(
        kind="renewal",
        amount_minor=100_000,
        price="price_growth_year",
        quantity=5,
        start=start,
        end=start + YEAR,
    )


def reworded(line: Line) -> Line:
    return line.model_copy(update={"description": "In other words"})


def usd(amount: int) -> Money:
    return Money(amount_minor=amount, currency="usd")


def verify(subject: PlanChangeSubject, lines: tuple[Line, ...]) -> Verification:
    """By the lines alone."""
    return verify_found(subject, ResultLines(lines=lines))


# --- The subject ------------------------------------------------------------------------------------------


def test_charged_at_once_the_prorations_are_due_now_and_a_full_period_comes_next() -> None:
    preview = a_subject(CREDIT, DEBIT).preview
    assert preview.lines == (CREDIT, DEBIT)
    assert (preview.due_now, preview.total) == (usd(2500), 2500)
    assert preview.next_invoice == NextInvoice(
        amount_minor=10_000, total=10_000, currency="usd", date=APRIL_END
    )


def test_charged_later_nothing_is_due_now_and_the_next_invoice_has_it_all() -> None:
    preview = a_subject(CREDIT, DEBIT, MAY, invoicing="next_invoice").preview
    assert (preview.due_now, preview.total) == (usd(0), 12_500)
    assert preview.next_invoice == NextInvoice(
        amount_minor=12_500, total=12_500, currency="usd", date=APRIL_END
    )


def test_what_waits_for_the_next_invoice_and_is_brought_forward_is_not_asked_for_twice() -> None:
    waits, left = a_line(amount_minor=6, start=APRIL_START), a_line(amount_minor=7, start=APRIL_START)
    subject = build_subject(
        a_query(), previewed(waits, CREDIT, DEBIT), previewed(waits, waits, left, MAY), limits=()
    )
    assert subject.preview.due_now == usd(2506)
    assert subject.preview.next_invoice == NextInvoice(
        amount_minor=10_013, total=10_013, currency="usd", date=APRIL_END
    )


def test_a_period_that_begins_at_once_is_the_measure_of_the_next_invoice_too() -> None:
    year = a_year(MID_APRIL)
    subject = build_subject(a_query(to=YEARLY), previewed(CREDIT, year), previewed(year), limits=())
    assert subject.preview.next_invoice.amount_minor == 100_000


@pytest.mark.parametrize("invoicing", ["immediately", "next_invoice"])
def test_an_interval_change_is_charged_at_once_whatever_was_asked_for(invoicing: str) -> None:
    subject = a_subject(CREDIT, a_year(MID_APRIL), to=YEARLY, invoicing=invoicing, renewal=100_000)
    assert subject.resets_anchor
    assert subject.charged_at_once
    assert subject.preview.due_now == usd(97_500)
    assert subject.preview.next_invoice == NextInvoice(
        amount_minor=100_000, total=100_000, currency="usd", date=None
    )


def test_at_period_end_nothing_is_prorated_and_the_renewal_is_the_next_invoice() -> None:
    subject = a_subject(MAY, effective="period_end")
    assert (subject.proration_date, subject.charged_at_once, subject.resets_anchor) == (None, False, False)
    assert subject.preview.due_now == usd(0)
    assert subject.preview.next_invoice == NextInvoice(
        amount_minor=10_000, total=10_000, currency="usd", date=APRIL_END
    )


def test_at_period_end_an_interval_change_resets_nothing_now() -> None:
    assert not a_subject(MAY, effective="period_end", to=YEARLY).resets_anchor


def test_a_credit_beyond_the_charge_is_not_due_but_stands_in_the_total() -> None:
    preview = a_subject(CREDIT, a_line(amount_minor=500)).preview
    assert (preview.due_now, preview.total) == (usd(0), -2000)


# --- Its hash ---------------------------------------------------------------------------------------------


def test_the_hash_is_the_same_on_every_machine() -> None:
    """An approval that is open while a new version is deployed must stay good."""
    assert subject_hash(a_subject(CREDIT, DEBIT)) == (
        "e3295e21b636b417e93e64b85d98131709eca9acda27245f8d340e870c8bb346"
    )


@pytest.mark.parametrize(
    "same",
    [
        a_subject(reworded(CREDIT), DEBIT),
        a_subject(DEBIT, CREDIT),
        a_subject(CREDIT, DEBIT, used=13),
        a_subject(CREDIT, DEBIT, used=501),
    ],
    ids=["wording", "order of lines", "limit used", "limit exceeded"],
)
def test_what_changes_no_line_keeps_the_hash(same: Any) -> None:
    assert subject_hash(same) == subject_hash(a_subject(CREDIT, DEBIT))


@pytest.mark.parametrize(
    "other",
    [
        a_subject(CREDIT, DEBIT.model_copy(update={"amount_minor": 5001})),
        a_subject(CREDIT, DEBIT, DEBIT),
        a_subject(CREDIT, DEBIT.model_copy(update={"period": Period(start=MID_APRIL, end=MAY_END)})),
        a_subject(CREDIT, DEBIT, renewal=10_001),
        a_subject(CREDIT, DEBIT, allowed=400),
        a_subject(CREDIT, DEBIT, invoicing="next_invoice"),
        a_subject(CREDIT, DEBIT, effective="period_end"),
        a_subject(CREDIT, DEBIT, to=some_terms(plan="growth", price="price_growth_month", seats=6)),
        a_subject(CREDIT, DEBIT, to=some_terms(plan="scale", price="price_growth_month")),
        a_subject(CREDIT, DEBIT, facts=some_facts(terms=some_terms(seats=4))),
        a_subject(CREDIT, DEBIT, facts=some_facts(period_start=APRIL_START + 1)),
        a_subject(CREDIT, DEBIT, facts=some_facts(period_end=APRIL_END + 1)),
        a_subject(CREDIT, DEBIT, facts=some_facts(subscription="sub_2")),
        a_subject(CREDIT, DEBIT, facts=some_facts(customer="cus_2")),
        a_subject(CREDIT, DEBIT, facts=some_facts(item="si_2")),
        a_subject(CREDIT, DEBIT).model_copy(update={"proration_date": MID_APRIL + 1}),
    ],
)
def test_whatever_else_the_approver_saw_changes_the_hash(other: Any) -> None:
    assert subject_hash(other) != subject_hash(a_subject(CREDIT, DEBIT))


def test_the_hash_knows_what_a_balance_leaves_to_pay() -> None:
    subject = a_subject(CREDIT, DEBIT)
    preview = subject.preview.model_copy(update={"due_now": usd(1000)})
    assert subject_hash(subject.model_copy(update={"preview": preview})) != subject_hash(subject)


def test_a_period_that_begins_when_the_change_is_applied_may_begin_later_than_previewed() -> None:
    first, later = (
        a_subject(CREDIT, a_year(MID_APRIL + wait), to=YEARLY, renewal=100_000) for wait in (0, 3600)
    )
    assert subject_hash(first) == subject_hash(later)


def test_a_period_that_does_not_begin_anew_has_its_place() -> None:
    moved = MAY.model_copy(update={"period": Period(start=APRIL_END + 1, end=MAY_END)})
    placed, elsewhere = (a_subject(CREDIT, DEBIT, next_, invoicing="next_invoice") for next_ in (MAY, moved))
    assert subject_hash(placed) != subject_hash(elsewhere)


# --- Approved against actual ------------------------------------------------------------------------------


def test_charged_at_once_the_whole_immediate_invoice_is_expected() -> None:
    earlier = a_line(amount_minor=70, start=APRIL_START)
    subject = a_subject(earlier, CREDIT, DEBIT)
    assert expected_lines(subject) == (earlier, CREDIT, DEBIT)

    checked = verify(subject, (reworded(DEBIT), earlier, CREDIT))

    assert (checked.ok, checked.differences) == (True, ())
    assert checked.approved == (earlier, CREDIT, DEBIT)
    assert checked.actual == (reworded(DEBIT), earlier, CREDIT)


def test_charged_later_only_the_changes_own_prorations_are_expected() -> None:
    earlier = a_line(amount_minor=70, start=APRIL_START)
    subject = a_subject(earlier, CREDIT, DEBIT, MAY, invoicing="next_invoice")
    assert expected_lines(subject) == (CREDIT, DEBIT)
    assert verify(subject, (CREDIT, DEBIT)).ok


def test_a_change_in_the_periods_last_second_does_not_expect_the_renewal_yet() -> None:
    last = DEBIT.model_copy(update={"period": Period(start=APRIL_END, end=APRIL_END)})
    subject = a_subject(last, MAY, invoicing="next_invoice").model_copy(update={"proration_date": APRIL_END})
    assert expected_lines(subject) == (last,)


def test_an_interval_changes_renewal_may_start_later_than_previewed() -> None:
    subject = a_subject(CREDIT, a_year(MID_APRIL), to=YEARLY, renewal=100_000)
    applied = (CREDIT, a_year(MID_APRIL + 86_400))
    assert expected_lines(subject) == (CREDIT, a_year(MID_APRIL))

    checked = verify(subject, applied)

    assert checked.ok
    assert checked.actual == applied


def test_an_interval_changes_credit_may_not_move() -> None:
    subject = a_subject(CREDIT, a_year(MID_APRIL), to=YEARLY, renewal=100_000)
    moved = CREDIT.model_copy(update={"period": Period(start=MID_APRIL + 1, end=APRIL_END)})
    assert not verify(subject, (moved, a_year(MID_APRIL))).ok


def test_an_interval_changes_renewal_must_cost_what_was_approved() -> None:
    subject = a_subject(CREDIT, a_year(MID_APRIL), to=YEARLY, renewal=100_000)
    dearer = a_year(MID_APRIL).model_copy(update={"amount_minor": 110_000})
    assert [difference.what for difference in verify(subject, (CREDIT, dearer)).differences] == [
        "missing",
        "unexpected",
    ]


def test_at_period_end_the_renewal_is_expected() -> None:
    subject = a_subject(MAY, effective="period_end")
    assert expected_lines(subject) == (MAY,)
    assert verify(subject, (MAY,)).ok
    assert not verify(subject, (MAY, CREDIT)).ok


def test_what_differs_is_named_line_by_line() -> None:
    other = DEBIT.model_copy(update={"amount_minor": 4999})

    checked = verify(a_subject(CREDIT, DEBIT), (CREDIT, CREDIT, other))

    assert not checked.ok
    assert checked.differences == (
        Difference(what="missing", line=DEBIT),
        Difference(what="unexpected", line=CREDIT),
        Difference(what="unexpected", line=other),
    )


def test_nothing_in_stripe_leaves_every_approved_line_missing() -> None:
    differences = verify(a_subject(CREDIT, DEBIT), ()).differences
    assert [difference.line for difference in differences] == [CREDIT, DEBIT]


# --- What is changed, to what -----------------------------------------------------------------------------


def test_another_interval_waits_for_the_end_of_a_trial() -> None:
    in_trial = some_facts(status="trialing")
    assert before_trial_ends(a_query(facts=in_trial, to=YEARLY)) == Problem(
        code="interval_during_trial",
        message="The subscription is in a trial until May 1, 2026, and its billing interval can't change "
        "before. Make the change at renewal: it comes with the end of the trial.",
    )
    assert before_trial_ends(a_query(facts=in_trial, to=YEARLY, effective="period_end")) is None
    assert before_trial_ends(a_query(facts=in_trial)) is None
    assert before_trial_ends(a_query(to=YEARLY)) is None


def test_a_discount_for_one_invoice_is_not_risked_on_that_of_a_change() -> None:
    once = some_facts(once=("SPRING", "TRADE_FAIR"))
    assert discount_used_up(a_query(facts=once)) == Problem(
        code="discount_used_up",
        message="The discount SPRING, TRADE_FAIR holds for one invoice, and that of this change may use it "
        "up. Make the change at renewal, or, with the same interval, leave the charge to the next "
        "invoice.",
    )
    assert discount_used_up(a_query(facts=once, to=YEARLY, invoicing="next_invoice")) is not None
    assert discount_used_up(a_query(facts=once, invoicing="next_invoice")) is None
    assert discount_used_up(a_query(facts=once, effective="period_end")) is None
    assert discount_used_up(a_query()) is None


GROWTH = Target(plan=a_plan(plan="growth", seats_included=25), price="price_growth_month")


@pytest.mark.parametrize(
    ("wish", "had", "seats", "interval"),
    [
        ({}, 5, 5, "month"),
        ({"seats": 7}, 5, 7, "month"),
        ({}, 40, 25, "month"),
        ({"interval": "year"}, 5, 5, "year"),
    ],
    ids=["left out", "asked for", "cut to what the plan holds", "by the year"],
)
def test_terms_are_those_asked_for_and_else_stay(
    wish: dict[str, Any], had: int, seats: int, interval: str
) -> None:
    facts = some_facts(terms=some_terms(seats=had))
    assert terms_after(facts, a_wish(plan="growth", **wish), GROWTH) == some_terms(
        plan="growth", price="price_growth_month", seats=seats, interval=interval
    )
