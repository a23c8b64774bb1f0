"""Builders of the domain's and of Stripe's objects; what a test does not care for is filled in."""

from typing import Any

from billing.money.credit import CreditableFacts, CreditableInvoice, CreditWanted
from billing.money.refund import Payment, RefundableFacts, RefundWanted
from billing.plan_changes.limits import LimitCheck, Usage
from billing.plan_changes.plans import Plan, PlanLimits, Price
from billing.plan_changes.proration import Line, Period
from billing.plan_changes.subject import (
    PlanChangeRequest,
    PlanChangeSubject,
    PreviewFacts,
    PreviewQuery,
    SubscriptionFacts,
    Terms,
    build_subject,
)
from billing.stripe.invoice_amounts import InvoiceAmounts, InvoiceDiscount, InvoiceTax

APRIL_START, APRIL_END = 1775001600, 1777593600
MID_APRIL = (APRIL_START + APRIL_END) // 2
MAY_END = APRIL_END + 31 * 86_400


def a_line(**fields: Any) -> Line:
    period = Period(start=fields.pop("start", MID_APRIL), end=fields.pop("end", APRIL_END))
    given = {
        "kind": "debit",
        "description": "Remaining time on Growth after 16 Apr 2026",
        "amount_minor": 1000,
        "period": period,
        "price": "price_growth_month",
        "quantity": 1,
    }
    return Line.model_validate(given | fields)


def a_plan(**fields: Any) -> Plan:
    given = {
        "plan": "starter",
        "name": "Starter",
        "product": "prod_starter",
        "seats_included": 10,
        "limits": PlanLimits(seats=10, customers=50, ar_balance=1_000_000),
        "prices": (
            Price(id="price_starter_month", interval="month", unit_amount=1000, currency="usd"),
            Price(id="price_starter_year", interval="year", unit_amount=10000, currency="usd"),
        ),
    }
    return Plan.model_validate(given | fields)


def some_usage(**fields: Any) -> Usage:
    given = {"seats": 3, "customers": 12, "ar_balance": 250_000, "currency": "usd"}
    return Usage.model_validate(given | fields)


def some_terms(**fields: Any) -> Terms:
    given = {"plan": "starter", "price": "price_starter_month", "seats": 5, "interval": "month"}
    return Terms.model_validate(given | fields)


def a_wish(**fields: Any) -> PlanChangeRequest:
    return PlanChangeRequest.model_validate({"plan": "starter", "reason": "The team has grown."} | fields)


def some_facts(**fields: Any) -> SubscriptionFacts:
    """Starter with five seats, paid for all of April."""
    given = {
        "subscription": "sub_1",
        "customer": "cus_1",
        "item": "si_1",
        "terms": some_terms(),
        "status": "active",
        "currency": "usd",
        "period_start": APRIL_START,
        "period_end": APRIL_END,
    }
    return SubscriptionFacts.model_validate(given | fields)


def a_query(**fields: Any) -> PreviewQuery:
    """To Growth with as many seats, now and charged at once, pinned at half of April."""
    given = {
        "facts": some_facts(),
        "to": some_terms(plan="growth", price="price_growth_month"),
        "effective": "now",
        "invoicing": "immediately",
        "proration_date": MID_APRIL,
    }
    return PreviewQuery.model_validate(given | fields)


def some_amounts(gross: int = 10_000, **fields: Any) -> InvoiceAmounts:
    """Of an invoice without discounts and taxes, to a customer without a balance."""
    given = {
        "currency": "usd",
        "gross": gross,
        "subtotal": gross,
        "total": gross,
        "starting_balance": 0,
        "amount_due": max(gross, 0),
    }
    return InvoiceAmounts.model_validate(given | fields)


def taxed_amounts(gross: int = 10_000) -> InvoiceAmounts:
    """Of which a coupon takes a tenth, with 19% on top, to a customer with a credit of USD 5.00."""
    off = gross // 10
    tax = (gross - off) * 19 // 100
    total = gross - off + tax
    return some_amounts(
        gross,
        discounts=(
            InvoiceDiscount(coupon="LAUNCH", name="Launch (10% off)", on_items=False, amount_minor=off),
        ),
        taxes=(InvoiceTax(rate="txr_de", name="DE VAT", percentage="19", inclusive=False, amount_minor=tax),),
        total=total,
        starting_balance=-500,
        amount_due=total - 500,
    )


def previewed(*lines: Line, **fields: Any) -> PreviewFacts:
    """What Stripe previews with these lines: a credit beyond the charge is not paid out."""
    totals = tuple(line.amount_minor for line in lines)
    given = {
        "lines": lines,
        "line_totals": totals,
        "amounts": some_amounts(sum(totals)),
        "date": None,
        "proration_date": MID_APRIL,
    }
    return PreviewFacts.model_validate(given | fields)


def a_subject(
    *lines: Line, renewal: int = 10_000, used: int = 12, allowed: int = 500, **query: Any
) -> PlanChangeSubject:
    """The subject of a review of these lines; one full period costs `renewal` afterwards."""
    limits = (LimitCheck(name="customers", used=used, allowed=allowed, ok=used <= allowed),)
    following = previewed(a_line(kind="renewal", amount_minor=renewal, start=APRIL_END, end=MAY_END))
    return build_subject(a_query(**query), previewed(*lines), following, limits)


def a_payment(number: int = 1, **fields: Any) -> Payment:
    """USD 100.00, of which nothing was returned."""
    given = {
        "payment_intent": f"pi_{number}",
        "charge": f"ch_{number}",
        "paid": 10_000,
        "refunded": 0,
        "disputed": False,
    }
    return Payment.model_validate(given | fields)


def refundable(*payments: Payment, **fields: Any) -> RefundableFacts:
    given = {"customer": "cus_1", "invoice": "in_1", "currency": "usd", "payments": payments}
    return RefundableFacts.model_validate(given | fields)


def a_refund_wish(**fields: Any) -> RefundWanted:
    given = {
        "payment_intent": "pi_1",
        "reason": "requested_by_customer",
        "note": "The customer was billed twice.",
    }
    return RefundWanted.model_validate(given | fields)


def a_credit_wish(**fields: Any) -> CreditWanted:
    """USD 50.00 on the customer's balance."""
    given = {
        "customer": "cus_1",
        "amount_minor": 5_000,
        "currency": "usd",
        "instrument": "balance",
        "reason": "goodwill",
        "note": "For the outage in March.",
    }
    return CreditWanted.model_validate(given | fields)


def a_correction(**fields: Any) -> CreditWanted:
    """USD 50.00 by a credit note."""
    given = {"instrument": "credit_note", "invoice": "in_1", "reason": "order_change"}
    return a_credit_wish(**given | fields)


def creditable(invoice: CreditableInvoice | None = None, **fields: Any) -> CreditableFacts:
    given = {"customer": "cus_1", "currency": "usd", "invoice": invoice}
    return CreditableFacts.model_validate(given | fields)


def an_invoice_to_credit(**fields: Any) -> CreditableInvoice:
    """USD 100.00, open, nothing paid and nothing credited."""
    given = {
        "invoice": "in_1",
        "number": "PLX-0001",
        "status": "open",
        "currency": "usd",
        "total": 10_000,
        "remaining": 10_000,
        "credited": 0,
    }
    return CreditableInvoice.model_validate(given | fields)


def stripe_product(**fields: Any) -> dict[str, Any]:
    metadata = {
        "plixo_plan": "starter",
        "seats_included": "10",
        "limit_customers": "50",
        "limit_ar_balance": "1000000",
    }
    metadata |= fields.pop("metadata", {})
    metadata = {key: value for key, value in metadata.items() if value is not None}
    return {"id": "prod_1", "object": "product", "name": "Starter", "metadata": metadata} | fields


def stripe_price(**fields: Any) -> dict[str, Any]:
    recurring = {"interval": "month", "interval_count": 1, "usage_type": "licensed"}
    recurring |= fields.pop("recurring", {})
    return {
        "id": "price_1",
        "object": "price",
        "product": "prod_1",
        "active": True,
        "currency": "usd",
        "unit_amount": 1000,
        "recurring": recurring,
        "metadata": {},
    } | fields


def line_item(amount: int, *, proration: bool, **fields: Any) -> dict[str, Any]:
    """An invoice line in Stripe's JSON, as subscriptions make them."""
    return {
        "id": "il_1",
        "object": "line_item",
        "amount": amount,
        "currency": "usd",
        "description": "Unused time on Silver after 01 Sep 2020",
        "period": {"start": 1598982148, "end": 1599427688},
        "quantity": 1,
        "quantity_decimal": "1",
        "subtotal": amount,
        "pricing": {
            "type": "price_details",
            "unit_amount_decimal": "1000",
            "price_details": {"price": "price_1", "product": "prod_1"},
        },
        "parent": {
            "type": "subscription_item_details",
            "invoice_item_details": None,
            "subscription_item_details": {
                "subscription": "sub_1",
                "subscription_item": "si_1",
                "invoice_item": "ii_1" if proration else None,
                "proration": proration,
                "proration_details": None,
            },
        },
    } | fields


def stripe_invoice(*lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": "in_1",
        "object": "invoice",
        "currency": "usd",
        "lines": {"object": "list", "data": list(lines), "has_more": False},
        "subtotal": sum(line["amount"] for line in lines),
        "total": sum(line["amount"] for line in lines),
        "amount_due": max(0, sum(line["amount"] for line in lines)),
        "amount_shipping": 0,
        "total_discount_amounts": [],
        "total_taxes": [],
    } | fields
