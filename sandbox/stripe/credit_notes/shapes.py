"""What a credit note comes to: its lines, its sum, and how much of it comes before and after the payment.

The note first takes what remains to be paid; the excess must be given back exactly:
refunded, credited or out of band.
https://docs.stripe.com/invoicing/credit-notes
"""

from dataclasses import dataclass, field
from typing import Any

from ..core.amounts import text
from ..core.kernel import Ctx, Obj, invalid, list_object, merge_metadata, public
from ..core.updates import not_built, without_effect
from .lines import EMBEDDED, Sums, custom_line, line_of, sums_of_amount, sums_of_lines, ways_of

KIND = "credit_note"
NOT_BUILT = ("shipping_cost",)


@dataclass(slots=True)
class Draft:
    """A credit note that is not issued yet; amounts in minor units."""

    invoice: Obj
    sums: Sums
    before: int
    """What it takes off the invoice while that is open."""
    after: int
    """What is given back of a payment."""
    lines: list[Obj]
    refund: int = 0
    credit: int = 0
    out_of_band: int = 0
    refunds: list[Obj] = field(default_factory=list)

    @property
    def total(self) -> int:
        """What the note is of, taxes included."""
        return self.sums.total

    @property
    def type(self) -> str:
        """`pre_payment`, `post_payment` or `mixed`."""
        if self.before and self.after:
            return "mixed"
        return "post_payment" if self.after else "pre_payment"


def draft(ctx: Ctx) -> Draft:
    """The note that the request describes; raises 400 for what the invoice or the sums don't allow."""
    not_built(ctx, *NOT_BUILT)
    without_effect(ctx, "email_type")  # no mails are sent
    params = ctx.params
    invoice = ctx.store.get("invoice", params["invoice"], param="invoice", status=400)
    if invoice["status"] not in ("open", "paid", "uncollectible"):
        raise invalid(
            f"You can only create a credit note for a finalized invoice. This one is {invoice['status']}.",
            param="invoice",
        )
    lines = [line_of(ctx, invoice, entry, index) for index, entry in enumerate(params.get("lines", []))]
    sums = _sums(invoice, params, lines)
    total = sums.total
    left = (
        invoice["total"]
        - invoice["pre_payment_credit_notes_amount"]
        - invoice["post_payment_credit_notes_amount"]
    )
    if total > left:
        raise invalid(
            f"The credit note's amount ({text(total, invoice['currency'])}) is more than what is left to "
            f"credit on the invoice ({text(max(0, left), invoice['currency'])}).",
            param="amount" if "amount" in params else "lines",
        )
    if not lines:
        lines = [custom_line(ctx, sums.subtotal, "Credit", 1, None, {})]
    before = min(total, invoice["amount_remaining"])
    found = Draft(invoice, sums, before, total - before, lines)
    _split(ctx, found)
    return found


def shape(ctx: Ctx, note: Draft) -> Obj:
    """The note in Stripe's shape, issued now."""
    id = ctx.store.new_id("cn")
    issued = len(ctx.store.related(KIND, "invoice", note.invoice["id"]))
    return {
        "id": id,
        "object": KIND,
        "amount": note.total,
        "amount_shipping": 0,
        "created": ctx.now,
        "currency": note.invoice["currency"],
        "customer": note.invoice["customer"],
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": sum(one["amount"] for one in note.sums.discounts),
        "discount_amounts": public(note.sums.discounts),
        "effective_at": ctx.params.get("effective_at", ctx.now),
        "invoice": note.invoice["id"],
        "lines": {
            **list_object(
                note.lines[:EMBEDDED], f"/v1/credit_notes/{id}/lines", has_more=len(note.lines) > EMBEDDED
            ),
            "total_count": len(note.lines),
        },
        "_rest": note.lines[EMBEDDED:],
        "_ways": ways_of(ctx.params.get("lines", [])),
        "livemode": False,
        "memo": ctx.params.get("memo"),
        "metadata": merge_metadata(None, ctx.params.get("metadata")),
        "number": f"{note.invoice['number']}-CN-{issued + 1:02d}",
        "out_of_band_amount": note.out_of_band or None,
        "pdf": f"{ctx.account.base_url}/credit_notes/{ctx.account.id}/{id}/pdf",
        "post_payment_amount": note.after,
        "pre_payment_amount": note.before,
        "pretax_credit_amounts": [],
        "reason": ctx.params.get("reason"),
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": note.sums.subtotal,
        "subtotal_excluding_tax": note.sums.subtotal - note.sums.inclusive,
        "total": note.total,
        "total_excluding_tax": note.total - note.sums.exclusive - note.sums.inclusive,
        "total_taxes": public(note.sums.taxes),
        "type": note.type,
        "voided_at": None,
    }


def _sums(invoice: Obj, params: dict[str, Any], lines: list[Obj]) -> Sums:
    if lines:
        sums = sums_of_lines(lines)
        if params.get("amount", sums.total) != sums.total:
            message = "The `amount` of a credit note must be the sum of its `lines`, taxes included."
            raise invalid(message, param="amount")
    elif "amount" in params:
        sums = sums_of_amount(invoice, params["amount"])
    else:
        raise invalid(
            "You must specify one of: amount, lines, shipping_cost.", code="parameter_missing", param="amount"
        )
    if sums.total <= 0:
        raise invalid(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    return sums


def _split(ctx: Ctx, note: Draft) -> None:
    """Where the part after the payment goes: the given sums must make exactly that part."""
    params = ctx.params
    note.refund = params.get("refund_amount", 0)
    note.credit = params.get("credit_amount", 0)
    note.out_of_band = params.get("out_of_band_amount", 0)
    for index, entry in enumerate(params.get("refunds", [])):
        refund = ctx.store.get(
            "refund", entry.get("refund", ""), param=f"refunds[{index}][refund]", status=400
        )
        note.refunds.append(
            {
                "amount_refunded": entry.get("amount_refunded", refund["amount"]),
                "payment_record_refund": None,
                "refund": refund["id"],
                "type": "refund",
            }
        )
    for name in ("refund_amount", "credit_amount", "out_of_band_amount"):
        if params.get(name, 0) < 0:
            raise invalid(
                "This value must be greater than or equal to 0.", code="parameter_invalid_integer", param=name
            )
    given = note.refund + note.credit + note.out_of_band + sum(one["amount_refunded"] for one in note.refunds)
    if given != note.after:
        currency = note.invoice["currency"]
        raise invalid(
            f"The sum of credit amount, refund amount and out of band amount ({text(given, currency)}) must "
            f"equal the post payment credit note amount ({text(note.after, currency)})."
        )
