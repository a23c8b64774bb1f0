"""Disputes and inquiries: what they do to money, refunds and events, and how they end."""

from typing import Any

import pytest
import stripe

from .billing import APRIL, DAY, Business
from .conftest import client_of


def refused(call: Any, *args: Any, **kwargs: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args, **kwargs)
    return caught.value


def disputed(business: Business, card: str = "createDispute", amount: int = 1000, **more: Any) -> Any:
    """The dispute of a charge of this amount."""
    given = {"amount": amount, "currency": "usd", "payment_method": f"pm_card_{card}", "confirm": True}
    intent = business.v1.payment_intents.create({**given, **more})
    [dispute] = business.v1.disputes.list({"payment_intent": intent.id}).data
    return dispute


def now(business: Business, dispute: Any) -> Any:
    return business.v1.disputes.retrieve(dispute.id, {"expand": ["charge"]})


def evidence(business: Business, dispute: Any, text: str, **more: Any) -> Any:
    return business.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": text}, **more})


def figures(dispute: Any) -> list[tuple[Any, ...]]:
    return [
        (one.type, one.reporting_category, one.amount, one.fee, one.net, one.description)
        for one in dispute.balance_transactions
    ]


def told(business: Business) -> list[str]:
    return [type.removeprefix("charge.") for type in business.events() if "dispute" in type]


def test_a_chargeback_takes_its_money_and_a_fee_at_once(business: Business) -> None:
    dispute = disputed(business)
    assert (dispute.status, dispute.amount, dispute.is_charge_refundable) == ("needs_response", 1000, False)
    withdrawn = f"Chargeback withdrawal for {dispute.charge}"
    assert figures(dispute) == [("adjustment", "dispute", -1000, 1500, -2500, withdrawn)]
    charge = business.v1.charges.retrieve(dispute.charge)
    assert (charge.disputed, charge.paid, charge.amount_refunded) == (True, True, 0)
    assert told(business) == ["dispute.created", "dispute.funds_withdrawn"]
    error = refused(business.v1.refunds.create, {"charge": dispute.charge})
    assert (error.http_status, error.code, error.param) == (400, "charge_disputed", None)
    message = f"Charge {dispute.charge} has been charged back; cannot issue a refund."
    assert error.user_message == message


def test_what_a_customer_paid_for_an_invoice_stays_paid_when_it_is_disputed(business: Business) -> None:
    subscription = business.subscribe(1000, customer=business.customer("pm_card_createDispute").id)
    assert subscription.status == "active"
    assert business.invoice(subscription.latest_invoice).status == "paid"
    assert len(business.v1.disputes.list().data) == 1


def test_evidence_that_wins_brings_the_money_back_and_refunds_are_possible_again(business: Business) -> None:
    dispute = disputed(business)
    sent = evidence(business, dispute, "winning_evidence")
    assert (sent.status, sent.evidence_details.submission_count) == ("under_review", 1)
    assert refused(business.v1.refunds.create, {"charge": dispute.charge}).code == "charge_disputed"

    business.at(APRIL + 60)

    won = now(business, dispute)
    assert (won.status, won.is_charge_refundable, won.charge.disputed) == ("won", True, True)
    reversal = f"Chargeback reversal for {won.charge.id}"
    assert figures(won)[1:] == [("adjustment", "dispute_reversal", 1000, 0, 1000, reversal)]
    assert told(business)[2:] == ["dispute.updated", "dispute.closed", "dispute.funds_reinstated"]
    closed = business.v1.events.list({"type": "charge.dispute.closed"}).data[0].data
    assert closed.previous_attributes["status"] == "under_review"
    assert business.v1.refunds.create({"charge": won.charge.id, "amount": 400}).status == "succeeded"


def test_whether_the_fee_of_what_is_won_comes_back_is_a_setting(business: Business) -> None:
    business.stand_in.control("switches", {"dispute_fee": "returned"})
    dispute = disputed(business)
    evidence(business, dispute, "winning_evidence")
    business.at(APRIL + 60)
    assert [one[2:5] for one in figures(now(business, dispute))] == [
        (-1000, 1500, -2500),
        (1000, -1500, 2500),
    ]


def test_evidence_that_loses_leaves_the_money_gone(business: Business) -> None:
    dispute = disputed(business, "createDisputeProductNotReceived")
    assert dispute.reason == "product_not_received"
    evidence(business, dispute, "losing_evidence")
    business.at(APRIL + 60)
    lost = now(business, dispute)
    assert (lost.status, lost.is_charge_refundable, len(figures(lost))) == ("lost", False, 1)
    assert refused(business.v1.refunds.create, {"charge": lost.charge.id}).code == "charge_disputed"
    assert told(business)[-1] == "dispute.closed"


def test_closing_accepts_a_dispute_for_good(business: Business) -> None:
    dispute = disputed(business)
    assert business.v1.disputes.close(dispute.id).status == "lost"
    for call in (business.v1.disputes.close, business.v1.disputes.update):
        given = [] if call == business.v1.disputes.close else [{"evidence": {"uncategorized_text": "late"}}]
        assert refused(call, dispute.id, *given).http_status == 400
    kept = business.v1.disputes.update(dispute.id, {"metadata": {"case": "7"}})
    assert (kept.status, kept.metadata["case"]) == ("lost", "7")


def test_who_does_not_respond_in_time_has_lost(business: Business) -> None:
    dispute = disputed(business)
    due = dispute.evidence_details.due_by
    business.at(due - 1)
    assert now(business, dispute).status == "needs_response"
    business.at(due)
    lost = now(business, dispute)
    assert (lost.status, lost.evidence_details.past_due) == ("lost", True)


def test_staged_evidence_is_submitted_when_one_says_so_and_only_once(business: Business) -> None:
    dispute = disputed(business)
    staged = evidence(business, dispute, "We delivered it.", submit=False)
    assert (staged.status, staged.evidence_details.has_evidence) == ("needs_response", True)
    assert staged.evidence_details.submission_count == 0

    sent = business.v1.disputes.update(dispute.id, {"submit": True})

    assert (sent.status, sent.evidence.uncategorized_text) == ("under_review", "We delivered it.")
    assert refused(evidence, business, dispute, "more").http_status == 400
    business.at(APRIL + 90 * DAY)
    assert now(business, dispute).status == "under_review"
    business.stand_in.control("disputes", {"dispute": dispute.id, "verdict": "won"})
    assert now(business, dispute).status == "won"
    with pytest.raises(ValueError, match="can't become lost"):
        business.stand_in.control("disputes", {"dispute": dispute.id, "verdict": "lost"})


def test_an_inquiry_takes_no_money_and_leaves_refunds_possible(business: Business) -> None:
    inquiry = disputed(business, "createDisputeInquiry")
    assert (inquiry.status, inquiry.is_charge_refundable) == ("warning_needs_response", True)
    assert (figures(inquiry), told(business)) == ([], ["dispute.created"])
    business.v1.refunds.create({"charge": inquiry.charge, "amount": 400})
    assert now(business, inquiry).status == "warning_needs_response"

    business.v1.refunds.create({"charge": inquiry.charge})

    assert now(business, inquiry).status == "warning_closed"
    assert told(business) == ["dispute.created", "dispute.closed"]


@pytest.mark.parametrize("text", ["winning_evidence", "losing_evidence"])
def test_an_answered_inquiry_is_closed(business: Business, text: str) -> None:
    inquiry = disputed(business, "createDisputeInquiry")
    assert evidence(business, inquiry, text).status == "warning_under_review"
    business.at(APRIL + 60)
    assert now(business, inquiry).status == "warning_closed"


def test_an_inquiry_may_become_a_chargeback(business: Business) -> None:
    inquiry = disputed(business, "createDisputeInquiry")
    evidence(business, inquiry, "escalate_inquiry_evidence")
    business.at(APRIL + 60)
    dispute = now(business, inquiry)
    assert (dispute.status, dispute.is_charge_refundable) == ("needs_response", False)
    assert [one[2:5] for one in figures(dispute)] == [(-1000, 1500, -2500)]
    assert dispute.evidence_details.due_by == APRIL + 60 + 9 * DAY
    assert told(business)[-2:] == ["dispute.updated", "dispute.funds_withdrawn"]
    assert refused(business.v1.refunds.create, {"charge": dispute.charge.id}).code == "charge_disputed"


def test_an_inquiry_that_nobody_answers_is_closed(business: Business) -> None:
    inquiry = disputed(business, "createDisputeInquiry")
    business.at(inquiry.evidence_details.due_by)
    assert now(business, inquiry).status == "warning_closed"


def test_what_is_prevented_takes_its_money_without_a_fee_and_without_an_answer(business: Business) -> None:
    dispute = disputed(business, "createDisputePrevented")
    assert (dispute.status, dispute.is_charge_refundable) == ("prevented", False)
    assert dispute.payment_method_details.card.case_type == "resolution"
    assert (dispute.evidence_details.due_by, [one[2:5] for one in figures(dispute)]) == (
        None,
        [(-1000, 0, -1000)],
    )
    assert told(business) == ["dispute.created", "dispute.funds_withdrawn"]
    assert refused(business.v1.refunds.create, {"charge": dispute.charge}).code == "charge_disputed"
    assert refused(evidence, business, dispute, "winning_evidence").http_status == 400
    assert refused(business.v1.disputes.close, dispute.id).http_status == 400
    business.at(APRIL + 90 * DAY)
    assert now(business, dispute).status == "prevented"


@pytest.mark.parametrize(
    ("card", "text", "course"),
    [
        ("createDispute", "winning_evidence", [False, False, True]),
        ("createDispute", "losing_evidence", [False, False, False]),
        ("createDisputeInquiry", "winning_evidence", [True, True, True]),
        ("createDisputeInquiry", "escalate_inquiry_evidence", [True, True, False]),
    ],
)
def test_whether_a_charge_can_be_refunded_goes_with_the_state_of_its_dispute(
    business: Business, card: str, text: str, course: list[bool]
) -> None:
    dispute = disputed(business, card)
    seen = [dispute, evidence(business, dispute, text)]
    business.at(APRIL + 60)
    seen.append(now(business, dispute))
    assert [one.is_charge_refundable for one in seen] == course
    if course[-1]:
        assert business.v1.refunds.create({"charge": dispute.charge}).status == "succeeded"
    else:
        assert refused(business.v1.refunds.create, {"charge": dispute.charge}).code == "charge_disputed"


def dispute_later(business: Business, charge: str, **more: Any) -> Any:
    """The customer disputes a charge at some later time."""
    made = business.stand_in.control("disputes", {"charge": charge, **more})
    return business.v1.disputes.retrieve(made["id"])


def paid(business: Business, card: str = "visa") -> str:
    """A charge of 1000."""
    given = {"amount": 1000, "currency": "usd", "payment_method": f"pm_card_{card}", "confirm": True}
    return str(business.v1.payment_intents.create(given).latest_charge)


def test_what_was_refunded_before_is_not_disputed(business: Business) -> None:
    charge = paid(business)
    business.v1.refunds.create({"charge": charge, "amount": 400})
    business.at(APRIL + 20 * DAY)
    dispute = dispute_later(business, charge, reason="duplicate")
    assert (dispute.amount, dispute.reason, dispute.created) == (600, "duplicate", APRIL + 20 * DAY)
    assert [one[2:5] for one in figures(dispute)] == [(-600, 1500, -2100)]
    with pytest.raises(ValueError, match="charged back"):
        dispute_later(business, charge)
    whole = paid(business)
    business.v1.refunds.create({"charge": whole})
    with pytest.raises(ValueError, match="Nothing is left"):
        dispute_later(business, whole)


def test_a_refund_on_its_way_fails_by_a_chargeback_which_takes_its_money_too(business: Business) -> None:
    charge = paid(business, "pendingRefund")
    refund = business.v1.refunds.create({"charge": charge, "amount": 400})
    dispute = dispute_later(business, charge)
    failed = business.v1.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "charge_for_pending_refund_disputed")
    assert (dispute.amount, business.v1.charges.retrieve(charge).amount_refunded) == (1000, 0)


def test_a_chargeback_that_an_inquiry_becomes_is_of_what_was_not_refunded_meanwhile(
    business: Business,
) -> None:
    inquiry = dispute_later(business, paid(business), case="inquiry")
    business.v1.refunds.create({"charge": inquiry.charge, "amount": 400})
    business.stand_in.control("disputes", {"dispute": inquiry.id, "verdict": "escalated"})
    dispute = now(business, inquiry)
    assert (dispute.amount, [one[2] for one in figures(dispute)]) == (600, [-600])
    evidence(business, dispute, "winning_evidence")
    business.at(APRIL + 60)
    won = now(business, dispute)
    assert ([one[2] for one in figures(won)], won.charge.amount_refunded) == ([-600, 600], 400)
    assert business.v1.refunds.create({"charge": won.charge.id}).amount == 600


def test_a_dispute_lives_in_its_customers_time(business: Business) -> None:
    clock = business.v1.test_helpers.test_clocks.create({"frozen_time": APRIL})
    dispute = disputed(business, customer=business.customer(card=None, test_clock=clock.id).id)
    business.at(APRIL + 30 * DAY)
    assert now(business, dispute).status == "needs_response"
    business.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": APRIL + 9 * DAY})
    assert now(business, dispute).status == "lost"


def test_disputes_are_found_by_charge_and_by_payment(business: Business) -> None:
    first, second = disputed(business), disputed(business)
    assert [one.id for one in business.v1.disputes.list().data] == [second.id, first.id]
    assert [one.id for one in business.v1.disputes.list({"charge": first.charge}).data] == [first.id]
    found = business.v1.disputes.list({"payment_intent": second.payment_intent}).data
    assert [one.id for one in found] == [second.id]
    assert refused(business.v1.disputes.retrieve, "du_none").http_status == 404


def test_a_restricted_key_needs_the_permission_of_disputes(business: Business) -> None:
    dispute = disputed(business)
    business.stand_in.control("keys", {"key": "rk_test_reads", "permissions": ["dispute_read"]})
    reads = client_of(business.stand_in.url, "rk_test_reads").v1
    assert reads.disputes.retrieve(dispute.id).id == dispute.id
    error = refused(reads.disputes.close, dispute.id)
    assert "rak_dispute_write" in str(error.user_message)
    business.stand_in.control("keys", {"key": "rk_test_reads", "permissions": None})
