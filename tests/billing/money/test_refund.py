import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from billing.core.money import Money
from billing.core.operations import Problem
from billing.money.refund import (
    Payment,
    RefundableFacts,
    RefundInStripe,
    RefundPart,
    RefundSubject,
    plan_refund,
    refund_hash,
    refund_params,
    still_fits,
    without_own,
)

from ..builders import a_payment, a_refund_wish, refundable


def usd(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="usd")


def planned(*payments: Payment, **wish: object) -> RefundSubject:
    subject = plan_refund(a_refund_wish(**wish), refundable(*payments))
    assert isinstance(subject, RefundSubject), subject
    return subject


def refused(*payments: Payment, facts: RefundableFacts | None = None, **wish: object) -> Problem:
    problem = plan_refund(a_refund_wish(**wish), facts or refundable(*payments))
    assert isinstance(problem, Problem), problem
    return problem


def parts(subject: RefundSubject) -> list[tuple[str, int]]:
    return [(part.payment_intent, part.amount) for part in subject.parts]


def test_a_refund_of_part_of_a_payment():
    assert planned(a_payment(refunded=2_000), amount_minor=3_000) == RefundSubject(
        payment_intent="pi_1",
        invoice="in_1",
        customer="cus_1",
        amount=usd(3_000),
        parts=(RefundPart(payment_intent="pi_1", charge="ch_1", amount=3_000),),
        reason="requested_by_customer",
        note="The customer was billed twice.",
        paid=usd(10_000),
        refunded_before=usd(2_000),
    )


def test_without_an_amount_it_is_all_that_is_left():
    subject = planned(a_payment(refunded=2_000))
    assert (subject.amount, parts(subject)) == (usd(8_000), [("pi_1", 8_000)])


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (1, [("pi_1", 1)]),
        (6_000, [("pi_1", 6_000)]),
        (6_001, [("pi_1", 6_000), ("pi_3", 1)]),
        (9_000, [("pi_1", 6_000), ("pi_3", 3_000)]),
        (None, [("pi_1", 6_000), ("pi_3", 3_000)]),
    ],
)
def test_an_invoice_paid_by_several_payments_gives_back_the_oldest_first(amount, expected):
    subject = planned(
        a_payment(1, refunded=4_000),
        a_payment(2, refunded=10_000),
        a_payment(3, paid=3_000),
        amount_minor=amount,
    )
    assert parts(subject) == expected
    assert subject.payment_intent is None
    assert (subject.paid, subject.refunded_before) == (usd(23_000), usd(14_000))


def test_what_is_disputed_is_left_to_the_bank_and_the_rest_can_be_refunded():
    disputed = a_payment(1, disputed=True)
    assert parts(planned(disputed, a_payment(2))) == [("pi_2", 10_000)]
    assert refused(disputed, a_payment(2), amount_minor=10_001) == Problem(
        code="amount_above_refundable",
        message="USD 100.01 is more than the USD 100.00 that can still be refunded.",
    )


def test_a_disputed_payment_cannot_be_refunded():
    assert refused(a_payment(disputed=True)) == Problem(
        code="charge_disputed",
        message="The customer disputes ch_1: the bank moves the money, no refund is possible.",
    )


def test_what_was_returned_in_full_cannot_be_refunded_again_disputed_or_not():
    for disputed in (False, True):
        assert refused(a_payment(refunded=10_000, disputed=disputed)) == Problem(
            code="already_refunded", message="All USD 100.00 have already been refunded."
        )


def test_more_than_what_is_left_is_refused_and_says_what_is_left():
    assert refused(a_payment(refunded=2_000), amount_minor=8_001) == Problem(
        code="amount_above_refundable",
        message="USD 80.01 is more than the USD 80.00 that can still be refunded.",
    )


def test_a_refund_is_in_the_currency_of_its_payment():
    assert planned(a_payment(), currency="usd").amount == usd(10_000)
    assert refused(a_payment(), currency="eur") == Problem(
        code="wrong_currency", message="The payment is in USD, not in EUR."
    )


def test_yen_have_no_cents():
    facts = refundable(a_payment(paid=5_000), currency="jpy")
    subject = plan_refund(a_refund_wish(amount_minor=1_200), facts)
    assert isinstance(subject, RefundSubject)
    assert subject.amount.format() == "JPY 1,200"


def test_what_stripe_does_not_have_is_said_before_anything_else():
    unknown = Problem(code="payment_unknown", message="There is no payment pi_1.")
    assert refused(facts=RefundableFacts(problem=unknown), currency="eur") == unknown


def test_what_was_approved_still_fits_while_there_is_room_for_each_part():
    subject = planned(a_payment(1), a_payment(2), amount_minor=15_000)
    assert still_fits(subject.parts, refundable(a_payment(1), a_payment(2, refunded=5_000)))
    assert not still_fits(subject.parts, refundable(a_payment(1, refunded=1), a_payment(2)))
    assert not still_fits(subject.parts, refundable(a_payment(1), a_payment(2, refunded=5_001)))
    assert not still_fits(subject.parts, refundable(a_payment(1), a_payment(2, disputed=True)))
    assert not still_fits(subject.parts, refundable(a_payment(1)))
    assert not still_fits(
        subject.parts, RefundableFacts(problem=Problem(code="payment_unknown", message="Gone."))
    )


def test_a_reset_workflow_plans_as_if_it_had_done_nothing_yet():
    refunds = (
        RefundInStripe(refund="re_1", amount=3_000, status="succeeded", operation="op_1"),
        RefundInStripe(refund="re_2", amount=1_000, status="failed", operation="op_1"),
        RefundInStripe(refund="re_3", amount=2_000, status="pending", operation="op_2"),
        RefundInStripe(refund="re_4", amount=500, status="succeeded"),
    )
    facts = refundable(a_payment(refunded=5_500, refunds=refunds))
    assert [payment.left for payment in without_own(facts, "op_1").payments] == [7_500]
    assert [payment.left for payment in without_own(facts, "op_2").payments] == [6_500]
    assert without_own(facts, "op_3") == facts


@pytest.mark.parametrize(
    "change", [{"amount_minor": 9_999}, {"reason": "duplicate"}, {"note": "Billed thrice."}]
)
def test_the_hash_binds_an_approval_to_the_whole_subject(change):
    assert refund_hash(planned(a_payment())) == refund_hash(planned(a_payment()))
    assert refund_hash(planned(a_payment(), **change)) != refund_hash(planned(a_payment()))


def test_stripe_is_asked_for_one_charge_with_the_note_and_the_payment():
    subject = planned(a_payment(), reason="duplicate")
    assert refund_params(subject, subject.parts[0], {"plixo_note": "Billed twice."}) == {
        "charge": "ch_1",
        "amount": 10_000,
        "reason": "duplicate",
        "metadata": {"plixo_note": "Billed twice.", "plixo_reason": "duplicate", "plixo_payment": "pi_1"},
    }


def test_a_reason_that_stripe_does_not_know_is_in_the_metadata_alone():
    subject = planned(a_payment(), reason="other")
    params = refund_params(subject, subject.parts[0], {})
    assert "reason" not in params
    assert params["metadata"]["plixo_reason"] == "other"


@st.composite
def some_payments(draw: st.DrawFn) -> list[Payment]:
    paid = draw(st.lists(st.integers(1, 10**9), min_size=1, max_size=5))
    return [
        a_payment(number, paid=amount, refunded=draw(st.integers(0, amount)), disputed=draw(st.booleans()))
        for number, amount in enumerate(paid, start=1)
    ]


@given(some_payments(), st.none() | st.integers(1, 10**9))
def test_no_part_takes_more_than_is_left_and_together_they_are_the_amount(payments, wanted):
    subject = plan_refund(a_refund_wish(amount_minor=wanted), refundable(*payments))
    usable = {p.payment_intent: p.left for p in payments if not p.disputed and p.left > 0}
    if isinstance(subject, Problem):
        assert not usable or (wanted is not None and wanted > sum(usable.values()))
        return
    assert sum(part.amount for part in subject.parts) == subject.amount.amount_minor
    assert subject.amount.amount_minor == (sum(usable.values()) if wanted is None else wanted)
    assert all(0 < part.amount <= usable[part.payment_intent] for part in subject.parts)
    assert len({part.payment_intent for part in subject.parts}) == len(subject.parts)
    assert still_fits(subject.parts, refundable(*payments))


@given(some_payments(), st.integers(1, 10**9), st.data())
def test_what_has_grown_too_small_for_a_part_no_longer_fits(payments, wanted, data):
    subject = plan_refund(a_refund_wish(amount_minor=wanted), refundable(*payments))
    assume(isinstance(subject, RefundSubject))
    part = data.draw(st.sampled_from(subject.parts))
    now = [
        payment.model_copy(update={"refunded": payment.paid - part.amount + 1})
        if payment.payment_intent == part.payment_intent
        else payment
        for payment in payments
    ]
    assert not still_fits(subject.parts, refundable(*now))


def test_an_amount_that_stripe_does_not_take_in_the_payments_currency_is_blocked():
    facts = refundable(a_payment(paid=12_340)).model_copy(update={"currency": "kwd"})
    assert refused(facts=facts, amount_minor=1_234).code == "amount_not_in_steps"
    assert isinstance(plan_refund(a_refund_wish(amount_minor=1_230), facts), RefundSubject)
