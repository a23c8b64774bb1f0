"""Whether a change may wait for its payment, what that waits for, and why it did not come."""

from typing import Any

import pytest

from billing.core.money import Money
from billing.core.operations import Problem
from billing.plan_changes.items.others import OtherItem
from billing.plan_changes.obstacles import PlannedEnd
from billing.plan_changes.payment import (
    ChangePayment,
    awaited,
    dropped_problem,
    how_collected,
    may_wait,
    unpaid_problem,
)
from billing.plan_changes.proration import Period

from ...activities.mail.contexts import an_upgrade
from ..builders import some_facts, some_terms

UNTIL = 1_776_000_000


def a_payment(**fields: Any) -> ChangePayment:
    """An open invoice of a change that waits."""
    return ChangePayment(
        **{
            "stands": "waits",
            "subscription_status": "active",
            "expires_at": UNTIL,
            "invoice": "in_1",
            "number": "PLX-0001",
            "invoice_status": "open",
            "remaining": Money(amount_minor=1316, currency="usd"),
            "payment_status": "requires_action",
        }
        | fields
    )


@pytest.mark.parametrize(
    ("collection", "method", "expected"),
    [
        ("charge_automatically", "card", "charged"),
        ("charge_automatically", "link", "charged"),
        ("charge_automatically", None, "charged"),
        ("charge_automatically", "us_bank_account", "debited"),
        ("charge_automatically", "sepa_debit", "debited"),
        ("charge_automatically", "bank_account", "debited"),
        ("send_invoice", "us_bank_account", "sent"),
        ("send_invoice", None, "sent"),
    ],
)
def test_how_an_invoice_is_collected(collection: str, method: str | None, expected: str) -> None:
    assert how_collected(collection, method) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [({}, True), ({"collected": "debited"}, False), ({"collected": "sent"}, False)],
)
def test_only_what_is_charged_can_wait(facts: dict[str, Any], expected: bool) -> None:
    assert may_wait(an_upgrade(), some_facts(**facts)) is expected


def test_a_change_that_would_bill_usage_cannot_wait() -> None:
    """It would be lost with the invoice of a pending update that expires."""
    usage = OtherItem(name="API calls", price="price_calls", quantity=None)
    terms = some_terms(others=(usage,))
    assert not may_wait(an_upgrade(), some_facts(terms=terms))


def test_a_change_that_takes_an_end_back_cannot_wait() -> None:
    end = PlannedEnd(at=UNTIL, at_period_end=True)
    assert not may_wait(an_upgrade().model_copy(update={"takes_back": end}), some_facts())


def test_what_is_not_charged_at_once_has_nothing_to_wait_for() -> None:
    assert not may_wait(an_upgrade(invoicing="next_invoice"), some_facts())


def test_a_change_that_would_bill_what_waited_before_it_cannot_wait() -> None:
    """Stripe leaves that out of the invoice of a pending update, which would then be another."""
    subject = an_upgrade()
    older = Period(start=(subject.proration_date or 0) - 1, end=subject.period_end)
    earlier = subject.preview.lines[0].model_copy(update={"period": older})
    preview = subject.preview.model_copy(update={"lines": (earlier, *subject.preview.lines)})
    assert not may_wait(subject.model_copy(update={"preview": preview}), some_facts())


@pytest.mark.parametrize(
    ("status", "needs"),
    [
        ("requires_action", "authentication"),
        ("requires_payment_method", "payment_method"),
        ("requires_confirmation", "payment_method"),
        (None, "payment_method"),
        ("processing", "time"),
    ],
)
def test_what_a_payment_waits_for(status: str | None, needs: str) -> None:
    refusal = Problem(code="generic_decline", message="Your card was declined.")
    due = awaited(an_upgrade(), a_payment(payment_status=status, refusal=refusal))
    assert (due.needs, due.until, due.amount.amount_minor) == (needs, UNTIL, 1316)
    assert due.problem == (refusal if needs == "payment_method" else None)
    assert ("problem" in due.document()) == (needs == "payment_method")


@pytest.mark.parametrize(
    ("ended_at", "status", "until", "code"),
    [
        (UNTIL, "active", UNTIL, "payment_expired"),
        (UNTIL + 60, "active", UNTIL, "payment_expired"),
        (UNTIL - 1, "active", UNTIL, "payment_voided"),
        (None, "active", UNTIL, "payment_voided"),
        (UNTIL, "active", None, "payment_voided"),
        (UNTIL, "canceled", UNTIL, "subscription_ended"),
    ],
)
def test_why_a_change_did_not_come(ended_at: int | None, status: str, until: int | None, code: str) -> None:
    payment = a_payment(stands="dropped", subscription_status=status, invoice_ended_at=ended_at)
    assert dropped_problem(payment, until).code == code


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"invoice_status": "paid"}, None),
        ({"invoice": None, "invoice_status": None}, None),
        ({"charged": False}, None),
        ({"payment_status": "requires_payment_method"}, "payment_failed"),
        ({"invoice_status": "void"}, None),  # told by what differs
    ],
)
def test_a_change_that_is_there_may_be_unpaid(fields: dict[str, Any], code: str | None) -> None:
    problem = unpaid_problem(a_payment(stands="applied", **fields))
    assert (problem.code if problem else None) == code


def test_an_unpaid_change_says_why_and_where_it_is_paid() -> None:
    refusal = Problem(code="insufficient_funds", message="Insufficient funds.")
    problem = unpaid_problem(a_payment(stands="applied", payment_status="canceled", refusal=refusal))
    assert problem is not None
    assert "payment failed: Insufficient funds. Pay invoice PLX-0001 under Plans" in problem.message
