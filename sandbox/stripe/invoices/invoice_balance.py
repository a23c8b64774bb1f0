"""What an invoice does to its customer's balance: https://docs.stripe.com/billing/customer/balance."""

from ..core.kernel import Ctx, Obj
from ..customers import balance
from .invoice_shapes import expect_balance


def apply(ctx: Ctx, invoice: Obj, customer: Obj) -> None:
    """Apply the balance, then carry what is left below the smallest charge on it."""
    start = customer["balance"]
    expect_balance(invoice, customer)
    owed = max(0, start + invoice["total"])
    moves = [
        (invoice["total"] - owed, "applied_to_invoice"),
        (owed - invoice["amount_due"], "invoice_too_small"),
    ]
    for amount, type in moves:
        if amount:
            balance.move(ctx, customer, amount, invoice["currency"], type, invoice=invoice["id"])
    invoice["ending_balance"] = customer["balance"]
    balance.tell(ctx, customer, start)


def credit(ctx: Ctx, invoice: Obj, amount: int) -> None:
    """Credit what was paid too much to the customer's balance."""
    if amount > 0:
        customer = ctx.store.get("customer", invoice["customer"])
        before = customer["balance"]
        balance.move(ctx, customer, -amount, invoice["currency"], "invoice_overpaid", invoice=invoice["id"])
        balance.tell(ctx, customer, before)


def give_back(ctx: Ctx, invoice: Obj) -> None:
    """Undo what was applied to an invoice that is voided."""
    customer = ctx.store.get("customer", invoice["customer"])
    before = customer["balance"]
    amount = invoice["starting_balance"] - invoice["ending_balance"]
    if amount:
        balance.move(
            ctx, customer, amount, invoice["currency"], "unapplied_from_invoice", invoice=invoice["id"]
        )
        balance.tell(ctx, customer, before)
