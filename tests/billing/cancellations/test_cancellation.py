"""What a cancellation comes to, what stands in its way, and what is still as approved."""

from typing import Any

import pytest

from billing.cancellations.cancellation import (
    Action,
    CancellationSubject,
    check_wanted,
    ended_problem,
    plan_cancellation,
    still_as_approved,
)
from billing.cancellations.invoices import InvoicesAhead
from billing.cancellations.stripe_params import effect_params, preview_params
from billing.cancellations.unused_time import worth_at
from billing.core.errors import InvalidRequest
from billing.core.money import Money
from billing.core.operations import Problem
from billing.stripe.invoice_amounts import InvoiceDiscount, InvoiceTax

from ..builders import some_amounts
from .made import (
    CREDIT,
    END,
    HALF,
    NOTE,
    OPEN,
    START,
    WAITS,
    a_cancellation,
    a_line,
    facts,
    invoice,
    wanted,
)


def usd(amount: int) -> Money:
    return Money(amount_minor=amount, currency="usd")


def test_an_end_now_counts_the_value_of_the_unused_time() -> None:
    subject = a_cancellation()
    assert (subject.amount, subject.due, subject.left_over) == (usd(6_000), usd(0), usd(5_000))
    assert (subject.ends_at, subject.period_end) == (None, END)


def test_what_is_given_up_counts_as_what_is_credited() -> None:
    subject = a_cancellation(unused_time="forfeit")
    assert (subject.amount, subject.due, subject.left_over) == (usd(6_000), usd(1_000), usd(0))


@pytest.mark.parametrize("action", ["at_period_end", "take_back"])
def test_what_ends_with_its_period_leaves_nothing_unused(action: Action) -> None:
    subject = a_cancellation(action)
    assert (subject.amount, subject.due) == (usd(0), usd(1_000))
    assert subject.ends_at == (END if action == "at_period_end" else None)


def test_a_discount_and_tax_are_within_the_value() -> None:
    ahead = InvoicesAhead(
        invoice=invoice(CREDIT, total=-5_355, amount_due=0), without=invoice(WAITS, total=0)
    )
    subject = plan_cancellation(wanted(), facts(), ahead)
    assert not isinstance(subject, Problem)
    assert subject.amount == usd(5_355)


@pytest.mark.parametrize(
    ("action", "fields", "code"),
    [
        ("now", {"status": "canceled"}, "subscription_ended"),
        ("at_period_end", {"status": "canceled"}, "subscription_ended"),
        ("take_back", {"status": "canceled", "cancel_at": END}, "subscription_ended"),
        ("now", {"status": "incomplete"}, "subscription_incomplete"),
        ("now", {"schedule": "sub_sched_1"}, "subscription_scheduled"),
        ("at_period_end", {"schedule": "sub_sched_1"}, "subscription_scheduled"),
        ("take_back", {"schedule": "sub_sched_1", "cancel_at": END}, "subscription_scheduled"),
        ("now", {"pending_update": END}, "subscription_update_pending"),
        ("now", {"pause_collection": "void"}, "collection_paused"),
        ("at_period_end", {"cancel_at": END}, "already_cancelling"),
        ("take_back", {}, "not_cancelling"),
        ("take_back", {"cancel_at": HALF}, "ends_within_period"),
        ("now", {"unsupported": {"code": "several_items", "message": "Two."}}, "several_items"),
    ],
)
def test_what_stands_in_the_way_has_its_code(action: Action, fields: dict[str, Any], code: str) -> None:
    found = plan_cancellation(wanted(action), facts(**fields), InvoicesAhead())
    assert isinstance(found, Problem)
    assert found.code == code


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("now", {"status": "past_due"}),
        ("at_period_end", {"status": "unpaid"}),
        ("now", {"cancel_at": END}),
        ("at_period_end", {"pause_collection": "void"}),
        ("now", {"billing_thresholds": True}),
    ],
)
def test_what_only_a_change_would_suffer_from_is_not_in_the_way(
    action: Action, fields: dict[str, Any]
) -> None:
    assert not isinstance(plan_cancellation(wanted(action), facts(**fields), InvoicesAhead()), Problem)


def test_a_charge_of_no_subscription_would_never_be_billed() -> None:
    waiting = invoice(WAITS).model_copy(update={"unattached": ("Onboarding",)})
    found = plan_cancellation(wanted("at_period_end"), facts(), InvoicesAhead(invoice=waiting))
    assert isinstance(found, Problem)
    assert (found.code, "Onboarding" in found.message) == ("charges_unattached", True)


def test_prorations_that_wait_are_dropped_by_a_credit_only() -> None:
    ahead = InvoicesAhead(invoice=invoice(CREDIT), without=invoice(a_line("debit", 500)))
    refused = plan_cancellation(wanted(), facts(), ahead)
    assert isinstance(refused, Problem)
    assert refused.code == "prorations_wait"
    assert not isinstance(plan_cancellation(wanted(unused_time="forfeit"), facts(), ahead), Problem)


def test_unused_time_goes_with_an_end_now_only() -> None:
    check_wanted(wanted())
    check_wanted(wanted("at_period_end"))
    for wrong in (
        wanted().model_copy(update={"unused_time": None}),
        wanted("take_back").model_copy(update={"unused_time": "credit"}),
    ):
        with pytest.raises(InvalidRequest) as refused:
            check_wanted(wrong)
        assert refused.value.code == "unused_time_unfit"


@pytest.mark.parametrize(
    ("at", "left"), [(START + (END - START) // 2, -6_000), (END - 1, 0), (END, 0), (HALF + 648_000, -3_000)]
)
def test_a_credit_is_worth_what_is_left_of_its_time(at: int, left: int) -> None:
    assert worth_at(CREDIT, at) == left


def later(amount: int, seconds: int = 86_400) -> Any:
    """The same a day later."""
    then = a_line("credit", amount, HALF + seconds)
    return a_cancellation().model_copy(update={"bill": invoice(then, WAITS), "amount": usd(-amount)})


@pytest.mark.parametrize(
    ("amount", "holds"), [(-5_600, True), (-5_599, True), (-5_601, True), (-5_598, False)]
)
def test_only_the_time_that_has_passed_takes_off_the_credit(amount: int, holds: bool) -> None:
    """A day of fifteen is a fifteenth of USD 60.00."""
    assert still_as_approved(a_cancellation(), later(amount)) is holds


def test_more_than_was_approved_is_not_as_approved() -> None:
    assert not still_as_approved(later(-5_600), a_cancellation())


def test_another_charge_or_an_invoice_is_not_as_approved() -> None:
    approved = a_cancellation()
    more = invoice(CREDIT, a_line("renewal", 2_000, price=""))
    assert not still_as_approved(approved, approved.model_copy(update={"bill": more}))
    assert not still_as_approved(approved, a_cancellation(open_invoices=(OPEN,)))


@pytest.mark.parametrize("unused_time", ["credit", "forfeit"])
def test_a_discount_that_is_gone_is_not_as_approved(unused_time: Any) -> None:
    """The lines are the same: what takes something off them is not."""
    approved = a_cancellation(unused_time=unused_time)
    assert approved.bill is not None
    total = approved.bill.amounts.total
    off = InvoiceDiscount(coupon="half", name="Half", on_items=False, amount_minor=500)
    amounts = some_amounts(total).model_copy(update={"discounts": (off,), "total": total - 500})
    discounted = approved.model_copy(update={"bill": approved.bill.model_copy(update={"amounts": amounts})})
    assert still_as_approved(discounted, discounted)
    assert not still_as_approved(discounted, approved)
    if unused_time == "credit":
        assert not still_as_approved(discounted, later(-5_600))


def called(name: str, action: Action, tax: int = 190) -> CancellationSubject:
    """With a coupon, a rate and a product of this name."""
    subject = a_cancellation(action)
    assert subject.bill is not None
    more = {
        "discounts": (InvoiceDiscount(coupon="half", name=name, on_items=False, amount_minor=190),),
        "taxes": (InvoiceTax(rate="txr_1", name=name, percentage="19", inclusive=False, amount_minor=tax),),
        "total": subject.bill.amounts.total + tax - 190,
    }
    bill = {
        "amounts": subject.bill.amounts.model_copy(update=more),
        "lines": tuple(one.model_copy(update={"description": name}) for one in subject.bill.lines),
    }
    return subject.model_copy(update={"bill": subject.bill.model_copy(update=bill)})


@pytest.mark.parametrize("action", ["now", "at_period_end", "take_back"])
def test_what_is_called_otherwise_by_now_is_as_approved(action: Action) -> None:
    """Coupons, rates and products can be renamed in Stripe at any time; what they come to counts."""
    approved = called("VAT", action)
    assert still_as_approved(approved, called("Value added", action))
    assert not still_as_approved(approved, called("VAT", action, tax=240))


def test_a_tax_that_takes_the_place_of_a_discount_is_not_as_approved() -> None:
    approved, now = a_cancellation(), later(-5_600)
    assert now.bill is not None
    tax = InvoiceTax(rate="txr_1", name="VAT", percentage="19", inclusive=False, amount_minor=1)
    amounts = now.bill.amounts.model_copy(update={"taxes": (tax,), "total": now.bill.amounts.total + 1})
    taxed = now.model_copy(update={"bill": now.bill.model_copy(update={"amounts": amounts})})
    assert not still_as_approved(approved, taxed)


@pytest.mark.parametrize("seconds", [0, 86_400])
def test_a_balance_that_others_have_used_is_not_as_approved(seconds: int) -> None:
    """It says what is still due, and what is left over."""
    approved = a_cancellation()
    now = later(-5_600) if seconds else approved
    assert now.bill is not None
    amounts = now.bill.amounts.model_copy(update={"starting_balance": 300})
    used = now.model_copy(update={"bill": now.bill.model_copy(update={"amounts": amounts})})
    assert not still_as_approved(approved, used)


def test_time_that_is_given_up_and_leaves_no_invoice_passes() -> None:
    """Its value falls with each second, and nothing else changes."""
    nothing = a_cancellation(unused_time="forfeit").model_copy(update={"bill": None})
    assert still_as_approved(nothing, nothing.model_copy(update={"amount": usd(5_600)}))
    assert not still_as_approved(nothing, nothing.model_copy(update={"amount": usd(6_001)}))


def test_what_is_over_is_not_thought_about_again() -> None:
    assert ended_problem(facts(status="canceled"), wanted()) is not None
    assert ended_problem(facts(), wanted("take_back")) is not None
    assert ended_problem(facts(schedule="sub_sched_1"), wanted()) is None


def test_each_way_is_sent_in_stripes_own_words() -> None:
    details = {"comment": NOTE, "feedback": "too_expensive"}
    assert effect_params(a_cancellation()) == {
        "invoice_now": True,
        "prorate": True,
        "cancellation_details": details,
    }
    assert effect_params(a_cancellation(unused_time="forfeit"))["prorate"] is False
    assert effect_params(a_cancellation("at_period_end")) == {
        "cancel_at_period_end": True,
        "cancellation_details": details,
    }
    assert effect_params(a_cancellation("take_back")) == {"cancel_at_period_end": False}
    by_date = a_cancellation("take_back", cancel_at=END, at_period_end=False)
    assert effect_params(by_date) == {"cancel_at": ""}


def test_the_invoice_is_previewed_of_the_very_subscription() -> None:
    def details(action: Action, **fields: Any) -> Any:
        asked = preview_params(facts(**fields), action)
        assert asked["subscription"] == "sub_1"
        return asked["subscription_details"]

    assert details("now") == {"cancel_now": True, "proration_behavior": "create_prorations"}
    assert details("at_period_end") == {"cancel_at_period_end": True}
    assert details("take_back", at_period_end=True) == {"cancel_at_period_end": False}
    assert details("take_back") == {"cancel_at": ""}
    assert (
        preview_params(facts(), "now", credits=False)["subscription_details"]["proration_behavior"] == "none"
    )
