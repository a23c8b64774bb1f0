"""Refunds and credits as mails' contexts have them: planned and reported as the workflows do it."""

from typing import Any

from billing.core.money import Money
from billing.core.operations import Problem
from billing.money.credit import (
    CreditableFacts,
    CreditableInvoice,
    CreditFound,
    CreditSubject,
    CreditWanted,
    plan_credit,
)
from billing.money.credit_lines import CreditedLine
from billing.money.credit_report import credit_report
from billing.money.refund import (
    Payment,
    RefundableFacts,
    RefundFound,
    RefundPart,
    RefundSubject,
    RefundWanted,
    plan_refund,
)
from billing.money.refund_report import Share, refund_report
from billing.stripe.invoice_amounts import InvoiceTax

from .contexts import shown

DISPUTED = Problem(code="charge_disputed", message="The customer disputes ch_1.")


TITLE = "refund of USD 120.00 to Customer 01 for invoice ACME-0042"
REFUND = """\
Refund:   USD 120.00
Paid:     USD 300.00
Customer: Customer 01
Invoice:  ACME-0042
Reason:   the customer asked for it
"""
NOTE = """\
Note:
  > Seats that nobody used in March.
"""
SIGNED = """
-- 
Plixo Billing for Acme
"""


def a_refund(*, payments: int = 1, **wanted: Any) -> RefundSubject:
    """USD 120.00 of an invoice that payments of USD 100.00 each, or one of 300.00, have paid."""
    paid = 30_000 if payments == 1 else 10_000
    facts = RefundableFacts(
        customer="cus_1",
        invoice="in_1",
        currency="usd",
        payments=tuple(
            Payment(payment_intent=f"pi_{n}", charge=f"ch_{n}", paid=paid, refunded=0, disputed=False)
            for n in range(1, payments + 1)
        ),
    )
    asked = {
        "invoice": "in_1",
        "amount_minor": 12_000,
        "reason": "requested_by_customer",
        "note": "Seats that nobody used in March.",
    }
    planned = plan_refund(RefundWanted.model_validate(asked | wanted), facts)
    assert isinstance(planned, RefundSubject)
    return planned


def a_credit(**wanted: Any) -> CreditSubject:
    """USD 80.00 towards the customer's next bills."""
    asked = {
        "customer": "cus_1",
        "amount_minor": 8_000,
        "currency": "usd",
        "instrument": "balance",
        "reason": "goodwill",
        "note": "For the outage on 3 March.",
    }
    facts = CreditableFacts(customer="cus_1", currency="usd")
    planned = plan_credit(CreditWanted.model_validate(asked | wanted), facts)
    assert isinstance(planned, CreditSubject)
    return planned


def a_credit_note() -> CreditSubject:
    """USD 80.00 off an invoice on which USD 30.00 are still due."""
    wanted = CreditWanted(
        customer="cus_1",
        amount_minor=8_000,
        currency="usd",
        instrument="credit_note",
        invoice="in_7",
        reason="order_change",
        note="Two seats too many on the bill.",
    )
    invoice = CreditableInvoice(
        invoice="in_7",
        number="ACME-0007",
        status="open",
        currency="usd",
        total=20_000,
        remaining=3_000,
        credited=0,
    )
    facts = CreditableFacts(customer="cus_1", currency="usd", invoice=invoice)
    planned = plan_credit(wanted, facts)
    assert isinstance(planned, CreditSubject)
    return planned


def a_note_by_lines() -> CreditSubject:
    """USD 53.55 off an open invoice: half of its seats, with discount and tax, which Stripe mails."""
    line = CreditedLine(
        line="il_1",
        description="Seats",
        quantity=2,
        amount=_usd(5_000),
        discount=_usd(500),
        tax=_usd(855),
    )
    tax = InvoiceTax(rate="txr_1", name="DE VAT", percentage="19", inclusive=False, amount_minor=855)
    known = {"amount": _usd(5_355), "reduces_due": _usd(5_355), "to_balance": _usd(0)}
    by_lines = {"lines": (line,), "taxes": (tax,), "tell_customer": True}
    return a_credit_note().model_copy(update=known | by_lines)


def _usd(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="usd")


def refunded(subject: RefundSubject, *ends: str) -> dict[str, Any]:
    """A refund's result: what became of each part, as `failed:declined`; `refused` ones are not in Stripe."""
    shares = [_share(n, part, end) for n, (part, end) in enumerate(zip(subject.parts, ends, strict=True), 1)]
    return shown(refund_report(subject, shares))


def _share(number: int, part: RefundPart, end: str) -> Share:
    status, _, why = end.partition(":")
    if status == "not_tried":
        return Share(part=part, currency="usd")
    if status == "refused":
        return Share(part=part, currency="usd", refused=DISPUTED)
    found = {
        "refund": f"re_{number}",
        "status": status,
        "amount": part.amount,
        "currency": "usd",
        "payment_intent": part.payment_intent,
        "failure_reason": why or None,
        "metadata": {},
    }
    return Share(part=part, currency="usd", found=RefundFound.model_validate(found))


def credited(subject: CreditSubject, **fields: Any) -> dict[str, Any]:
    """A credit's result: as agreed, but for `fields` of what Stripe holds."""
    note = subject.instrument == "credit_note"
    found: dict[str, Any] = {
        "object": "cn_1" if note else "cbtxn_1",
        "amount": subject.amount.amount_minor,
        "currency": "usd",
        "reduces_due": subject.reduces_due.amount_minor,
        "to_balance": subject.to_balance.amount_minor,
        "balance_after": -subject.to_balance.amount_minor,
        "invoice_remaining": 0 if note else None,
        "metadata": {},
    }
    return shown(credit_report(subject, found["object"], CreditFound.model_validate(found | fields)))


def failed(subject: Any, *ends: str, **fields: Any) -> dict[str, Any]:
    """The context of a refund that failed; see `refunded` for `ends`."""
    return {
        "subject": shown(subject),
        "result": refunded(subject, *ends),
        "problem": None,
        "after_success": False,
        "number": 1,
    } | fields
