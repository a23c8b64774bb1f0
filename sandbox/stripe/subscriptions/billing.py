"""Carrying a planned change out: invoice items, invoice, charge, and the subscription afterwards."""

from dataclasses import dataclass
from typing import Any

from ..core.kernel import Ctx, Obj, public
from ..invoices import invoicing
from ..invoices.invoice_lines import all_lines
from ..invoices.pending_items import keep, pending_items, proration_item
from ..payments.payments import Attempt, declined
from ..subscription_terms.changes import Change
from ..subscription_terms.shapes import debit_of_item, debit_of_line, save, set_items
from ..subscription_terms.trials import begin
from ..subscription_terms.usage_lines import restart
from .withheld import withhold


@dataclass(frozen=True, slots=True)
class Bill:
    """The invoice that a change made, and the failed attempt to collect it, if it failed."""

    invoice: Obj
    failed: Attempt | None


def add_prorations(ctx: Ctx, subscription: Obj, change: Change) -> list[Obj]:
    """Store the change's prorations as invoice items that wait for an invoice."""
    customer = subscription["customer"]
    return [
        keep(ctx, proration_item(ctx, customer, subscription["id"], draft)) for draft in change.prorations
    ]


def bill_change(
    ctx: Ctx, subscription: Obj, change: Change, own: list[Obj], *, behavior: str, off_session: bool
) -> Bill:
    """Invoice a change at once, finalize it and collect it as `payment_behavior` says.

    `own`: the stored invoice items of the change. Raises 402 under `error_if_incomplete`, 400 for a customer
    without a payment method.
    """
    customer = ctx.store.get("customer", subscription["customer"])
    waiting = pending_items(ctx.store, customer["id"], subscription["id"])
    mine = {item["id"] for item in own}
    items = [item for item in waiting if change.with_pending or item["id"] in mine]
    invoice = invoicing.draw_up(
        ctx,
        customer,
        currency=subscription["currency"],
        reason="subscription_update",
        items=items,
        drafts=change.recurring,
        subscription=subscription,
        _own=sorted(mine),
        _holds_update=behavior == "pending_if_incomplete",
    )
    subscription["latest_invoice"] = invoice["id"]
    return Bill(invoice, collect(ctx, subscription, invoice, behavior=behavior, off_session=off_session))


def collect(ctx: Ctx, subscription: Obj, invoice: Obj, *, behavior: str, off_session: bool) -> Attempt | None:
    """Finalize a draft and charge it; gives the failed attempt, None when nothing is left to do.

    The invoices of a subscription whose collection is paused are withheld instead.

    Under `default_incomplete` no attempt is made: the open invoice waits for its confirmation.
    """
    if withhold(ctx, subscription, invoice):
        return None
    invoicing.finalize(ctx, invoice)
    if invoice["status"] == "paid":
        return None
    if subscription["collection_method"] == "send_invoice":
        ctx.emit("invoice.sent", invoice)
        return None
    if behavior == "default_incomplete":
        invoicing.await_confirmation(ctx, invoice)
        return None
    method = invoicing.method_for(ctx, invoice)
    if method is None and ctx.request_id:
        raise invoicing.no_method()
    if method is None:  # timed work has nobody to refuse: the invoice stays open
        invoicing.fail(ctx, invoice, None, public(invoice))
        return None
    outcome = invoicing.attempt(ctx, invoice, method, off_session=off_session)
    if outcome.paid or outcome.processing:
        return None
    if behavior == "error_if_incomplete":
        raise declined(outcome, waits_code="subscription_payment_intent_requires_action")
    return outcome


def outcome_of(change: Change, own: list[Obj], invoice: Obj | None) -> dict[str, Any]:
    """What `apply` does to the subscription, as plain data: it may have to wait for a payment."""
    if invoice is not None:
        found = [debit_of_line(line) for line in all_lines(invoice)]
        mine = {item["id"] for item in own}
        found = [
            one for one in found if one and (one[1]["invoice_item"] is None or one[1]["invoice_item"] in mine)
        ]
    else:
        found = [debit_of_item(item) for item in own]
    return {
        "items": change.items,
        "anchor": change.anchor,
        "trial_end": change.trial_end,
        "ends_trial": change.ends_trial,
        "credited": change.credited,
        "metered": change.metered,
        "debits": [list(one) for one in found if one],
    }


def apply(ctx: Ctx, subscription: Obj, outcome: dict[str, Any]) -> None:
    """Give the subscription its new items, cycle and debits."""
    set_items(subscription, outcome["items"])
    if outcome["anchor"] is not None:
        subscription["billing_cycle_anchor"] = outcome["anchor"]
    if outcome["trial_end"] is not None:
        begin(subscription, outcome["trial_end"], ctx.now)
        subscription["status"] = "trialing"
    if outcome["ends_trial"]:
        subscription["trial_end"] = ctx.now
        subscription["status"] = "active" if subscription["status"] == "trialing" else subscription["status"]
    restart(subscription, outcome["metered"], ctx.now)
    book_debits(subscription, outcome["credited"], [(item, entry) for item, entry in outcome["debits"]])
    save(ctx, subscription)


def book_debits(subscription: Obj, credited: list[str], debited: list[tuple[str, Obj]]) -> None:
    """Forget the debits that were credited, note the new ones, drop those of items that are gone."""
    debits = subscription["_debits"]
    for item in credited:
        debits.pop(item, None)
    for item, entry in debited:
        debits.setdefault(item, []).append(entry)
    live = {item["id"] for item in subscription["items"]["data"]}
    subscription["_debits"] = {item: entries for item, entries in debits.items() if item in live}
