"""What is told of a refund, whatever became of its parts."""

import pytest

from billing.core.money import Money
from billing.core.operations import Problem
from billing.money.refund import RefundFound, RefundPart, RefundSubject
from billing.money.refund_report import FAILURES, Share, first_found, refund_report

FIRST = RefundPart(payment_intent="pi_1", charge="ch_1", amount=6_000)
SECOND = RefundPart(payment_intent="pi_2", charge="ch_2", amount=1_000)


def usd(amount: int) -> Money:
    return Money(amount_minor=amount, currency="usd")


def subject(*parts: RefundPart) -> RefundSubject:
    return RefundSubject(
        payment_intent=parts[0].payment_intent if len(parts) == 1 else None,
        invoice=None,
        customer="cus_1",
        amount=usd(sum(part.amount for part in parts)),
        parts=parts,
        reason="duplicate",
        note="Charged twice in March.",
        paid=usd(10_000),
        refunded_before=usd(0),
    )


def found(part: RefundPart, status: str = "succeeded", **more: object) -> RefundFound:
    return RefundFound.model_validate(
        {
            "refund": f"re_{part.payment_intent}",
            "status": status,
            "amount": part.amount,
            "currency": "usd",
            "payment_intent": part.payment_intent,
            "metadata": {},
        }
        | more
    )


def share(part: RefundPart, status: str | None = "succeeded", **more: object) -> Share:
    return Share(part=part, currency="usd", found=found(part, status, **more) if status else None)


def test_a_refund_of_one_payment_is_told_with_its_id_and_note():
    report = refund_report(subject(FIRST), [share(FIRST)]).document()
    assert report == {
        "refund": "re_pi_1",
        "status": "succeeded",
        "payment_intent": "pi_1",
        "amount": {"amount_minor": 6_000, "currency": "usd"},
        "refunded": {"amount_minor": 6_000, "currency": "usd"},
        "note": "Charged twice in March. (Stripe payment pi_1)",
        "parts": [
            {
                "refund": "re_pi_1",
                "status": "succeeded",
                "payment_intent": "pi_1",
                "amount": {"amount_minor": 6_000, "currency": "usd"},
                "failure_reason": None,
            }
        ],
    }


def test_of_several_payments_the_worst_status_is_told_and_what_came_through():
    report = refund_report(subject(FIRST, SECOND), [share(FIRST), share(SECOND, "failed")]).document()
    assert (report["refund"], report["payment_intent"], report["status"]) == (None, None, "failed")
    assert report["amount"]["amount_minor"] == 7_000
    assert report["refunded"]["amount_minor"] == 6_000
    assert report["note"] == "Charged twice in March. (Stripe payments pi_1, pi_2)"


def test_a_part_that_stripe_refused_is_told_as_refused_and_one_after_it_as_not_tried():
    refused = share(FIRST, None).tried(1, refused=Problem(code="charge_disputed", message="Disputed."))
    report = refund_report(subject(FIRST, SECOND), [refused, share(SECOND, None)]).document()
    assert [part["status"] for part in report["parts"]] == ["refused", "not_tried"]
    assert report["refunded"]["amount_minor"] == 0
    assert refused.problem == Problem(code="charge_disputed", message="Disputed.")


@pytest.mark.parametrize("reason", FAILURES)
def test_every_failure_reason_of_stripe_is_said_in_words(reason: str):
    failed = share(FIRST, "failed", failure_reason=reason)
    assert failed.problem == Problem(
        code="refund_failed",
        message=f"The refund of USD 60.00 failed, because {FAILURES[reason]}.",
    )


def test_a_failure_reason_that_is_new_to_us_is_not_made_up():
    problem = share(FIRST, "failed", failure_reason="solar_flare").problem
    assert problem is not None
    assert problem.message.endswith("because the bank gave no reason.")


@pytest.mark.parametrize(("status", "under_way"), [("pending", True), ("requires_action", True)])
def test_what_is_under_way_is_no_problem_yet(status: str, under_way: bool):
    one = share(FIRST, status)
    assert (one.under_way, one.through, one.problem) == (under_way, False, None)


def test_a_refund_over_another_amount_than_asked_for_is_a_problem():
    problem = share(FIRST, amount=5_999).problem
    assert problem is not None
    assert problem.code == "refund_differs"
    assert problem.message == ("The refund of USD 60.00 differs: Stripe has USD 59.99 instead.")


def test_what_the_request_answered_holds_until_the_refund_is_read():
    detail = {"status": "pending", "amount": 5, "currency": "usd", "payment_intent": "pi_9", "charge": "c"}
    assert first_found("re_9", detail).status == "pending"
