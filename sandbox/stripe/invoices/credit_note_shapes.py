"""What a credit note comes to: its lines, its sum, and how much of it comes before and after the payment.

The note first takes what remains to be paid; the excess must be given back exactly:
refunded, credited or out of band.
https://docs.stripe.com/invoicing/credit-notes
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ..core.amounts import nearest, text
from ..core.kernel import Ctx, Obj, invalid, list_object, merge_metadata, missing, public
from ..core.updates import not_built
from .invoice_lines import all_lines

KIND = "credit_note"
NOT_BUILT = ("shipping_cost",)


@dataclass(slots=True)
class Draft:
    """A credit note that is not issued yet; amounts in minor units."""

    invoice: Obj
    total: int
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
    def type(self) -> str:
        """`pre_payment`, `post_payment` or `mixed`."""
        if self.before and self.after:
            return "mixed"
        return "post_payment" if self.after else "pre_payment"


def draft(ctx: Ctx) -> Draft:
    """The note that the request describes; raises 400 for what the invoice or the sums don't allow."""
    not_built(ctx, *NOT_BUILT)
    params = ctx.params
    invoice = ctx.store.get("invoice", params["invoice"], param="invoice", status=400)
    if invoice["status"] not in ("open", "paid", "uncollectible"):
        raise invalid(
            f"You can only create a credit note for a finalized invoice. This one is {invoice['status']}.",
            param="invoice",
        )
    lines = [_line(ctx, invoice, entry, index) for index, entry in enumerate(params.get("lines", []))]
    total = _total(params, lines)
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
        lines = [_custom(ctx, total, "Credit", 1, None, {})]
    before = min(total, invoice["amount_remaining"])
    found = Draft(invoice, total, before, total - before, lines)
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
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": ctx.params.get("effective_at", ctx.now),
        "invoice": note.invoice["id"],
        "lines": {**list_object(note.lines, f"/v1/credit_notes/{id}/lines"), "total_count": len(note.lines)},
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
        "subtotal": note.total,
        "subtotal_excluding_tax": note.total,
        "total": note.total,
        "total_excluding_tax": note.total,
        "total_taxes": [],
        "type": note.type,
        "voided_at": None,
    }


def _total(params: dict[str, Any], lines: list[Obj]) -> int:
    if lines:
        total = sum(int(line["amount"]) for line in lines)
        if params.get("amount", total) != total:
            raise invalid("The `amount` of a credit note must be the sum of its `lines`.", param="amount")
    elif "amount" in params:
        total = params["amount"]
    else:
        raise invalid(
            "You must specify one of: amount, lines, shipping_cost.", code="parameter_missing", param="amount"
        )
    if total <= 0:
        raise invalid(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    return total


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


def _line(ctx: Ctx, invoice: Obj, entry: dict[str, Any], index: int) -> Obj:
    where = f"lines[{index}]"
    quantity = entry.get("quantity")
    unit = entry.get("unit_amount_decimal", entry.get("unit_amount"))
    amount = entry.get("amount")
    if amount is None and unit is not None:
        amount = nearest(Decimal(unit) * (quantity or 1))
    metadata = merge_metadata(None, entry.get("metadata"))
    if entry["type"] == "custom_line_item":
        if amount is None or not entry.get("description"):
            raise invalid(
                "A custom line needs a description, and an amount or unit_amount.",
                code="parameter_missing",
                param=f"{where}[{'description' if amount is not None else 'amount'}]",
            )
        return _custom(ctx, amount, entry["description"], quantity or 1, unit, metadata)
    lines = {line["id"]: line for line in all_lines(invoice)}
    source = lines.get(entry.get("invoice_line_item", ""))
    if source is None:
        id = entry.get("invoice_line_item", "")
        raise missing("invoice line item", id, param=f"{where}[invoice_line_item]", status=400)
    if amount is None:
        amount = (
            source["amount"]
            if quantity is None
            else nearest(Decimal(source["pricing"]["unit_amount_decimal"]) * quantity)
        )
    if amount > source["amount"]:
        raise invalid("A line can't be credited for more than it billed.", param=f"{where}[amount]")
    made = _custom(ctx, amount, source["description"], quantity or source["quantity"], unit, metadata)
    made.update(type="invoice_line_item", invoice_line_item=source["id"])
    return made


def _custom(
    ctx: Ctx, amount: int, description: str | None, quantity: int, unit: Any, metadata: dict[str, str]
) -> Obj:
    return {
        "id": ctx.store.new_id("cnli"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": description,
        "discount_amount": 0,
        "discount_amounts": [],
        "livemode": False,
        "metadata": public(metadata),
        "pretax_credit_amounts": [],
        "quantity": quantity,
        "tax_rates": [],
        "taxes": [],
        "type": "custom_line_item",
        "unit_amount": None if unit is None or Decimal(unit) % 1 else int(Decimal(unit)),
        "unit_amount_decimal": None if unit is None else str(unit),
    }
