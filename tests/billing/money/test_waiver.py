from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.money import Money
from billing.core.operations import Problem
from billing.money.object_end import beyond_revision, is_about
from billing.money.waiver import (
    WaivableFacts,
    WaivableInvoice,
    WaivedInvoice,
    WaiverSubject,
    WaiverWanted,
    plan_waiver,
    waiver_differences,
    waiver_hash,
)
from billing.money.waiver_report import waiver_problem, waiver_report


def usd(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="usd")


def a_void(**fields: Any) -> WaiverWanted:
    given = {"action": "void", "invoice": "in_1", "reason": "billed_twice", "note": "Sent twice in March."}
    return WaiverWanted.model_validate(given | fields)


def a_write_off(**fields: Any) -> WaiverWanted:
    return a_void(**{"action": "write_off", "reason": "insolvent"} | fields)


def an_invoice(**fields: Any) -> WaivableFacts:
    """USD 100.00, open, nothing paid."""
    given = {
        "invoice": "in_1",
        "number": "PLX-0001",
        "customer": "cus_1",
        "status": "open",
        "currency": "usd",
        "total": 10_000,
        "paid": 0,
        "credited": 0,
        "remaining": 10_000,
    }
    return WaivableFacts(invoice=WaivableInvoice.model_validate(given | fields))


def planned(wanted: WaiverWanted, facts: WaivableFacts) -> WaiverSubject:
    subject = plan_waiver(wanted, facts)
    assert isinstance(subject, WaiverSubject), subject
    return subject


def test_a_void_gives_up_all_that_is_left():
    assert planned(a_void(), an_invoice(credited=2_500, remaining=7_500)) == WaiverSubject(
        about="void",
        becomes="void",
        customer="cus_1",
        invoice="in_1",
        invoice_number="PLX-0001",
        amount=usd(7_500),
        remaining=usd(7_500),
        to_balance=usd(0),
        total=usd(10_000),
        paid=usd(0),
        credited=usd(2_500),
        reason="billed_twice",
        note="Sent twice in March.",
    )


def test_a_write_off_gives_up_the_rest_of_what_is_part_paid():
    subject = planned(a_write_off(), an_invoice(paid=4_000, remaining=6_000, payments=True))
    assert (subject.about, subject.becomes) == ("write_off", "uncollectible")
    assert (subject.amount, subject.paid) == (usd(6_000), usd(4_000))


@pytest.mark.parametrize(
    ("wanted", "from_balance", "remaining", "amount", "to_balance"),
    [
        (a_void(), 9_900, 100, 10_000, 9_900),
        (a_write_off(), 9_900, 100, 100, 0),
        (a_void(), -500, 10_500, 10_500, -500),
    ],
    ids=["a void gives it back", "a write-off keeps it", "a debt is owed again"],
)
def test_what_the_balance_paid_counts_where_it_goes_back(wanted, from_balance, remaining, amount, to_balance):
    subject = planned(wanted, an_invoice(from_balance=from_balance, remaining=remaining))
    assert (subject.amount, subject.to_balance) == (usd(amount), usd(to_balance))


@pytest.mark.parametrize("wanted", [a_void(), a_write_off()], ids=["void", "write-off"])
@pytest.mark.parametrize(
    ("invoice", "code"),
    [
        ({"status": "draft"}, "invoice_draft"),
        ({"status": "paid", "paid": 10_000, "remaining": 0}, "invoice_paid"),
        ({"status": "void", "remaining": 0}, "invoice_ended"),
        ({"status": "uncollectible"}, "invoice_ended"),
        ({"processing": "pi_1"}, "payment_in_flight"),
        ({"starts": "sub_1"}, "first_invoice"),
    ],
)
def test_what_can_not_be_given_up_has_a_code_and_a_sentence(wanted, invoice, code):
    problem = plan_waiver(wanted, an_invoice(**invoice))
    assert isinstance(problem, Problem)
    assert problem.code == code
    assert "PLX-0001" in problem.message


def test_what_is_part_paid_is_not_voided():
    problem = plan_waiver(a_void(), an_invoice(paid=4_000, remaining=6_000, payments=True))
    assert isinstance(problem, Problem)
    assert (problem.code, "USD 40.00" in problem.message) == ("invoice_part_paid", True)


def test_what_stripe_does_not_know_is_told_first():
    unknown = Problem(code="invoice_unknown", message="Stripe has no invoice in_1 for any of your customers.")
    assert plan_waiver(a_void(), WaivableFacts(problem=unknown)) == unknown


@pytest.mark.parametrize(
    ("code", "ended"),
    [("invoice_paid", True), ("invoice_ended", True), ("invoice_part_paid", True), ("invoice_draft", False)],
)
def test_some_obstacles_are_for_good(code, ended):
    assert beyond_revision(Problem(code=code, message="")) is ended


def test_the_hash_binds_to_the_figures_and_to_what_is_done():
    facts = an_invoice()
    other = {"reason": "other"}
    hashes = {
        waiver_hash(planned(a_void(**other), facts)),
        waiver_hash(planned(a_write_off(**other), facts)),
        waiver_hash(planned(a_void(**other), an_invoice(remaining=9_999))),
        waiver_hash(planned(a_void(**other, note="Another explanation."), facts)),
    }
    assert len(hashes) == 4
    assert is_about(planned(a_void(), facts).document(), frozenset({"in_1"}))


def found_as(subject: WaiverSubject, **other: Any) -> WaivedInvoice:
    given = {
        "status": subject.becomes,
        "currency": "usd",
        "total": subject.total.amount_minor,
        "paid": subject.paid.amount_minor,
        "credited": subject.credited.amount_minor,
        "to_balance": subject.to_balance.amount_minor,
        "metadata": {},
    }
    return WaivedInvoice.model_validate(given | other)


def test_what_stripe_made_of_it_is_told_with_the_invoice_in_the_note():
    subject = planned(a_void(), an_invoice())
    report = waiver_report(subject, found_as(subject))
    assert (report.status, report.verified, report.differences) == ("void", True, ())
    assert report.note == "Sent twice in March. (Stripe invoice in_1)"
    assert waiver_problem(subject, found_as(subject)) is None
    unread = waiver_report(subject, None)
    assert (unread.status, unread.verified) == ("void", False)
    assert "accepted_by" not in unread.document()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"status": "paid"}, "status is paid instead of uncollectible"),
        ({"paid": 100}, "paid is 100 instead of 0"),
        ({"credited": 1}, "credited is 1 instead of 0"),
        ({"total": 9_999}, "total is 9999 instead of 10000"),
        ({"currency": "eur"}, "currency is eur instead of usd"),
        ({"to_balance": 500}, "to_balance is 500 instead of 0"),
    ],
)
def test_each_difference_is_named(other, said):
    subject = planned(a_write_off(), an_invoice())
    found = found_as(subject, **other)
    assert waiver_differences(subject, found) == (said,)
    problem = waiver_problem(subject, found)
    assert problem is not None
    assert (problem.code, problem.message) == ("waiver_differs", f"In Stripe, {said}.")
    assert waiver_report(subject, found).verified is False


def test_a_void_that_gave_nothing_back_to_the_balance_is_told():
    subject = planned(a_void(), an_invoice(from_balance=9_900, remaining=100))
    found = found_as(subject, to_balance=0)
    assert waiver_differences(subject, found) == ("to_balance is 0 instead of 9900",)
    assert waiver_report(subject, found).to_balance == usd(0)
    assert waiver_report(subject, None).to_balance == usd(9_900)


@given(
    remaining=st.integers(1, 10**7),
    from_balance=st.integers(-(10**7), 10**7),
    action=st.sampled_from(["void", "write_off"]),
)
def test_it_never_counts_less_than_the_customer_no_longer_owes(remaining, from_balance, action):
    wanted = a_void() if action == "void" else a_write_off()
    subject = planned(wanted, an_invoice(remaining=remaining, from_balance=from_balance))
    assert subject.amount.amount_minor >= remaining
    assert subject.amount.amount_minor >= remaining + subject.to_balance.amount_minor
