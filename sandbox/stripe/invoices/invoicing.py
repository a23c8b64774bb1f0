"""The life of an invoice: drawn up, finalized, charged, paid; endings.py has those that nobody pays.

    draft -> open (finalize) -> paid | void | uncollectible;  uncollectible -> paid | void

Finalizing applies the customer's balance and leaves sums below the smallest charge on it. What a
subscription has to do about its invoices is registered in `HOOKS`, so that this module knows nothing of
subscriptions.
https://docs.stripe.com/invoicing/overview, https://docs.stripe.com/billing/customer/balance
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..catalog.proration import Draft
from ..core.kernel import Ctx, Obj, StripeError, invalid, public
from ..core.periods import DAY
from ..core.updates import differences
from ..discounts import discounts
from ..payments.payment_shapes import new_intent
from ..payments.payments import Attempt, cancel_intent, confirm
from . import addressees, invoice_balance
from .invoice_lines import all_lines
from .invoice_payments import cancel_payment, mark_paid, open_payment
from .invoice_shapes import compose, expect_balance, lay_out
from .pending_items import take
from .reckoning import used_by

FINALIZE_AFTER = 3600
"""Seconds that a draft waits before Stripe finalizes it by itself."""
HARD_DECLINES = (
    *("incorrect_number", "lost_card", "pickup_card", "stolen_card", "revocation_of_authorization"),
    *("revocation_of_all_authorizations", "authentication_required", "highest_risk_level"),
    "transaction_not_allowed",
)
"""Decline codes after which only another payment method is tried again."""
WRONG_MOVE = "invoice_not_editable"


@dataclass
class Hooks:
    """What other modules do about an invoice: called with the context and the invoice."""

    finalized: list[Callable[[Ctx, Obj], None]] = field(default_factory=list)
    paid: list[Callable[[Ctx, Obj], None]] = field(default_factory=list)
    failed: list[Callable[[Ctx, Obj], None]] = field(default_factory=list)
    processing: list[Callable[[Ctx, Obj], None]] = field(default_factory=list)
    """A bank debit is under way."""
    ended: list[Callable[[Ctx, Obj], None]] = field(default_factory=list)
    """Voided or uncollectible."""


HOOKS = Hooks()


def draw_up(
    ctx: Ctx,
    customer: Obj,
    *,
    currency: str,
    reason: str,
    items: list[Obj] | None = None,
    drafts: list[Draft] | None = None,
    subscription: Obj | None = None,
    period: tuple[int, int] | None = None,
    **fields: Any,
) -> Obj:
    """A stored draft invoice of these items and recurring charges; tells `invoice.created`.

    Every item must be stored already and becomes a line; `fields` overwrite fields of the invoice.
    """
    invoice = compose(
        ctx, customer, currency=currency, reason=reason, subscription=subscription, period=period
    )
    invoice.update(fields)
    lay_out(ctx, invoice, items or [], drafts or [], subscription)
    for line, item in zip(all_lines(invoice), items or [], strict=False):
        take(ctx, item, invoice["id"], line["id"])
    expect_balance(invoice, customer)
    save(ctx, invoice)
    ctx.emit("invoice.created", invoice)
    return invoice


def save(ctx: Ctx, invoice: Obj) -> Obj:
    """Store an invoice and when it next wants attention."""
    automatic = invoice["collection_method"] == "charge_automatically"
    due: int | None = None
    if invoice["status"] == "draft" and invoice["auto_advance"]:
        due = invoice["automatically_finalizes_at"] or invoice["created"] + FINALIZE_AFTER
    elif invoice["status"] == "open" and automatic and invoice["auto_advance"]:
        due = invoice["next_payment_attempt"]
    elif invoice["status"] == "open" and not automatic and not invoice.get("_overdue"):
        due = invoice["due_date"]
    invoice["_due"] = due
    return ctx.store.put(invoice)


def require_status(invoice: Obj, *allowed: str, message: str) -> None:
    """Refuse a move that the invoice's status does not allow."""
    if invoice["status"] not in allowed:
        raise invalid(message, code=WRONG_MOVE if "draft" in allowed else None)


def require_payable(invoice: Obj) -> None:
    """Refuse to take money for an invoice that is paid, void or a draft."""
    if invoice["status"] == "paid":
        raise invalid("Invoice is already paid")
    require_status(
        invoice,
        "open",
        "uncollectible",
        message=f"The invoice {invoice['id']} is {invoice['status']} and can't be paid.",
    )


def finalize(ctx: Ctx, invoice: Obj) -> None:
    """Make a draft final: number, balance, due date, addresses; a sum of nothing is paid at once."""
    require_status(
        invoice,
        "draft",
        message="This invoice is already finalized, you can't re-finalize a non-draft invoice.",
    )
    before = public(invoice)
    customer = ctx.store.get("customer", invoice["customer"])
    addressees.settle(ctx, invoice, customer)
    invoice_balance.apply(ctx, invoice, customer)
    sequence = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] = sequence + 1
    ctx.store.put(customer)
    invoice.update(
        automatically_finalizes_at=None,
        effective_at=ctx.now,
        number=invoice["number"] or f"{customer['invoice_prefix']}-{sequence:04d}",
        status="open",
    )
    invoice["status_transitions"]["finalized_at"] = ctx.now
    if invoice["collection_method"] == "send_invoice" and invoice["due_date"] is None:
        invoice["due_date"] = ctx.now + (invoice["_days_until_due"] or 0) * DAY
    save(ctx, invoice)
    without_address = {"hosted_invoice_url": None, "invoice_pdf": None}  # written when it is given out
    ctx.emit("invoice.finalized", invoice, {**differences(before, invoice), **without_address})
    if invoice["amount_due"] > 0:
        open_payment(ctx, invoice, _new_intent(ctx, invoice, invoice["amount_due"]))
    discounts.consume(ctx, customer, used_by(ctx, all_lines(invoice)))
    for hook in HOOKS.finalized:
        hook(ctx, invoice)
    if invoice["amount_due"] == 0:
        become_paid(ctx, invoice)


def stay_draft(ctx: Ctx, invoice: Obj, why: StripeError) -> None:
    """Stripe could not finalize an invoice by itself: it waits for somebody to see to it."""
    invoice["auto_advance"] = False
    invoice["last_finalization_error"] = {"code": why.code, "message": why.message, "type": why.type}
    save(ctx, invoice)
    ctx.emit("invoice.finalization_failed", invoice)


def attempt(ctx: Ctx, invoice: Obj, method: str, *, off_session: bool = True) -> Attempt:
    """Try to charge what remains of an open invoice and note the next try; never raises for a card.

    One that a customer who is there has to authenticate counts once that is answered: recorded behavior.
    """
    before = public(invoice)
    intent = ctx.store.get("payment_intent", payment_of(ctx, invoice)["payment"]["payment_intent"])
    if intent["status"] == "processing":
        raise invalid(
            f"The payment of the invoice {invoice['id']} is being processed.",
            code="payment_intent_unexpected_state",
        )
    if intent["status"] == "canceled":
        intent = _new_intent(ctx, invoice, invoice["amount_remaining"])
        open_payment(ctx, invoice, intent)
    invoice["attempted"] = True
    outcome = confirm(ctx, intent, method, off_session=off_session)
    code = (outcome.error or {}).get("decline_code")
    invoice["_hard_declined"] = method if code in HARD_DECLINES else None
    intent["_uncounted"] = outcome.needs_action and not off_session
    ctx.store.put(intent)
    if not intent["_uncounted"]:
        invoice["attempt_count"] += 1
    return _conclude(ctx, invoice, outcome, before)


def pass_over(ctx: Ctx, invoice: Obj) -> None:
    """An attempt whose time has come, but whose method was declined for good: it counts, and isn't made.

    https://docs.stripe.com/billing/revenue-recovery/smart-retries#non-retryable-decline-codes
    """
    before = public(invoice)
    invoice["attempt_count"] += 1
    _plan_next(ctx, invoice)
    save(ctx, invoice)
    ctx.emit("invoice.updated", invoice, differences(before, invoice))
    in_arrears(ctx, invoice)


def await_confirmation(ctx: Ctx, invoice: Obj) -> None:
    """Make no attempt: the payment intent waits, with the method that would be charged."""
    intent = ctx.store.get("payment_intent", payment_of(ctx, invoice)["payment"]["payment_intent"])
    if method := method_for(ctx, invoice):
        intent.update(payment_method=method, status="requires_confirmation")
        ctx.store.put(intent)


def hear(ctx: Ctx, invoice: Obj, outcome: Attempt) -> None:
    """Take in what came later of an attempt: the customer has authenticated, or has not."""
    before = public(invoice)
    if outcome.intent.pop("_uncounted", False):
        invoice["attempt_count"] += 1
        ctx.store.put(outcome.intent)
    _conclude(ctx, invoice, outcome, before)


def _conclude(ctx: Ctx, invoice: Obj, outcome: Attempt, before: Obj) -> Attempt:
    if outcome.paid:
        receive(ctx, invoice, outcome.intent)
    elif outcome.processing:
        invoice["next_payment_attempt"] = None
        save(ctx, invoice)
        ctx.emit("invoice.updated", invoice, differences(before, invoice))
        for hook in HOOKS.processing:
            hook(ctx, invoice)
    else:
        fail(ctx, invoice, outcome, before)
    return outcome


def fail(ctx: Ctx, invoice: Obj, outcome: Attempt | None, before: Obj) -> None:
    """Note a failed attempt (None: there was nothing to charge) and when the next one is.

    A debit that came back is not tried again: https://docs.stripe.com/billing/revenue-recovery/smart-retries.
    """
    _plan_next(ctx, invoice, debit=outcome is not None and outcome.debit)
    save(ctx, invoice)
    waits = outcome is not None and outcome.needs_action
    if waits:
        ctx.emit("invoice.payment_action_required", invoice)
    if not waits or ctx.switches.action_required == "failed":
        ctx.emit("invoice.payment_failed", invoice)
    if changed := differences(before, invoice):
        ctx.emit("invoice.updated", invoice, changed)
    in_arrears(ctx, invoice)


def _plan_next(ctx: Ctx, invoice: Obj, *, debit: bool = False) -> None:
    tried, pauses = invoice["attempt_count"], ctx.account.retry_days
    automatic = invoice["auto_advance"] and invoice["collection_method"] == "charge_automatically"
    again = tried <= len(pauses) and automatic and not debit
    invoice["next_payment_attempt"] = ctx.now + pauses[max(tried, 1) - 1] * DAY if again else None


def in_arrears(ctx: Ctx, invoice: Obj) -> None:
    """Let the others know that an invoice is not paid as it should be."""
    note_delinquency(ctx, invoice, True)
    for hook in HOOKS.failed:
        hook(ctx, invoice)


def receive(ctx: Ctx, invoice: Obj, intent: Obj) -> None:
    """Book a succeeded payment intent on its invoice; what was paid too much is the customer's credit."""
    before = public(invoice)
    invoice["amount_paid"] += intent["amount_received"]
    invoice["amount_remaining"] = max(0, invoice["amount_due"] - invoice["amount_paid"])
    invoice["amount_overpaid"] = max(0, invoice["amount_paid"] - invoice["amount_due"])
    mark_paid(ctx, intent)
    invoice_balance.credit(ctx, invoice, invoice["amount_overpaid"] - before["amount_overpaid"])
    if payment_of(ctx, invoice)["status"] == "open":
        ask_for_remainder(ctx, invoice)
    if invoice["amount_remaining"] == 0 and invoice["status"] != "paid":
        become_paid(ctx, invoice)
        return
    save(ctx, invoice)
    ctx.emit("invoice.updated", invoice, differences(before, invoice))


def ask_for_remainder(ctx: Ctx, invoice: Obj) -> None:
    """Let the invoice's payment intent ask for what remains; with nothing left it is given up."""
    payment = payment_of(ctx, invoice)
    intent = ctx.store.get("payment_intent", payment["payment"]["payment_intent"])
    if invoice["amount_remaining"] == 0:
        cancel_payment(ctx, payment)
        cancel_intent(ctx, intent, "automatic")
        return
    intent["amount"] = payment["amount_requested"] = invoice["amount_remaining"]
    ctx.store.put(intent)
    ctx.store.put(payment)


def become_paid(ctx: Ctx, invoice: Obj) -> None:
    """Close an invoice as paid."""
    invoice.update(attempted=True, auto_advance=False, next_payment_attempt=None, status="paid")
    invoice["status_transitions"]["paid_at"] = ctx.now
    save(ctx, invoice)
    note_delinquency(ctx, invoice, False)
    ctx.emit("invoice.paid", invoice)
    ctx.emit("invoice.payment_succeeded", invoice)
    for hook in HOOKS.paid:
        hook(ctx, invoice)


def payment_of(ctx: Ctx, invoice: Obj) -> Obj:
    """The invoice's default payment."""
    payments = ctx.store.related("invoice_payment", "invoice", invoice["id"])
    return next(payment for payment in payments if payment["is_default"])


def is_processing(ctx: Ctx, invoice: Obj) -> bool:
    """Whether an open invoice waits for a bank debit that is under way."""
    if invoice["status"] != "open":
        return False
    intent = ctx.store.get("payment_intent", payment_of(ctx, invoice)["payment"]["payment_intent"])
    return bool(intent["status"] == "processing")


def method_for(ctx: Ctx, invoice: Obj) -> str | None:
    """The payment method that an invoice is charged to: its own, else the customer's default."""
    if invoice["default_payment_method"]:
        return str(invoice["default_payment_method"])
    if invoice["parent"]:
        subscription = ctx.store.find(
            "subscription", invoice["parent"]["subscription_details"]["subscription"]
        )
        if subscription and subscription["default_payment_method"]:
            return str(subscription["default_payment_method"])
    return default_method(ctx, invoice["customer"])


def default_method(ctx: Ctx, customer_id: str) -> str | None:
    """What a customer is charged to unless an invoice or subscription has its own."""
    customer = ctx.store.get("customer", customer_id)
    chosen = (customer.get("invoice_settings") or {}).get("default_payment_method")
    chosen = chosen or customer["default_source"]
    return str(chosen) if chosen else None


def no_method() -> StripeError:
    """The refusal for a customer without anything to charge."""
    return invalid(
        "This customer has no attached payment source or default payment method. Please consider adding a "
        "default "
        "payment method. For more information, visit "
        "https://stripe.com/docs/billing/subscriptions/payment-methods-setting"
        "#payment-method-priority.",
        code="resource_missing",
    )


def note_delinquency(ctx: Ctx, invoice: Obj, delinquent: bool) -> None:
    """A customer's `delinquent` follows its latest invoice that failed, was paid or was written off."""
    customer = ctx.store.get("customer", invoice["customer"])
    if customer["delinquent"] != delinquent:
        customer["delinquent"] = delinquent
        ctx.store.put(customer)
        ctx.emit("customer.updated", customer, {"delinquent": not delinquent})


def _new_intent(ctx: Ctx, invoice: Obj, amount: int) -> Obj:
    """What an invoice is paid by; a subscription's sets the card up for its renewals: recorded behavior."""
    more: dict[str, Any] = {}
    if invoice["parent"]:
        more["setup_future_usage"] = "off_session"
        more["payment_details"] = {"customer_reference": None, "order_reference": invoice["id"]}
    return new_intent(
        ctx, invoice["customer"], amount, invoice["currency"], description=_purpose(invoice), **more
    )


def _purpose(invoice: Obj) -> str:
    reasons = {"subscription_create": "Subscription creation", "subscription_update": "Subscription update"}
    return reasons.get(invoice["billing_reason"], "Payment for Invoice")
