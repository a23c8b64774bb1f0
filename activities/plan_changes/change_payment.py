"""The payment of a change: whether Stripe has the change, keeps it until it is paid, or has dropped it."""

from typing import Any

import stripe

from billing.core.money import Money
from billing.core.operations import Problem
from billing.mirror.bill import CHARGED
from billing.plan_changes.payment import ChangePayment, PaymentQuery
from billing.stripe.effects import EFFECT_MARK

from .applied_lines import own_invoice
from .invoices import Document, StripeInvoices

PAYMENT_PARTS = ["payments.data.payment.payment_intent"]


async def find(client: stripe.StripeClient, invoices: StripeInvoices, query: PaymentQuery) -> ChangePayment:
    """How it stands now. Raises StripeError.

    The subscription is read first: once it has the change, or Stripe has dropped that, nothing more becomes
    of it, while a change that waits may be paid before its invoice is read.
    """
    subscription = (await client.v1.subscriptions.retrieve_async(query.subject.subscription)).to_dict()
    invoice = await _invoice(client, invoices, query)
    pending = subscription.get("pending_update") or {}
    is_paid = invoice is not None and invoice["status"] == "paid"
    if _bears(pending, query.effect_key):
        stands = "waits"
    elif _bears(subscription, query.effect_key) or is_paid:
        stands = "applied"
    else:
        stands = "dropped"
    facts: dict[str, Any] = {
        "stands": stands,
        "subscription_status": subscription["status"],
        "expires_at": pending.get("expires_at") if stands == "waits" else None,
    }
    return ChangePayment.model_validate(facts | (_facts(invoice) if invoice is not None else {}))


async def _invoice(
    client: stripe.StripeClient, invoices: StripeInvoices, query: PaymentQuery
) -> Document | None:
    """With its payments: those of a first reading are read once more."""
    id = query.invoice if query.is_own else None
    if id is None:
        found = await own_invoice(client, invoices, query)
        id = found["id"] if found is not None else None
    if id is None:
        return None
    return (await client.v1.invoices.retrieve_async(id, {"expand": PAYMENT_PARTS})).to_dict()


def _facts(invoice: Document) -> dict[str, Any]:
    payment: Document = next(
        (
            link["payment"]["payment_intent"]
            for link in invoice["payments"]["data"]
            if link["is_default"] and link["payment"].get("payment_intent")
        ),
        {},
    )
    transitions = invoice["status_transitions"]
    refusal = payment.get("last_payment_error") or {}
    return {
        "invoice": invoice["id"],
        "number": invoice["number"],
        "invoice_status": invoice["status"],
        "invoice_ended_at": transitions["voided_at"] or transitions["marked_uncollectible_at"],
        "remaining": Money(amount_minor=invoice["amount_remaining"], currency=invoice["currency"]),
        "charged": invoice["collection_method"] == CHARGED,
        "payment_status": payment.get("status"),
        "refusal": _refusal(refusal) if refusal else None,
    }


def _refusal(error: Document) -> Problem:
    code = error.get("decline_code") or error.get("code") or "card_declined"
    return Problem(code=code, message=error.get("message") or "The payment was refused.")


def _bears(document: Document, key: str) -> bool:
    return bool((document.get("metadata") or {}).get(EFFECT_MARK) == key)
