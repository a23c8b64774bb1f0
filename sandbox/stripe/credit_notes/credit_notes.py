"""Credit notes over HTTP: preview, issue, change, void.

A note on an open invoice takes from what remains to be paid; on a paid one its amount is refunded, credited
to the customer's balance or given back out of band. https://docs.stripe.com/api/credit_notes
"""

from typing import Any

from stripe.params import (
    CreditNoteCreateParams,
    CreditNoteLineItemListParams,
    CreditNoteListParams,
    CreditNotePreviewLinesListParams,
    CreditNotePreviewParams,
    CreditNoteRetrieveParams,
    CreditNoteUpdateParams,
    CreditNoteVoidCreditNoteParams,
)

from ..core.filters import listed
from ..core.kernel import Ctx, Obj, invalid, merge_metadata, public, route
from ..core.updates import changed, differences, not_built, without_effect
from ..customers import balance
from ..invoices import invoicing
from ..payments.refunds import refund_charge
from .lines import lines_of
from .shapes import KIND, Draft, draft, shape


@route("POST", "/v1/credit_notes", params=CreditNoteCreateParams, kind=KIND)
def create(ctx: Ctx) -> Obj:
    """Issue a credit note and do what it says with the money."""
    planned = draft(ctx)
    note = shape(ctx, planned)
    note["refunds"] = [*planned.refunds, *_refund(ctx, planned, note)]
    if planned.credit:
        _give_credit(ctx, planned, note)
    ctx.store.put(note)
    ctx.emit("credit_note.created", note)
    _book(ctx, planned.invoice, planned.before, planned.after)
    return note


@route("GET", "/v1/credit_notes/preview", params=CreditNotePreviewParams, kind=KIND)
def preview(ctx: Ctx) -> Obj:
    """What `create` would issue; nothing is stored."""
    planned = draft(ctx)
    note = shape(ctx, planned)
    note["refunds"] = planned.refunds
    return note


@route(
    "GET",
    "/v1/credit_notes/preview/lines",
    params=CreditNotePreviewLinesListParams,
    kind="credit_note_line_item",
)
def preview_lines(ctx: Ctx) -> Obj:
    """The lines of a preview."""
    without_effect(ctx, "effective_at", "memo", "reason")  # of the note, not of its lines
    return ctx.page(draft(ctx).lines, "/v1/credit_notes/preview/lines")


@route("GET", "/v1/credit_notes/{id}", params=CreditNoteRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One credit note."""
    return ctx.store.get(KIND, ctx.path["id"])


@route(
    "GET", "/v1/credit_notes/{id}/lines", params=CreditNoteLineItemListParams, kind="credit_note_line_item"
)
def list_lines(ctx: Ctx) -> Obj:
    """A credit note's lines."""
    note = ctx.store.get(KIND, ctx.path["id"])
    return ctx.page(lines_of(note), f"/v1/credit_notes/{note['id']}/lines")


@route("POST", "/v1/credit_notes/{id}", params=CreditNoteUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Memo and metadata may change."""
    note = ctx.store.get(KIND, ctx.path["id"])
    before = public(note)
    if "memo" in ctx.params:
        note["memo"] = ctx.params["memo"] or None
    note["metadata"] = merge_metadata(note["metadata"], ctx.params.get("metadata"))
    return changed(ctx, note, before, "credit_note.updated")


@route("POST", "/v1/credit_notes/{id}/void", params=CreditNoteVoidCreditNoteParams, kind=KIND)
def void(ctx: Ctx) -> Obj:
    """Take a note back, while its invoice is still open."""
    note = ctx.store.get(KIND, ctx.path["id"])
    invoice = ctx.store.get("invoice", note["invoice"])
    if note["status"] == "void":
        raise invalid("This credit note has already been voided.")
    if invoice["status"] != "open" or note["type"] != "pre_payment":
        raise invalid("You can only void a credit note on an open invoice.")
    before = public(note)
    note.update(status="void", voided_at=ctx.now)
    ctx.store.put(note)
    ctx.emit("credit_note.voided", note, differences(before, note))
    _book(ctx, invoice, -note["pre_payment_amount"], 0)
    return note


@route("GET", "/v1/credit_notes", params=CreditNoteListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Credit notes by invoice or customer, newest first."""
    not_built(ctx, "customer_account")
    return listed(ctx, KIND, "/v1/credit_notes", "invoice", "customer")


def _refund(ctx: Ctx, planned: Draft, note: Obj) -> list[dict[str, Any]]:
    """Refund from the invoice's payments, each up to its own rest, until `refund_amount` is reached."""
    wanted = planned.refund
    made: list[dict[str, Any]] = []
    for payment in reversed(ctx.store.related("invoice_payment", "invoice", planned.invoice["id"])):
        if payment["status"] != "paid" or not wanted:
            continue
        intent = ctx.store.get("payment_intent", payment["payment"]["payment_intent"])
        charge = ctx.store.get("charge", intent["latest_charge"])
        part = min(wanted, charge["amount"] - charge["amount_refunded"])
        if part > 0:
            refund = refund_charge(ctx, charge, part, metadata={"credit_note": note["id"]})
            made.append(
                {
                    "amount_refunded": part,
                    "payment_record_refund": None,
                    "refund": refund["id"],
                    "type": "refund",
                }
            )
            wanted -= part
    if wanted:
        raise invalid(
            "The refund amount is more than what is left of the invoice's payments.", param="refund_amount"
        )
    return made


def _give_credit(ctx: Ctx, planned: Draft, note: Obj) -> None:
    customer = ctx.store.get("customer", note["customer"])
    before = customer["balance"]
    transaction = balance.move(
        ctx,
        customer,
        -planned.credit,
        note["currency"],
        "credit_note",
        credit_note=note["id"],
        invoice=note["invoice"],
    )
    note["customer_balance_transaction"] = transaction["id"]
    balance.tell(ctx, customer, before)


def _book(ctx: Ctx, invoice: Obj, before_payment: int, after_payment: int) -> None:
    """Carry a note over to its invoice; one that has nothing left to pay is paid."""
    before = public(invoice)
    invoice["pre_payment_credit_notes_amount"] += before_payment
    invoice["post_payment_credit_notes_amount"] += after_payment
    invoice["amount_due"] -= before_payment
    invoice["amount_remaining"] -= before_payment
    invoicing.save(ctx, invoice)
    ctx.emit("invoice.updated", invoice, differences(before, invoice))
    if not before_payment:
        return
    invoicing.ask_for_remainder(ctx, invoice)
    if invoice["amount_remaining"] == 0:
        invoicing.become_paid(ctx, invoice)
