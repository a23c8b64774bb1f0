"""Previews: the invoice that a change, a renewal or a new subscription would make. Nothing is stored.

With `always_invoice`, an anchor reset or a trial's change the preview is the immediate invoice; otherwise
it is the renewal: what waits, the prorations, then the next period.
https://docs.stripe.com/api/invoices/create_preview
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from stripe.params import InvoiceCreatePreviewParams

from ..catalog.catalog import item_charge, terms_of
from ..catalog.proration import Draft, trial
from ..core.forms import part
from ..core.kernel import Ctx, Obj, StripeError, invalid, missing, public, route
from ..core.updates import not_built, require_own, without_effect
from ..invoices import invoicing
from ..invoices.invoice_lines import EMBEDDED, all_lines
from ..invoices.invoice_shapes import compose, expect, lay_out
from ..invoices.pending_items import extra_item, pending_items, proration_item
from ..subscription_terms.cancellations import plan_cancellation
from ..subscription_terms.changes import CHANGES_BILLING, Change, plan
from ..subscription_terms.renewal_lines import renew_items
from ..subscription_terms.schedule_ahead import GIVEN, enter_next_phase
from ..subscription_terms.shapes import in_trial, items_of, period_end, runs_until, set_items
from ..subscription_terms.terms import end_asked, take_pricing
from ..subscription_terms.usage_lines import follow_items, outstanding, restart
from ..subscription_terms.worths import credits_of
from .birth import compose_new
from .pausing import plan_pause, plan_resume

NOT_BUILT = ("customer_account", "on_behalf_of")
DETAILS_NOT_BUILT = ("billing_schedules",)
CUSTOMER_DETAILS = {"address", "tax_exempt"}
BY_SCHEDULE = ("schedule", "schedule_details")
SCHEDULES: list[Callable[[Ctx], Obj]] = []
"""What previews a schedule: registered by the module that knows how schedules come about."""


@dataclass(slots=True)
class _Bill:
    """What the previewed invoice holds."""

    at: int
    period: tuple[int, int]
    items: list[Obj] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)


@route("POST", "/v1/invoices/create_preview", params=InvoiceCreatePreviewParams, kind="invoice", writes=False)
def create_preview(ctx: Ctx) -> Obj:
    """Preview an invoice; raises 404 `invoice_upcoming_none` when there would be none."""
    not_built(ctx, *NOT_BUILT)
    require_own(ctx.params.get("issuer"), "issuer")
    ctx.previewing = True
    if any(name in ctx.params for name in BY_SCHEDULE):
        return _by_schedule(ctx)
    details = ctx.params.get("subscription_details") or {}
    for name in DETAILS_NOT_BUILT:
        if name in details:
            raise invalid(f"This stand-in does not preview {name}.", param=f"subscription_details[{name}]")
    without_effect(replace(ctx, params=details), "proration_behavior")  # where there is nothing to prorate
    subscription = _subscription(ctx, details)
    if subscription is None:
        return _of_new_subscription(ctx, details)
    customer = _customer(ctx, subscription["customer"])
    subscription = deepcopy(subscription)
    _take_pricing(ctx, subscription, details)
    if details.get("cancel_now"):
        return _answer(ctx, customer, subscription, _of_cancellation(ctx, subscription, details), details)
    if details.get("pause") or details.get("resume_at"):
        return _answer(ctx, customer, subscription, _of_pause(ctx, subscription, details), details)
    asked = any(name in details for name in CHANGES_BILLING)
    if asked and subscription["status"] in ("canceled", "incomplete_expired"):
        raise invalid("A canceled subscription can only update its cancellation_details and metadata.")
    ending = plan_cancellation(ctx, subscription, details)
    change = plan(ctx, subscription, details) if asked else ending
    at_once = change is not None and change.always_invoice and ("items" in details or not asked)
    if change is not None and ((change.resets and not change.waits) or at_once):
        bill = _immediate(ctx, subscription, change)
    else:
        bill = _renewal(ctx, subscription, change, details)
    invoice = _answer(ctx, customer, subscription, bill, details)
    if change is not None and change.prorations:
        invoice["parent"]["subscription_details"]["subscription_proration_date"] = change.at
    return invoice


def _subscription(ctx: Ctx, details: dict[str, Any]) -> Obj | None:
    """The subscription to preview: named, or the customer's next to renew; None for a new one."""
    params = ctx.params
    id = params.get("subscription")
    if id:
        subscription = ctx.store.get("subscription", id, param="subscription", status=404)
        if params.get("customer") not in (None, subscription["customer"]):
            raise missing("subscription", id, param="subscription", status=404)
        return subscription
    if details.get("items"):
        return None
    if not params.get("customer"):
        raise invalid(
            "You must specify one of: customer, schedule, subscription.",
            code="parameter_missing",
            param="customer",
        )
    customer = ctx.store.get("customer", params["customer"], param="customer", status=404)
    found = ctx.store.related("subscription", "customer", customer["id"])
    live = [subscription for subscription in found if subscription["_due"] and not _ends(subscription)]
    if not live:
        raise nothing(customer["id"])
    return min(live, key=period_end)


def _by_schedule(ctx: Ctx) -> Obj:
    """The next invoice of a schedule's subscription."""
    for name in ("subscription", "subscription_details"):
        if name in ctx.params:
            other = next(one for one in BY_SCHEDULE if one in ctx.params)
            raise invalid(f"You may only specify one of these parameters: {other}, {name}.", param=name)
    return SCHEDULES[0](ctx)


def _customer(ctx: Ctx, id: str) -> Obj:
    """The customer, with the place and the exemption that the preview supposes."""
    given = ctx.params.get("customer_details") or {}
    for name in sorted(set(given) - CUSTOMER_DETAILS):
        raise invalid(f"This stand-in does not preview {name}.", param=f"customer_details[{name}]")
    supposed = {name: None if value == "" else public(value) for name, value in given.items()}
    return {**ctx.store.get("customer", id), **supposed}


def _take_pricing(ctx: Ctx, subscription: Obj, details: dict[str, Any]) -> None:
    """Give a copy of the subscription the discounts and taxes that are supposed; "" is none at all."""
    given = _supposed(ctx)
    if given.get("discounts") == "":
        subscription["discounts"], subscription["_inherits"] = [], False
        del given["discounts"]
    if "default_tax_rates" in details:
        given["default_tax_rates"] = details["default_tax_rates"]
    take_pricing(ctx, subscription, given)


def _supposed(ctx: Ctx) -> dict[str, Any]:
    return {name: ctx.params[name] for name in ("automatic_tax", "discounts") if name in ctx.params}


def _immediate(ctx: Ctx, subscription: Obj, change: Change) -> _Bill:
    """The invoice that the change makes at once; empty when it changes nothing that is billed."""
    bill = _Bill(ctx.now, (ctx.now, ctx.now), drafts=change.recurring)
    if change.bills_now and change.with_pending:
        bill.items = pending_items(ctx.store, subscription["customer"], subscription["id"])
    bill.items += _unsaved(ctx, subscription, change.prorations)
    return bill


def _renewal(ctx: Ctx, subscription: Obj, change: Change | None, details: dict[str, Any]) -> _Bill:
    after = deepcopy(subscription)
    if change is not None:
        set_items(after, change.items)
        after["billing_cycle_anchor"] = change.anchor or after["billing_cycle_anchor"]
        restart(after, change.metered, ctx.now)
    after["cancel_at"] = end_asked(ctx, subscription, details)
    waiting = pending_items(ctx.store, subscription["customer"], subscription["id"])
    waiting += _unsaved(ctx, subscription, change.prorations if change else [])
    at = runs_until(after, period_end(after))
    start = min(item["current_period_start"] for item in items_of(after))
    bill = _Bill(at, (start, at), waiting)
    if subscription["status"] in ("canceled", "incomplete", "incomplete_expired", "paused"):
        raise nothing(subscription["customer"])
    if not _ends(after, at):
        ahead = enter_next_phase(replace(ctx, now=at), after)
        bill.items += ahead.extras
        follow_items(after, ctx.now)
        if ahead.trial_end is None:
            _, bill.drafts = renew_items(ctx, after, at)
        else:
            bill.drafts = [_trial(ctx, after, item, at, ahead.trial_end) for item in items_of(after)]
        subscription.update({name: after[name] for name in GIVEN})
        subscription["_inherits"] = after.get("_inherits", True)
        return bill
    bill.drafts = outstanding(ctx, after, at)
    if not waiting and not bill.drafts:
        raise nothing(subscription["customer"])
    return bill


def _trial(ctx: Ctx, subscription: Obj, item: Obj, start: int, end: int) -> Draft:
    mode = subscription["billing_mode"]["type"]
    charge = item_charge(ctx.store, item, subscription["currency"])
    return trial(item["id"], charge, start, end, terms_of(item), mode)


def _of_cancellation(ctx: Ctx, subscription: Obj, details: dict[str, Any]) -> _Bill:
    """The last invoice of a subscription cancelled now: what waits, and credits unless switched off."""
    bill = _Bill(
        ctx.now, (ctx.now, ctx.now), pending_items(ctx.store, subscription["customer"], subscription["id"])
    )
    if details.get("proration_behavior") != "none" and not in_trial(subscription, ctx.now):
        at = details.get("proration_date") or ctx.now
        for item in items_of(subscription):
            bill.items += _unsaved(ctx, subscription, credits_of(ctx, subscription, item, at))
    bill.drafts = outstanding(ctx, subscription, ctx.now)
    return bill


def _of_pause(ctx: Ctx, subscription: Obj, details: dict[str, Any]) -> _Bill:
    """The invoice that pausing or resuming makes at once; raises 404 where there would be none."""
    if details.get("pause"):
        change = plan_pause(ctx, subscription, details["pause"])
    else:
        change = plan_resume(ctx, subscription, details)
    if not change.bills_now:
        raise nothing(subscription["customer"])
    return _immediate(ctx, subscription, change)


def _of_new_subscription(ctx: Ctx, details: dict[str, Any]) -> Obj:
    asked = part(details, details.keys(), **_supposed(ctx), customer=ctx.params.get("customer"))
    subscription, drafts = compose_new(ctx, asked)
    customer = _customer(ctx, subscription["customer"])
    start = subscription["start_date"]
    bill = _Bill(ctx.now, (start, start), pending_items(ctx.store, customer["id"], None), drafts)
    invoice = _answer(ctx, customer, subscription, bill, details)
    invoice["parent"] = None
    for line in all_lines(invoice):
        line["subscription"] = None
        if line["parent"]["subscription_item_details"]:
            line["parent"]["subscription_item_details"]["subscription"] = None
    return invoice


def _answer(ctx: Ctx, customer: Obj, subscription: Obj, bill: _Bill, details: dict[str, Any]) -> Obj:
    if ctx.params.get("currency") not in (None, subscription["currency"]):
        raise invalid("This stand-in previews a subscription in its own currency.", param="currency")
    extra = [_extra(ctx, customer, subscription, entry) for entry in ctx.params.get("invoice_items", [])]
    items = [*extra, *bill.items]
    if ctx.params.get("preview_mode") == "recurring":
        items = []
    invoice = compose(
        replace(ctx, now=bill.at),
        customer,
        currency=subscription["currency"],
        reason="upcoming",
        subscription=subscription,
        period=bill.period,
        id=ctx.store.new_id("upcoming_in"),
    )
    lay_out(
        ctx,
        invoice,
        items,
        bill.drafts,
        subscription,
        prefix="il_tmp",
        embedded=EMBEDDED if ctx.switches.preview_lines == "ten" else len(items) + len(bill.drafts),
    )
    invoice["ending_balance"] = expect(invoice, customer)
    if invoice["collection_method"] == "charge_automatically":
        invoice["next_payment_attempt"] = bill.at + invoicing.FINALIZE_AFTER
    return invoice


def _unsaved(ctx: Ctx, subscription: Obj, drafts: list[Draft]) -> list[Obj]:
    return [proration_item(ctx, subscription["customer"], subscription["id"], draft) for draft in drafts]


def _extra(ctx: Ctx, customer: Obj, subscription: Obj, entry: dict[str, Any]) -> Obj:
    for name in ("invoiceitem", "price_data"):
        if entry.get(name):
            raise invalid(f"This stand-in does not preview {name}.", param=f"invoice_items[{name}]")
    return extra_item(ctx, customer["id"], None, {"currency": subscription["currency"], **entry})


def _ends(subscription: Obj, at: int | None = None) -> bool:
    """Whether the subscription ends instead of renewing."""
    at = period_end(subscription) if at is None else at
    return bool(subscription["cancel_at"] is not None and subscription["cancel_at"] <= at)


def nothing(customer: str) -> StripeError:
    """The refusal where there would be no invoice."""
    return invalid(f"No upcoming invoices for customer: {customer}", code="invoice_upcoming_none", status=404)
