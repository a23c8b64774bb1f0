"""Whom an invoice is to: as the customer is, until the invoice is final. Taxes follow from it.

https://docs.stripe.com/tax/customer-locations
"""

from ..core.kernel import Ctx, Obj, StripeError, invalid, public
from ..taxes import automatic_tax, tax_ids
from .invoice_lines import all_lines, set_lines


def read(ctx: Ctx, customer: Obj) -> Obj:
    """The fields of an invoice that say it."""
    return {
        "customer_address": public(customer.get("address")),
        "customer_email": customer.get("email"),
        "customer_name": customer.get("name"),
        "customer_phone": customer.get("phone"),
        "customer_shipping": public(customer.get("shipping")),
        "customer_tax_exempt": customer.get("tax_exempt"),
        "customer_tax_ids": tax_ids.of_customer(ctx, customer["id"]),
    }


def settle(ctx: Ctx, invoice: Obj, customer: Obj) -> None:
    """Write it down for good, with the taxes that follow from it.

    Automatic tax needs to know where the customer is. A request is refused without that; what Stripe
    finalizes by itself goes on without tax.
    """
    to = read(ctx, customer)
    if any(invoice[name] != value for name, value in to.items()):
        invoice.update(to)
        set_lines(ctx, invoice, all_lines(invoice))
    why = not_found(ctx, invoice)
    if why is None:
        return
    if ctx.request_id:
        raise why
    invoice["automatic_tax"].update(enabled=False, disabled_reason="finalization_requires_location_inputs")
    set_lines(ctx, invoice, all_lines(invoice))
    ctx.emit("invoice.updated", invoice, {"automatic_tax": {"enabled": True}})


def not_found(ctx: Ctx, invoice: Obj) -> StripeError | None:
    """Why automatic tax can't be reckoned, if nobody can tell where the customer is now."""
    customer = ctx.store.get("customer", invoice["customer"])
    if not invoice["automatic_tax"]["enabled"] or automatic_tax.place_of(customer):
        return None
    return invalid(
        "The customer's location isn't recognized. Set a valid customer address in order to "
        "automatically calculate tax.",
        code="customer_tax_location_invalid",
    )
